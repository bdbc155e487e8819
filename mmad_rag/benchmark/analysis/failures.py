"""Why questions of a run got no reply."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from mmad_rag.benchmark.run.records import OutcomeRow, Run
from mmad_rag.records import Outcome

SHOWN = 5
"""Distinct errors that are printed; the outcomes file holds all."""


class FailureCause(StrEnum):
    """What has to be mended."""

    IMAGE = "image"
    """An image could not be read, so that nothing was asked."""
    MODEL = "model"
    """The question was asked, and no reply came."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One error, however often it occurred."""

    error: str
    """Error as the run recorded it."""
    cause: FailureCause
    count: int
    """Replies that did not come because of it, over all arms."""
    image: str
    """The first image asked about, relative to the data folder."""


def failures_of(run: Run) -> tuple[Failure, ...]:
    """Every distinct error among the latest outcomes, the commonest first."""
    images = {question.id: question.image_path for question in run.questions}
    by_error: dict[tuple[str, FailureCause], list[OutcomeRow]] = defaultdict(list)
    for row in (*run.rows, *run.rotated):
        if row.outcome is Outcome.FAILED:
            cause = FailureCause.IMAGE if row.prompt is None else FailureCause.MODEL
            by_error[row.error or "no reason was recorded", cause].append(row)
    found = [
        Failure(error, cause, len(rows), images[rows[0].question])
        for (error, cause), rows in by_error.items()
    ]
    return tuple(sorted(found, key=lambda failure: -failure.count))


def failure_lines(failures: Sequence[Failure], total: int) -> Iterator[str]:
    """How many of `total` replies did not come, then the commonest errors, each with the image's path."""
    if not failures:
        return
    yield f"{sum(failure.count for failure in failures)} of {total} replies did not come:"
    for failure in failures[:SHOWN]:
        about = "" if failure.image in failure.error else f" (first for {failure.image})"
        yield f"  {failure.count} x {failure.error}{about}"
    if len(failures) > SHOWN:
        rest = failures[SHOWN:]
        yield f"  {sum(failure.count for failure in rest)} x {len(rest)} other errors"


def advice(failures: Sequence[Failure]) -> str:
    """What to mend: the images, the model's side, or both."""
    causes = {failure.cause for failure in failures}
    parts = {
        FailureCause.IMAGE: "replace the images that cannot be read",
        FailureCause.MODEL: "mend what the model's side reports, or wait until it answers",
    }
    return "; ".join(text for cause, text in parts.items() if cause in causes)
