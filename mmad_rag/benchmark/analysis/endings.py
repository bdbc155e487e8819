"""Count how the replies of a run ended: at the token limit, withheld by a filter, or without text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mmad_rag.benchmark.run.records import OutcomeRow, Run
from mmad_rag.models.finish_reason import Ending, ending_of
from mmad_rag.records import Outcome

TOLERATED = 0.01
"""Share of replies, in [0, 1], that may end at the token limit without a warning."""


@dataclass(frozen=True, slots=True)
class ArmEndings:
    """How the replies of one arm ended, those of circular evaluation included."""

    arm: str
    """The arm's name."""
    replies: int
    """Number of replies."""
    known: int
    """Number of replies whose end the provider explains."""
    cut: int
    """Number of replies that ended at the token limit."""
    cut_invalid: int
    """Number of those in which no choice could be read."""
    filtered: int
    """Number of replies that the provider's filter withheld, whole or in part."""
    empty: int
    """Number of replies without text."""

    @property
    def many_cut(self) -> bool:
        """Whether so many replies ended at the token limit that it may change the scores."""
        return self.cut > TOLERATED * self.replies


def endings_of(run: Run) -> tuple[ArmEndings, ...]:
    """The endings of every arm, in the run's order."""
    by_arm: dict[str, list[OutcomeRow]] = {arm.name: [] for arm in run.header.arms}
    for row in (*run.rows, *run.rotated):
        if row.reply is not None and row.arm in by_arm:
            by_arm[row.arm].append(row)
    return tuple(_endings(arm, rows) for arm, rows in by_arm.items())


def _endings(arm: str, rows: Sequence[OutcomeRow]) -> ArmEndings:
    endings = Counter(ending_of(row.finish) for row in rows)
    return ArmEndings(
        arm=arm,
        replies=len(rows),
        known=sum(row.finish is not None for row in rows),
        cut=endings[Ending.LENGTH],
        cut_invalid=sum(
            ending_of(row.finish) is Ending.LENGTH and row.outcome is Outcome.INVALID for row in rows
        ),
        filtered=endings[Ending.FILTERED],
        empty=sum(row.has_no_text for row in rows),
    )


def ending_lines(endings: Sequence[ArmEndings]) -> Iterator[str]:
    """A line for every arm with replies that ended early or are empty, with advice where many were cut."""
    for item in endings:
        parts = (
            (item.cut, "ended at the token limit"),
            (item.filtered, "were withheld by a filter"),
            (item.empty, "have no text"),
        )
        told = [f"{number:,} {what}" for number, what in parts if number]
        if told:
            line = f"{item.arm}: of {item.replies:,} replies, {', '.join(told)}"
            yield f"{line}. {_advice(item)}" if item.many_cut else line


def _advice(item: ArmEndings) -> str:
    return (
        f"Warning: {item.cut / item.replies:.1%} of the replies are cut, and no choice could be read in "
        f"{item.cut_invalid:,} of them; ask again with a larger limit and another --out (--option "
        "max_tokens=N; models that reason count their thoughts in it)"
    )
