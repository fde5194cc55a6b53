"""A speech worker without models, for tests: it loads and works slowly, and hangs on request."""

import os
import time
from pathlib import Path

from agents.speech.frames import Kind, WorkerPipes

LOAD_SECONDS, WORK_SECONDS = 0.6, 0.2


def main() -> None:
    pipes = WorkerPipes()
    time.sleep(LOAD_SECONDS)
    for _, frame_id, body in pipes.frames():
        # A text that is a path hangs the first process that receives it.
        if body and not (mark := Path(body.decode())).exists():
            mark.touch()
            time.sleep(600)
        time.sleep(WORK_SECONDS)
        pipes.send(Kind.RESULT, frame_id, str(os.getpid()).encode())


if __name__ == "__main__":
    main()
