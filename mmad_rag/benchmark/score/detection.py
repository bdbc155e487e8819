"""Overkill and miss rate: in which direction the detection of anomalies fails.

    overkill = 100 * false alarms / questions on normal images     (share of good pieces called defective)
    miss     = 100 * misses / questions on abnormal images         (share of defective pieces called good)

Both are computed per dataset, over the questions of the detection column (MMAD's is Anomaly Detection) that
count by the rule; `Average` is the mean over the datasets.

`fixed`: a false alarm is a wrong answer on a normal image, a miss is a wrong answer on an abnormal image. An
answer that could not be read, or never came, is neither and stays in the denominator. A run knows the
options: a wrong option that begins with the same `Yes` or `No` as the right one is neither, because it names
another defect but overlooks none.

`strict-mmad`: each rate is 100 - the accuracy on its side, as in MMAD's script, over the answers that the
script's quirk leaves. A side without a counted answer has accuracy 0 there, and so a rate of 100.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from mmad_rag.benchmark.data.columns import AVERAGE
from mmad_rag.benchmark.score.table import DetectionRates
from mmad_rag.records import Outcome, Question

_VERDICT = re.compile(r"\W*(yes|no)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class DetectionAnswer:
    """An answer to a question that asks whether an image is normal."""

    dataset: str
    normal: bool
    """Whether the image is normal according to its label."""
    miscalled: bool
    """Whether the answer says the opposite of the right one."""


def says_the_opposite(question: Question, letter: str | None, outcome: Outcome) -> bool:
    """Whether an answer is a false alarm on a normal image, or a miss on an abnormal one.

    Args:
        question: The question with its options.
        letter: The choice that was read.
        outcome: The outcome of the question.

    Example:
        Of the options `A: Yes, a hole. B: Yes, a dent. C: No.`, A is right: B is wrong but not a miss, C is a
        miss.
    """
    if outcome is not Outcome.WRONG:
        return False
    said = {choice.letter: _VERDICT.match(choice.text) for choice in question.choices}
    chosen, right = said.get(letter or ""), said[question.answer]
    return chosen is None or right is None or chosen[1].lower() != right[1].lower()


def detection_rates(
    answers: Sequence[DetectionAnswer], datasets: Sequence[str], *, nothing: float | None = None
) -> tuple[DetectionRates, ...]:
    """The rates of each dataset, then their average.

    Args:
        answers: The answers that count.
        datasets: The datasets in the order of the rows.
        nothing: The rate of a side without an answer; None leaves it out of the average.
    """
    rows = [
        _rates(name, [answer for answer in answers if answer.dataset == name], nothing) for name in datasets
    ]
    average = DetectionRates(
        name=AVERAGE,
        overkill=_mean([row.overkill for row in rows]),
        miss=_mean([row.miss for row in rows]),
        normal=sum(row.normal for row in rows),
        false_alarms=sum(row.false_alarms for row in rows),
        abnormal=sum(row.abnormal for row in rows),
        misses=sum(row.misses for row in rows),
    )
    return (*rows, average)


def _rates(name: str, answers: Sequence[DetectionAnswer], nothing: float | None) -> DetectionRates:
    normal = [answer.miscalled for answer in answers if answer.normal]
    abnormal = [answer.miscalled for answer in answers if not answer.normal]
    return DetectionRates(
        name=name,
        overkill=100 * sum(normal) / len(normal) if normal else nothing,
        miss=100 * sum(abnormal) / len(abnormal) if abnormal else nothing,
        normal=len(normal),
        false_alarms=sum(normal),
        abnormal=len(abnormal),
        misses=sum(abnormal),
    )


def _mean(rates: Sequence[float | None]) -> float | None:
    there = [rate for rate in rates if rate is not None]
    return math.fsum(there) / len(there) if there else None
