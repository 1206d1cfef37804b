"""The views in memory keep the port's contract."""

import itertools
from collections.abc import Callable

import pytest

from services.gateway.fake import FakeViews
from services.gateway.views import CommandAnswer, CommandState
from shared.domain.inputs import Command, Refusal, What
from tests.services.gateway.samples import event
from tests.services.gateway.views_contract import Make, ViewsContract


def _command(command_id: str, subject: str) -> Command:
    return Command(command_id, What.ACK, subject, "", None, "", "cli:test", 0)


def _decide(command: Command) -> CommandAnswer:
    if command.subject == "unknown":
        return CommandAnswer(command.id, CommandState.REJECTED, Refusal.UNKNOWN_SUBJECT, "unknown")
    return CommandAnswer(command.id, CommandState.ACCEPTED)


class TestFakeViews(ViewsContract):
    @pytest.fixture
    def views(self) -> FakeViews:
        return FakeViews(decide=_decide)

    @pytest.fixture
    def grow(self, views: FakeViews) -> Callable[[], None]:
        numbers = itertools.count(1)
        return lambda: views.add(event(next(numbers))) and None

    @pytest.fixture
    def good(self) -> Make:
        return lambda command_id: _command(command_id, "demo/r1/gas1-h2/h2_alarm")

    @pytest.fixture
    def bad(self) -> Make:
        return lambda command_id: _command(command_id, "unknown")
