"""A slave for tests: registers, coils, and every way of answering wrongly, at the command of the test."""

from shared.devices.profile import Table
from shared.fieldbus.device_side import ILLEGAL_ADDRESS, Answer, Request

DEAD_UNIT = 9
"""A unit that is on the line and never answers."""


class Slave:
    """Unit 1 with 300 holding registers (register n holds n), 300 input registers (n + 1000) and 2000 bits each way."""

    def __init__(self) -> None:
        self.holding = list(range(300))
        self.input = [1000 + place for place in range(300)]
        self.coils = [int(place % 3 == 0) for place in range(2000)]
        self.discrete = [int(place % 5 == 0) for place in range(2000)]
        self.requests: list[Request] = []
        self.answers: list[Answer] = []
        """How the next requests are answered, first come first; then normally. Values are filled in."""
        self.delay_s = 0.0

    def handle(self, request: Request) -> Answer:
        """The handler of the line."""
        self.requests.append(request)
        if request.unit == DEAD_UNIT:
            return Answer(silent=True)
        how = self.answers.pop(0) if self.answers else Answer(delay_s=self.delay_s)
        table = {
            Table.HOLDING: self.holding,
            Table.INPUT: self.input,
            Table.COIL: self.coils,
            Table.DISCRETE: self.discrete,
        }[request.table]
        end = request.address + request.size
        if end > len(table):
            return Answer(exception=ILLEGAL_ADDRESS)
        if request.is_write:
            table[request.address : end] = request.values
        return how._replace(values=tuple(table[request.address : end]))
