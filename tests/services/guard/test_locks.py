"""Nobody switches the same outputs twice."""

from dataclasses import replace
from pathlib import Path

import pytest

from services.guard.locks import Locks, bus_address, module_names
from shared.devices.plan import BusPlan
from shared.domain.errors import Busy
from tests.services.actuator.plans import site


def test_a_folder_has_one_guard(tmp_path: Path) -> None:
    """The second is told whose it is; it is free again after the first."""
    first, second = Locks(), Locks()
    first.take_folder(tmp_path)
    with pytest.raises(Busy, match=r"pid [0-9]+"):
        second.take_folder(tmp_path)
    first.close()
    second.take_folder(tmp_path)
    second.close()


def test_a_module_is_taken_whole_or_not_at_all(tmp_path: Path) -> None:
    """One name that is held leaves none of the others taken."""
    names = [f"ampward-output-{tmp_path}-{number}" for number in range(3)]
    first, second, third = Locks(), Locks(), Locks()
    first.take_modules(names[2:])
    with pytest.raises(Busy, match="held by pid"):
        second.take_modules(names)
    third.take_modules(names[:2])
    first.take_modules(names[2:])
    first.keep_modules(())
    third.take_modules(names)
    third.close()


def test_one_address_has_one_name(tmp_path: Path) -> None:
    """localhost is 127.0.0.1; a link to a serial line is the line; a simulated bus is nobody else's."""
    bus = BusPlan("b1", "localhost:502", "", "", 300)
    assert bus_address(bus) == bus_address(replace(bus, tcp="127.0.0.1:502"))
    line = tmp_path / "ttyS9"
    line.touch()
    (tmp_path / "by-id").symlink_to(line)
    serial = BusPlan("b2", "", str(tmp_path / "by-id"), "", 300)
    assert bus_address(serial) == str(line)
    assert bus_address(BusPlan("b3", "", "", "plant", 300)) == ""


def test_only_modules_with_outputs_are_locked() -> None:
    """Two sites may read the same gas head."""
    assert module_names(site("127.0.0.1:5020")) == ("ampward-output-127.0.0.1:5020-2",)
