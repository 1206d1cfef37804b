"""The bridge's terms without servers: what ends one is told, and the next one begins."""

import asyncio
from pathlib import Path
from types import SimpleNamespace

import pytest

from services.site import hosting
from services.site.hosted_site import Places
from services.site.hosting import Bridge
from shared.runtime import metrics
from shared.runtime.metrics import Sample


class Leases:
    """Whoever asks has it."""

    def __init__(self) -> None:
        self.fences: dict[str, int] = {}

    async def take(self, _site: str, _home: str) -> bool:
        return True

    async def end(self, _site: str) -> None:
        return


async def test_a_fault_that_nobody_foresaw_is_told_once_and_makes_the_bridge_unready(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The site is tried again after a pause, and is no less missing while that goes on."""
    tried = asyncio.Semaphore(0)

    class Faulty:
        def __init__(self, *_: object) -> None:
            tried.release()

        async def run(self, _stop: asyncio.Event) -> None:
            raise RuntimeError("not foreseen")

    monkeypatch.setattr(hosting, "HostedSite", Faulty)
    monkeypatch.setattr(hosting, "AGAIN_S", 0.01)
    told: list[tuple[str, str]] = []
    bridge = Bridge(SimpleNamespace(), Leases(), lambda event, words: told.append((event, words)))  # type: ignore[arg-type]
    where = Places("mast", tmp_path / "given", tmp_path / "data")
    (tmp_path / "given").mkdir()
    async with asyncio.timeout(60):
        for _ in range(3):
            await bridge._take(where)
            await tried.acquire()
            while bridge._terms:
                await asyncio.sleep(0.01)
            assert bridge.troubles() == {"mast": "RuntimeError: not foreseen"}
            assert list(bridge.samples()) == [Sample(metrics.SITES_OWNED, 0), Sample(metrics.SITES_NOT_HOSTED, 1)]
    assert told == [("not_hosted", "mast: RuntimeError: not foreseen")]


async def test_a_folder_that_cannot_be_looked_at_costs_no_other_site(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Somebody made it as root, or its disk is gone: that is told, and what is hosted goes on."""
    hosted = tmp_path / "hosted"
    for site in ("east", "mast", "west"):
        (hosted / site).mkdir(parents=True)
    look = Path.is_file

    def is_file(path: Path) -> bool:
        if path.parent.name in ("mast", "west"):
            raise PermissionError(13, "Permission denied", str(path))
        return path.parent.name == "east" or look(path)

    monkeypatch.setattr(Path, "is_file", is_file)
    plan = SimpleNamespace(hosted=str(hosted), data=str(tmp_path / "data"))
    bridge = Bridge(plan, Leases(), lambda _event, _words: None)  # type: ignore[arg-type]
    bridge._terms["west"] = SimpleNamespace()  # type: ignore[assignment]
    assert list(bridge._wanted()) == ["east", "west"]
    assert sorted(bridge.troubles()) == ["mast", "west"]
    hosted.rename(tmp_path / "elsewhere")
    hosted.write_text("no folder")
    assert list(bridge._wanted()) == ["west"]
    assert sorted(bridge.troubles()) == ["hosted/*", "west"]
