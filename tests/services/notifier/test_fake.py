"""The fake channel behaves as every channel must."""

import pytest

from services.notifier.fake import FakeChannel
from services.notifier.ports import Failed, Refused, Sent
from tests.services.notifier.channel_contract import ChannelContract


class FakePeer:
    """The other side of a fake channel is the fake itself."""

    def __init__(self, channel: FakeChannel) -> None:
        self._channel = channel

    def taken(self) -> list[str]:
        return [message.id for message in self._channel.sent]

    def refuse(self) -> None:
        self._channel.then(Refused("no such recipient"))

    def fail(self) -> None:
        self._channel.then(Failed("trouble"))

    def hang(self) -> None:
        self._channel.then(0.02, Failed("no answer"))

    def take(self) -> None:
        self._channel.then(Sent("kept"))


class TestFakeChannel(ChannelContract):
    @pytest.fixture
    def channel(self) -> FakeChannel:
        return FakeChannel()

    @pytest.fixture
    def peer(self, channel: FakeChannel) -> FakePeer:
        return FakePeer(channel)
