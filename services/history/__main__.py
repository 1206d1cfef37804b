"""The history's process: see services.history.process."""

import sys

from services.history.process import main

if __name__ == "__main__":
    sys.exit(main())
