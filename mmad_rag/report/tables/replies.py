"""What became of a run's questions, as tables: replies, routing, other readings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from mmad_rag.benchmark.analysis.circular import CircularScore
from mmad_rag.benchmark.analysis.summary import RoutingCounts
from mmad_rag.benchmark.run.records import OutcomeRow, Run
from mmad_rag.benchmark.score.first_token_score import SecondReading
from mmad_rag.models.finish_reason import Ending, ending_of
from mmad_rag.records import Outcome
from mmad_rag.report.tables.numbers import NOTHING, count, decimal, percent
from mmad_rag.report.tables.table import (
    Table,
    TableCell,
    TableColumn,
    corner,
    estimate_cell,
    table_row,
)

_ARM = corner("Arm", "arm")


def replies_table(run: Run) -> Table:
    """Arms down: what became of the questions, and what the replies took."""
    headings = (
        "Correct",
        "Wrong",
        "Invalid",
        "Failed",
        "Cut at the limit",
        "Without text",
        "Tokens shown",
        "Tokens replied",
        "Median seconds",
    )
    return Table(
        "What became of the questions; invalid and failed ones count as wrong",
        (_ARM, *map(TableColumn, headings)),
        tuple(
            table_row(arm.name, _replies([row for row in run.rows if row.arm == arm.name]))
            for arm in run.header.arms
        ),
    )


def _replies(rows: list[OutcomeRow]) -> Iterator[TableCell]:
    for outcome in Outcome:
        yield TableCell(count(sum(row.outcome is outcome for row in rows)))
    replies = [row for row in rows if row.reply is not None]
    cut = sum(ending_of(row.finish) is Ending.LENGTH for row in replies)
    yield TableCell(count(cut) if any(row.finish is not None for row in replies) else NOTHING)
    yield TableCell(count(sum(row.has_no_text for row in replies)))
    used = [row.usage for row in replies if row.usage is not None]
    known = () if len(used) == len(replies) else (f"of {count(len(used))} of {count(len(replies))} replies",)
    for tokens in ((item.prompt_tokens for item in used), (item.completion_tokens for item in used)):
        yield TableCell(count(sum(tokens)), notes=known) if used else TableCell(NOTHING)
    yield TableCell(decimal(median(row.latency_s for row in replies), 2) if replies else NOTHING)


def routing_counts_table(routing: Sequence[RoutingCounts]) -> Table:
    """Arms down: where their images were routed."""
    rows = (
        table_row(item.arm, map(count, (item.images, item.right, item.near_tie, item.wrong, item.unknown)))
        for item in routing
    )
    headings = ("Images", "Right product", "Near-tie with it", "Wrong product", "Called unknown")
    return Table("Images by what routing concluded", (_ARM, *map(TableColumn, headings)), tuple(rows))


def circular_table(scores: Sequence[CircularScore]) -> Table:
    """Arms down: who answers by content when the options are rotated."""
    rows = (
        table_row(item.arm, (percent(item.first), estimate_cell(item.every, percent), percent(item.same)))
        for item in scores
    )
    return Table(
        f"Circular evaluation of {count(scores[0].questions)} questions, percent of these",
        (
            _ARM,
            TableColumn("Right in the first order", "first order"),
            TableColumn("Right in every order", "every order"),
            TableColumn("Same option in every order", "same option"),
        ),
        tuple(rows),
    )


def second_reading_table(readings: Sequence[SecondReading]) -> Table:
    """Arms down: scores by the reply's words beside scores by the first token."""
    rows = (
        table_row(
            item.arm,
            (
                percent(item.by_words),
                percent(item.by_first_token),
                count(item.alike),
                count(item.invalid),
                f"{count(item.known)} of {count(item.questions)}",
            ),
        )
        for item in readings
    )
    return Table(
        "Percent right by two readings of each reply",
        (
            _ARM,
            TableColumn("By words", "by words"),
            TableColumn("By first token", "by first token"),
            TableColumn("Read alike", "read alike"),
            TableColumn("First token is not a choice", "no choice"),
            TableColumn("Known", "known"),
        ),
        tuple(rows),
    )
