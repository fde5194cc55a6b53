"""Django's command line. Beside a running `make run` it works on that installation."""

import os
import sys

from django.core.management import execute_from_command_line

from bubblyphone.services.environment import adopt_environment
from bubblyphone.version import VERSION

if __name__ == "__main__":
    if sys.argv[1:] in (["version"], ["--version"]):  # Django's own would name Django's
        sys.stdout.write(f"{VERSION}\n")
        sys.exit()
    adopt_environment()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bubblyphone.settings")
    execute_from_command_line(sys.argv)
