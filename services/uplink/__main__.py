"""The uplink's process: see services.uplink.process."""

import sys

from services.uplink.process import main

if __name__ == "__main__":
    sys.exit(main())
