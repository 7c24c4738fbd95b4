"""Run the command: `python -m aiobreakglass` is `aiobreakglass`."""

import sys

from aiobreakglass.cli import main

if __name__ == "__main__":
    sys.exit(main())
