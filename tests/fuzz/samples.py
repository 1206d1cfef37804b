"""Good samples of everything that is parsed, to be made bad."""

from shared.devices.frame import Block
from shared.devices.profile import Table
from shared.domain.inputs import Command, Report, Resync, Start, Tick, Undecodable, What
from shared.domain.plan import Severity
from shared.domain.units import NoData
from shared.wire.inputs import RuleSet, WireBody, encode_input
from tests.contract.rows import event, frame

FRAME = frame(7)._replace(
    blocks=(
        Block(Table.HOLDING, 0, 4, bytes.fromhex("000a000000010002")),
        Block(Table.DISCRETE, 3, 9, bytes.fromhex("ff01")),
    )
)
BODIES: tuple[WireBody, ...] = (
    FRAME,
    FRAME._replace(outcome=NoData.TIMEOUT, detail="no answer", blocks=()),
    Command("c1", What.ACK, "demo/r1/gas1-h2/h2_alarm", "0" * 32, Severity.CRITICAL, "seen", "cli:anna", 0),
    Command(
        "c2", What.SHELVE, "demo/r1/gas1-h2/h2_prealarm", "", None, "works", "cli:anna", 3_600_000, "ben", "a watch"
    ),
    RuleSet("ab" * 16, "cli:anna"),
    Start("log2", "log1", 41, clean=False, boot="b00t"),
    Tick("r1"),
    Report("write", "demo/r1/io1-do0", on=True, pulse=False, detail="ok"),
    Resync("ring full", 10, 20, '{"version":"x"}', "r1"),
    Undecodable("00" * 32, 17, "guard", "no newline ends the header"),
)
INPUTS = tuple(
    encode_input("log1", 41 + number, 1000 * number, 1_767_225_600_000, body) for number, body in enumerate(BODIES)
)
EVENTS = (event(41, 0, 5).data,)
