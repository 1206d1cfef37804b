"""The worked trace of docs/: hydrogen crosses 2 %, from register words to the link of the chain, byte for byte.

The files beside this test are the contract between all runners. They are never edited once released; a change of them
raises the core's version and adds new ones. ``python -m tests.golden.test_trace`` writes those that do not exist yet.
"""

from pathlib import Path

from services.processor.runner import Runner
from shared.devices.plan import LogLimits
from shared.log.chain import link
from shared.log.memory import MemoryLog
from shared.log.store import MemoryStore
from shared.runtime.clocks import ManualClock
from shared.wire.plans import encode_decision
from tests.golden.trace import lines
from tests.services.processor.plant import decision, gas

FOLDER = Path(__file__).parent / "crossing"
PAGE = Path(__file__).parents[2] / "docs" / "trace.txt"
JARS = 1


def trace() -> dict[str, bytes]:
    """File name -> bytes: rule set, the crossing's input, its events one a line, and the link that binds them."""
    log, clock = MemoryLog(), ManualClock()
    plan = decision(jars=JARS)
    runner = Runner(MemoryStore(log), plan, clock, limits=LogLimits(disk_low_mib=0), new_id=lambda: "0" * 31 + "1")
    runner.open("boot")
    for number in range(1, 5):
        clock.advance(500)
        runner.commit([gas(number, 20)])
    before = log.head().hash
    clock.advance(500)
    made = runner.commit([gas(5, 210)])
    row = next(log.inputs(made.first_seq - 1))
    events = [event for _, event in log.events(None, 10_000) if event.site_seq == made.first_seq]
    bound = link(before, [row], events)
    assert bound.hash == log.head().hash
    text = (
        f"previous    {before.hex()}\nfirst_seq   {bound.first_seq}\nlast_seq    {bound.last_seq}\n"
        f"input_root  {bound.input_root.hex()}\nevent_root  {bound.event_root.hex()}\n"
        f"count       {bound.count}\nhash        {bound.hash.hex()}\n"
    )
    return {
        "ruleset.json": encode_decision(plan),
        "input.bin": row.data,
        "events.jsonl": b"".join(event.data + b"\n" for event in events),
        "link.txt": text.encode(),
    }


def test_the_trace_is_reproduced_byte_for_byte() -> None:
    """Input, events and link are those that were written down, and so is every byte before them by the hash."""
    made = trace()
    assert {name: (FOLDER / name).read_bytes() for name in made} == made


def test_the_trace_is_what_it_says() -> None:
    """2.1 %vol: pre-alarm and alarm raised, the fan demanded, in this one input."""
    events = (FOLDER / "events.jsonl").read_text()
    assert '"value":"2.1","unit":"%vol","limit":"2"' in events
    assert '"rule":"h2_alarm","severity":"critical","state":"B"' in events
    assert '"type":"ampward.output.demanded.v1"' in events
    assert (FOLDER / "input.bin").read_bytes().endswith(b"\n\x00\xd2")


def test_the_page_of_the_trace_is_what_the_program_does() -> None:
    """From the site file to the records in Kafka; it is added to, not edited, once released."""
    assert PAGE.read_text(encoding="utf-8").splitlines() == list(lines())


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for file, data in trace().items():
        if not (FOLDER / file).exists():
            (FOLDER / file).write_bytes(data)
