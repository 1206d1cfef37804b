"""What every channel must do. Each channel's test inherits this class and gives the fixtures:

``channel`` an implementation whose other side takes everything; it gives up on a silent other side after
``PATIENCE_S`` at most. ``peer`` the other side, as :class:`Peer` says.
"""

import asyncio
from typing import Protocol

from services.notifier.ports import Channel, Failed, Refused, Sent
from tests.services.notifier.samples import ANNA, BEN, outgoing

PATIENCE_S = 4.0


class Peer(Protocol):
    """The other side of a channel, as a test drives it."""

    def taken(self) -> list[str]:
        """Ids of the messages that it has taken over, in order, each as often as it was taken."""
        ...

    def refuse(self) -> None:
        """From now on it refuses the recipient for good."""
        ...

    def fail(self) -> None:
        """From now on it has trouble of its own, which passes."""
        ...

    def hang(self) -> None:
        """From now on it takes the line and says nothing."""
        ...

    def take(self) -> None:
        """From now on it takes everything again."""
        ...


async def _taken(peer: Peer, count: int) -> list[str]:
    """So many: the other side notes what it took when its answer is out."""
    async with asyncio.timeout(60):
        while len(peer.taken()) < count:
            await asyncio.sleep(0.01)
    return peer.taken()


class ChannelContract:
    async def test_a_message_is_taken_over_once(self, channel: Channel, peer: Peer) -> None:
        """What was told as sent is with the other side, once."""
        assert isinstance(await channel.send(outgoing(1)), Sent)
        assert await _taken(peer, 1) == [outgoing(1).id]

    async def test_a_message_of_a_thread_is_taken_like_any_other(self, channel: Channel, peer: Peer) -> None:
        """A follower, and a message that may be a repeat, keep their own ids."""
        assert isinstance(await channel.send(outgoing(1)), Sent)
        assert isinstance(await channel.send(outgoing(2, follows=(outgoing(1).id,), repeat=True)), Sent)
        assert await _taken(peer, 2) == [outgoing(1).id, outgoing(2).id]

    async def test_a_refusal_for_good_is_told_as_such(self, channel: Channel, peer: Peer) -> None:
        """A recipient whom the other side does not know is not tried again."""
        peer.refuse()
        answer = await channel.send(outgoing(1))
        assert isinstance(answer, Refused)
        assert answer.why
        assert peer.taken() == []

    async def test_trouble_that_passes_is_told_as_such(self, channel: Channel, peer: Peer) -> None:
        """Trouble on the other side is a value with its reason, and the next attempt may succeed."""
        peer.fail()
        answer = await channel.send(outgoing(1))
        assert isinstance(answer, Failed)
        assert answer.why
        peer.take()
        assert isinstance(await channel.send(outgoing(1)), Sent)
        assert await _taken(peer, 1) == [outgoing(1).id]

    async def test_a_silent_other_side_ends_in_a_failure(self, channel: Channel, peer: Peer) -> None:
        """A line that says nothing is given up, and the channel works when the other side does again."""
        peer.hang()
        answer = await channel.send(outgoing(1))
        assert isinstance(answer, Failed)
        peer.take()
        assert isinstance(await channel.send(outgoing(2)), Sent)

    async def test_a_cancelled_send_leaves_the_channel_usable(self, channel: Channel, peer: Peer) -> None:
        """Whoever no longer waits does not break what comes next."""
        peer.hang()
        waiting = asyncio.create_task(channel.send(outgoing(1)))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        peer.take()
        assert isinstance(await channel.send(outgoing(2)), Sent)

    async def test_several_people_are_served_at_a_time(self, channel: Channel, peer: Peer) -> None:
        """Messages that are under way together all arrive, each once."""
        many = [outgoing(number, person=ANNA if number % 2 else BEN) for number in range(1, 9)]
        answers = await asyncio.gather(*(channel.send(one) for one in many))
        assert all(isinstance(answer, Sent) for answer in answers)
        assert sorted(await _taken(peer, 8)) == sorted(one.id for one in many)

    async def test_hostile_text_breaks_nothing(self, channel: Channel, peer: Peer) -> None:
        """Line ends and control characters in what people have named arrive as a message like any other."""
        wild = outgoing(1, subject="r1\r\nBcc: x@example.org\x1b[2J\x00", text="\r\n.\r\nQUIT\r\n\x1a\x00 \u202e ä 漢")
        assert isinstance(await channel.send(wild), Sent)
        assert await _taken(peer, 1) == [wild.id]

    async def test_closing_ends_it(self, channel: Channel, peer: Peer) -> None:
        """A channel can be closed after use, and when it was never used."""
        await channel.send(outgoing(1))
        await channel.close()
        assert await _taken(peer, 1) == [outgoing(1).id]
