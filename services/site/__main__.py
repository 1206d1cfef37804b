"""The site process: see services.site.process."""

import sys

from services.site.process import main

if __name__ == "__main__":
    sys.exit(main())
