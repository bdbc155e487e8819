"""Draw questions that turned right, or wrong, between two arms."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain, zip_longest

from mmad_rag.benchmark.data.draws import own_letter, shown_choices
from mmad_rag.benchmark.run.arms import ROUTING_ARMS
from mmad_rag.benchmark.run.records import OutcomeRow, Run
from mmad_rag.fields import Field
from mmad_rag.reading.citations import cited_passages
from mmad_rag.records import Hit, Knowledge, Outcome, Passage, Question, Route, RouteOutcome


class Turned(StrEnum):
    """Which way an answer changed."""

    RIGHT = "right"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class ShownPassage:
    """A passage that a model was shown."""

    id: str
    """Id as the run recorded it."""
    passage: Passage | None
    """Its text; None where the run has not kept it."""
    cited: bool
    """Whether the reply names its number in brackets."""


@dataclass(frozen=True, slots=True)
class Side:
    """What one arm made of a question."""

    arm: str
    """Its name."""
    outcome: Outcome
    """Correct, wrong, invalid or failed."""
    letter: str | None
    """The choice, by the letter it was shown under; None where none could be read."""
    reply: str | None
    """The whole reply; None when none came."""
    error: str | None
    """Why none came."""
    route: str | None
    """Whose knowledge was shown, with the confidence; None where no knowledge was looked for."""
    passages: tuple[ShownPassage, ...]
    """Passages in the order in which they were shown."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a question, as it was shown."""

    letter: str
    """Letter under which the option was shown."""
    text: str
    right: bool
    """Whether it is the right one."""
    chosen_by: tuple[str, ...]
    """The arms that chose it."""


@dataclass(frozen=True, slots=True)
class Flip:
    """A question that one of two arms answered rightly."""

    question: Question
    """What was asked."""
    options: tuple[Option, ...]
    """Options in the order in which they were shown."""
    without_choice: tuple[str, ...]
    """The arms in whose replies no choice could be read, or that got none."""
    baseline: Side
    """The arm that is compared with."""
    arm: Side
    """The arm that is compared."""


@dataclass(frozen=True, slots=True)
class FlipSample:
    """Some of the questions that turned one way."""

    turned: Turned
    """Which way."""
    total: int
    """How many there are in the run."""
    flips: tuple[Flip, ...]
    """The drawn ones."""


def find_flips(
    run: Run, baseline: str, arm: str, *, count: int, seed: int = 0
) -> tuple[FlipSample, FlipSample]:
    """Questions that turned right from a baseline to an arm, and questions that turned wrong.

    The draw goes round the subtasks, so that a rare one is seen too; within a subtask every question is
    equally likely over seeds.

    Args:
        run: With an outcome of every question in both arms.
        baseline: The arm to compare with.
        arm: The arm that is compared.
        count: Questions to draw of either kind, 0 or more.
        seed: Of the draw.
    """
    rows: dict[str, dict[str, OutcomeRow]] = defaultdict(dict)
    for row in run.rows:
        rows[row.question][row.arm] = row
    found: dict[Turned, list[Question]] = {turned: [] for turned in Turned}
    for question in run.questions:
        before, after = (rows[question.id][side].outcome is Outcome.CORRECT for side in (baseline, arm))
        if before != after:
            found[Turned.RIGHT if after else Turned.WRONG].append(question)

    def sample(turned: Turned) -> FlipSample:
        drawn = drawn_over_subtasks(found[turned], run.columns.names, count, seed)
        flips = tuple(_flip(run, question, rows[question.id], baseline, arm) for question in drawn)
        return FlipSample(turned, len(found[turned]), flips)

    return sample(Turned.RIGHT), sample(Turned.WRONG)


def drawn_over_subtasks(
    questions: Sequence[Question], subtasks: Sequence[str], count: int, seed: int
) -> list[Question]:
    """So many questions, drawn by seed; the draw goes round the subtasks, so that a rare one is seen too."""

    def lot(question: Question) -> str:  # a hash, because a library's shuffle may change with its version
        return hashlib.sha256(json.dumps(["flip", seed, question.id]).encode()).hexdigest()

    by_subtask: dict[str, list[Question]] = {subtask: [] for subtask in subtasks}
    for question in sorted(questions, key=lot):
        by_subtask[question.subtask].append(question)
    rounds = chain.from_iterable(zip_longest(*by_subtask.values()))
    return [question for question in rounds if question is not None][:count]


def _flip(run: Run, question: Question, rows: Mapping[str, OutcomeRow], baseline: str, arm: str) -> Flip:
    seed = run.header.shuffle_options
    shown = [(choice, own_letter(question, seed, choice.letter)) for choice in shown_choices(question, seed)]
    options = tuple(
        Option(
            choice.letter,
            choice.text,
            own == question.answer,
            tuple(row.arm for row in rows.values() if row.letter == own),
        )
        for choice, own in shown
    )
    letters = {own: choice.letter for choice, own in shown}
    without = tuple(row.arm for row in rows.values() if row.letter not in letters)
    return Flip(
        question,
        options,
        without,
        _side(run, question, rows[baseline], letters),
        _side(run, question, rows[arm], letters),
    )


def _side(run: Run, question: Question, row: OutcomeRow, letters: Mapping[str, str]) -> Side:
    letter = letters.get(row.letter) if row.letter is not None else None
    cited = _cited(row)
    passages = tuple(
        ShownPassage(name, run.passages.get(name), place in cited) for place, name in enumerate(row.passages)
    )
    return Side(
        row.arm, row.outcome, letter, row.reply, row.error, _route_line(row, question.product), passages
    )


def _cited(row: OutcomeRow) -> frozenset[int]:
    """Places of the passages that a reply cites; texts do not matter for that, so none are needed."""
    hits = tuple(
        Hit(Passage(str(place), "", "", Field.IDENTITY, "", ""), 0.0) for place in range(len(row.passages))
    )
    knowledge = Knowledge(Route(RouteOutcome.UNKNOWN, (), (), 0.0), hits, "")
    return frozenset(int(passage.id) for passage in cited_passages(row.reply or "", knowledge))


def _route_line(row: OutcomeRow, product: str) -> str | None:
    if row.route is None:
        return None
    sure = "" if row.confidence is None else f", confidence {row.confidence:.2f}"
    names = " and ".join(row.products)
    if row.arm not in ROUTING_ARMS:
        return f"knowledge of {names} was shown" if names else "no knowledge was shown"
    if row.route is RouteOutcome.UNKNOWN:
        return f"routed to nothing: called unknown{sure}; the product is {product}"
    kind = "a near-tie of " if row.route is RouteOutcome.NEAR_TIE else ""
    right = "which holds the product" if kind else "the right product"
    judged = right if product in row.products else f"but the product is {product}"
    return f"routed to {kind}{names}{sure}: {judged}"
