"""A channel that keeps what it is given: for tests of whatever stands before a channel.

``answers`` are given one after the other, the last one for ever; a number among them is a wait in seconds before the
next answer, as of a line that hangs.
"""

import asyncio

from services.notifier.ports import Outcome, Outgoing, Sent


class FakeChannel:
    """Implements services.notifier.ports.Channel in memory."""

    def __init__(self, name: str = "fake", answers: tuple[Outcome | float, ...] = (Sent("kept"),)) -> None:
        assert answers, "a channel answers"
        self.name = name
        self.sent: list[Outgoing] = []
        """What was taken."""
        self.tried: list[Outgoing] = []
        """Every attempt, in order."""
        self.closed = False
        self._answers = list(answers)

    async def send(self, message: Outgoing) -> Outcome:
        self.tried.append(message)
        answer = self._next()
        while isinstance(answer, float):
            await asyncio.sleep(answer)
            answer = self._next()
        if isinstance(answer, Sent):
            self.sent.append(message)
        return answer

    def then(self, *answers: Outcome | float) -> None:
        """From now on answer so."""
        self._answers[:] = answers

    async def close(self) -> None:
        self.closed = True

    def _next(self) -> Outcome | float:
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
