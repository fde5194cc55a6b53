"""Django's command line. Beside a running `make run` it works on that installation."""

import os
import sys

from django.core.management import execute_from_command_line

from bubblyphone.services.environment import adopt_environment

if __name__ == "__main__":
    adopt_environment()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bubblyphone.settings")
    execute_from_command_line(sys.argv)
