"""``ampward run``: its options, read without a library when they are plain, and the start of the parent."""

from dataclasses import dataclass
from pathlib import Path

from services.site.command import repository_file
from shared.runtime.durations import parse_duration

DEMO = "infra/sites/demo/site.yaml"


@dataclass(frozen=True, slots=True)
class RunOptions:
    site_file: Path
    data: Path = Path("data")
    http: str = ""
    for_s: float | None = None
    view: bool = True


def parse_plain(arguments: list[str]) -> RunOptions | None:
    """The options, or None when there is anything to explain: help, an unknown option, a wrong value."""
    files: list[str] = []
    given: dict[str, str] = {}
    view = True
    rest = iter(arguments)
    for word in rest:
        name, equals, value = word.partition("=")
        if word == "--no-view":
            view = False
        elif name in ("--data", "--http", "--for"):
            given[name] = value if equals else next(rest, "")
            if not given[name] or given[name].startswith("-"):
                return None
        elif word.startswith("-"):
            return None
        else:
            files.append(word)
    for_ms = parse_duration(given["--for"]) if "--for" in given else None
    if len(files) > 1 or (files and not Path(files[0]).is_file()) or ("--for" in given and not for_ms):
        return None
    return RunOptions(
        site_file=Path(files[0]) if files else repository_file(DEMO),
        data=Path(given.get("--data", "data")),
        http=given.get("--http", ""),
        for_s=None if for_ms is None else for_ms / 1000,
        view=view,
    )


def start(options: RunOptions) -> int:
    """Becomes the parent of the site; gives the exit code."""
    from services.site.parent import run

    return run(options.site_file, options.data, options.http, options.for_s, options.view)
