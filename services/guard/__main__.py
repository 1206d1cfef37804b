"""``python -m services.guard DIR``: the protecting process."""

import os
import sys

from services.guard.process import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
