"""What every implementation of the port to the history must do. Each adapter's test inherits this class and gives the
fixtures:

``past`` an implementation in which something has happened, ``known`` what that is, ``nothing`` one without a history.
"""

from dataclasses import dataclass

from services.gateway.past import (
    Journal,
    JournalAnswer,
    JournalItem,
    JournalQuestion,
    NotTold,
    PastViews,
    TrendAnswer,
    Why,
)


@dataclass(frozen=True)
class Known:
    """A point with at least three minutes from ``begin_ms`` to ``end_ms``, and an alarm with at least three events."""

    point: str
    begin_ms: int
    end_ms: int
    alarm: str
    room: str
    batteries: tuple[str, ...]


async def trend_of(past: PastViews, known: Known, begin_ms: int, end_ms: int, step: str = "minute") -> TrendAnswer:
    answer = await past.trend(known.point, begin_ms, end_ms, step)
    assert isinstance(answer, TrendAnswer)
    return answer


async def journal_of(past: PastViews, question: JournalQuestion) -> JournalAnswer:
    answer = await past.journal(question)
    assert isinstance(answer, JournalAnswer)
    return answer


class PastContract:
    async def test_a_trend_is_in_order_and_inside_its_time(self, past: PastViews, known: Known) -> None:
        """The end is not included, and two halves are the whole."""
        whole = await trend_of(past, known, known.begin_ms, known.end_ms)
        times = [item.at_ms for item in whole.items]
        assert len(times) >= 3
        assert times == sorted(set(times))
        assert all(known.begin_ms <= at < known.end_ms for at in times)
        first = await trend_of(past, known, known.begin_ms, times[1])
        second = await trend_of(past, known, times[1], known.end_ms)
        assert first.items + second.items == whole.items
        assert whole.point == known.point

    async def test_a_time_without_readings_has_no_rows(self, past: PastViews, known: Known) -> None:
        """A hole is not filled."""
        before = known.begin_ms - 86_400_000
        assert (await trend_of(past, known, before, before + 3_600_000)).items == ()

    async def test_an_unknown_point_is_told(self, past: PastViews, known: Known) -> None:
        """It is not an empty trend."""
        answer = await past.trend("no/such/point", known.begin_ms, known.end_ms, "minute")
        assert isinstance(answer, NotTold)
        assert answer.why is Why.UNKNOWN_POINT

    async def test_a_journal_is_read_in_pieces(self, past: PastViews, known: Known) -> None:
        """One by one gives what reading at once gives, and the last piece says that there is no more."""
        question = JournalQuestion(Journal.ALARMS, known.begin_ms, known.end_ms)
        whole = await journal_of(past, question)
        assert len(whole.items) >= 3
        assert not whole.more
        pieces: list[JournalItem] = []
        after, more = 0, True
        while more:
            piece = await journal_of(
                past, JournalQuestion(Journal.ALARMS, known.begin_ms, known.end_ms, after=after, limit=1)
            )
            pieces += piece.items
            more, after = piece.more, piece.items[-1].place
        assert tuple(pieces) == whole.items

    async def test_a_journal_is_of_a_subject_or_what_is_below_it(self, past: PastViews, known: Known) -> None:
        """The alarm's own events, those of its point, of its room; not of a name that only begins so."""
        point = known.alarm.rpartition("/")[0]

        async def events(subject: str = "", room: str = "") -> int:
            question = JournalQuestion(Journal.ALARMS, known.begin_ms, known.end_ms, subject, room)
            return len((await journal_of(past, question)).items)

        assert await events(known.alarm) >= 3
        assert await events(point) >= await events(known.alarm)
        assert await events(known.alarm[:-1]) == 0
        assert await events(known.alarm, room=known.room) == await events(known.alarm)
        assert await events(known.alarm, room="nowhere") == 0

    async def test_an_unknown_battery_is_told_with_those_that_there_are(self, past: PastViews, known: Known) -> None:
        """It is not a battery that was never discharged."""
        answer = await past.discharges(known.begin_ms, known.end_ms, "no/such/battery")
        assert isinstance(answer, NotTold)
        assert answer.why is Why.UNKNOWN_BATTERY
        for battery in known.batteries:
            assert battery in answer.text
            assert not isinstance(await past.discharges(known.begin_ms, known.end_ms, battery), NotTold)

    async def test_figures_are_of_the_asked_time(self, past: PastViews, known: Known) -> None:
        """The answer says for which time and how many operators it is."""
        figures = await past.kpis(known.begin_ms, known.end_ms, 2)
        assert not isinstance(figures, NotTold)
        assert (figures["begin_at_ms"], figures["end_at_ms"], figures["operators"]) == (
            known.begin_ms, known.end_ms, 2,
        )  # fmt: skip

    async def test_without_a_history_everything_says_so(self, nothing: PastViews) -> None:
        """No answer is made up, and nothing raises."""
        answers = [
            await nothing.trend("demo/r1/gas1-h2", 0, 60_000, "minute"),
            await nothing.journal(JournalQuestion(Journal.OUTPUTS, 0, 60_000)),
            await nothing.discharges(0, 60_000, ""),
            await nothing.kpis(0, 60_000, 1),
        ]
        assert [isinstance(answer, NotTold) and answer.why for answer in answers] == [Why.NO_HISTORY] * 4
