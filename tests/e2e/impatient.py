"""``ampward run`` that waits seconds where the real one waits a minute for a process that hangs."""

from services.site import guard_watch, readiness
from services.site.command import main

PATIENCE_S = 4.0

if __name__ == "__main__":
    guard_watch.SILENT_S = PATIENCE_S
    readiness.SITE_SILENT_S = PATIENCE_S
    main()
