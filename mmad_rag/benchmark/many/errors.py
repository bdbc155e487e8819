"""Find the questions that all or most of several models get wrong, and hold their number against chance.

Two models that are right on 80 % each are wrong on the same question 4 % of the time by coincidence. The
expected numbers say what errors that are independent of each other would give: every model errs on a question
with the share that it errs on in the question's subtask, and the number of models that err on it then has a
Poisson binomial distribution. Errors on one question are hardly ever independent, because some questions are
harder than others; how far the observed number lies above the expected one says how much so, and where.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mmad_rag.benchmark.analysis.compare import ArmRates
from mmad_rag.benchmark.analysis.flips import drawn_over_subtasks
from mmad_rag.benchmark.audit.shortcuts import shortcut_credits
from mmad_rag.benchmark.data.mmad import Benchmark
from mmad_rag.benchmark.many.answers_run import has_options
from mmad_rag.benchmark.many.same_questions import SameQuestions, SourceQuestions, same_questions
from mmad_rag.benchmark.run.records import OutcomeRow, Run
from mmad_rag.benchmark.score.score import rows_of_arm
from mmad_rag.errors import DataError
from mmad_rag.knowledge import KnowledgeBase
from mmad_rag.records import Outcome, Question

NO_SHORTCUT = "no shortcut"
"""The flag of questions on which no shortcut picks the right option and no other."""

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class WrongCount:
    """How many questions exactly so many models get wrong."""

    models: int
    """Number of models that get a question wrong."""
    questions: int
    """Number of such questions."""
    expected: float
    """The number that independent errors would give."""


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """The common errors in one group of questions."""

    name: str
    """A subtask, a product as `dataset/product`, or a shortcut that picks the right option."""
    questions: int
    """Number of questions in the group."""
    found: int
    """Number of questions in the group that enough models get wrong."""
    expected: float
    """The number that independent errors would give."""
    deviations: float | None
    """How far `found` lies above `expected`, in standard deviations of independent errors; None where these
    leave no doubt about the number."""


@dataclass(frozen=True, slots=True)
class CommonError:
    """A question that enough models get wrong."""

    question: Question
    """The question."""
    wrong: tuple[str, ...]
    """The models that get it wrong, in order."""
    chosen: Mapping[str, str | None]
    """Model -> the letter that it chose, by the question's own options; None without a readable answer."""
    agreed: str | None
    """The wrong letter that all of `wrong` chose, at least two; None otherwise. The answer key may be in
    doubt where models agree."""
    shortcuts: tuple[str, ...] | None
    """Shortcuts that pick the right option and no other; None where the options are not known."""


@dataclass(frozen=True, slots=True)
class ErrorPatterns:
    """What several models get wrong together."""

    models: tuple[ArmRates, ...]
    """The models in the order given, with their numbers of invalid and missing answers, which are errors."""
    accuracies: tuple[Mapping[str, float], ...]
    """Subtask -> share of right answers in [0, 1], one mapping per model in the same order; expectations rest
    on them."""
    sources: tuple[SourceQuestions, ...]
    """What is left out of each run or answers file."""
    questions: int
    """Number of questions that are looked at."""
    unanswered: int
    """Number of questions that no model answered; they are not looked at."""
    at_least: int
    """Number of models that must get a question wrong."""
    counts: tuple[WrongCount, ...]
    """Number of questions by the number of models that get them wrong, from 0 to all."""
    total: ErrorGroup
    """All questions."""
    by_subtask: tuple[ErrorGroup, ...]
    """Groups by subtask, in the order of the table of scores."""
    by_product: tuple[ErrorGroup, ...]
    """Groups by product, those that lie most above the expected number first."""
    by_shortcut: tuple[ErrorGroup, ...]
    """Groups by shortcut flag; a question may have several. Empty where the options are not known."""
    found: tuple[CommonError, ...]
    """The questions, those that most models get wrong first, then in the file's order."""


def error_patterns(
    sources: Sequence[Run | Path | str] | SameQuestions,
    *,
    at_least: int | None = None,
    data: Benchmark | Path | str | None = None,
    arms: Collection[str] = (),
    base: KnowledgeBase | None = None,
) -> ErrorPatterns:
    """Find the questions that all or most of several models get wrong.

    An answer that could not be read, or is missing, is wrong.

    Args:
        sources: Runs, run folders or answers files; or what `same_questions` made of them.
        at_least: Number of models that must get a question wrong; None means all.
        data: The data folder: what a source leaves out then counts as wrong; see `same_questions`.
        arms: Names of the arms of runs to take; empty takes all.
        base: Knowledge for the shortcuts that read it; None leaves them out.

    Raises:
        DataError: the sources cannot be put together (see `same_questions`), a run is not finished, or
            `at_least` is not between 1 and the number of models.

    Example:
        >>> found = error_patterns(["gpt-4o.json", "qwen.json", "internvl.json"])      # doctest: +SKIP
        >>> found.total.found, round(found.total.expected)                            # doctest: +SKIP
        (2210, 371)
    """
    same = sources if isinstance(sources, SameQuestions) else same_questions(sources, data=data, arms=arms)
    needed = len(same.models) if at_least is None else at_least
    if not 1 <= needed <= len(same.models):
        raise DataError(
            f"{needed} is not a number of models out of {len(same.models)}; give 1 to {len(same.models)}"
        )
    everyone = [rows_of_arm(same.run.rows, same.run.questions, model) for model in same.models]
    asked = [
        question
        for question in same.run.questions
        if any(rows[question.id].outcome is not Outcome.FAILED for rows in everyone)
    ]
    if not asked:
        raise DataError("no model answered any question; finish a run, or give other answers")
    wrong = np.array(
        [[rows[question.id].outcome is not Outcome.CORRECT for rows in everyone] for question in asked]
    )
    chance = _chances(asked, wrong)
    hits = wrong.sum(axis=1) >= needed
    tails = np.array([chance[question.subtask][needed:].sum() for question in asked])
    flags = _flags(asked, base)

    def groups(names: Callable[[int], Sequence[str]]) -> dict[str, ErrorGroup]:
        inside: dict[str, list[int]] = defaultdict(list)
        for place in range(len(asked)):
            for name in names(place):
                inside[name].append(place)
        return {name: _group(name, hits[places], tails[places]) for name, places in inside.items()}

    subtasks = groups(lambda place: [asked[place].subtask])
    products = groups(lambda place: [f"{asked[place].dataset}/{asked[place].product}"])
    shortcuts = groups(lambda place: flags[place] or [NO_SHORTCUT]) if flags is not None else {}
    order = np.argsort(-wrong.sum(axis=1), kind="stable")
    return ErrorPatterns(
        models=tuple(
            _rates(model, [rows[item.id] for item in asked])
            for model, rows in zip(same.models, everyone, strict=True)
        ),
        accuracies=tuple(_accuracies(asked, wrong[:, side]) for side in range(len(same.models))),
        sources=same.sources,
        questions=len(asked),
        unanswered=len(same.run.questions) - len(asked),
        at_least=needed,
        counts=_counts(asked, wrong, chance),
        total=_group("all questions", hits, tails),
        by_subtask=tuple(subtasks[name] for name in same.run.columns.names if name in subtasks),
        by_product=tuple(sorted(products.values(), key=lambda group: group.expected - group.found)),
        by_shortcut=tuple(shortcuts.values()),
        found=tuple(
            _common_error(asked[place], same.models, everyone, None if flags is None else flags[place])
            for place in order.tolist()
            if hits[place]
        ),
    )  # fmt: skip


def spread_over_subtasks(
    patterns: ErrorPatterns, subtasks: Sequence[str], count: int, *, seed: int = 0
) -> tuple[CommonError, ...]:
    """Some of the questions, drawn by seed round the subtasks; those that most models get wrong first.

    Args:
        patterns: The common errors.
        subtasks: Names of the subtasks, in order.
        count: Largest number of questions, 0 or more.
        seed: Seed for the draw.
    """
    by_id = {item.question.id: item for item in patterns.found}
    drawn = drawn_over_subtasks([item.question for item in patterns.found], subtasks, count, seed)
    return tuple(sorted((by_id[question.id] for question in drawn), key=lambda item: -len(item.wrong)))


def _chances(asked: Sequence[Question], wrong: npt.NDArray[np.bool_]) -> Mapping[str, _Floats]:
    """Subtask -> probability that 0, 1, ... models err on a question of it, if they err independently."""
    places: dict[str, list[int]] = defaultdict(list)
    for place, question in enumerate(asked):
        places[question.subtask].append(place)
    found: dict[str, _Floats] = {}
    for subtask, inside in places.items():
        distribution = np.ones(1)
        for error in wrong[inside].mean(axis=0):
            distribution = np.convolve(distribution, [1 - error, error])
        found[subtask] = distribution
    return found


def _accuracies(asked: Sequence[Question], wrong: npt.NDArray[np.bool_]) -> Mapping[str, float]:
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for question, missed in zip(asked, wrong.tolist(), strict=True):
        total[question.subtask] += 1
        right[question.subtask] += not missed
    return {subtask: right[subtask] / total[subtask] for subtask in total}


def _flags(asked: Sequence[Question], base: KnowledgeBase | None) -> list[list[str]] | None:
    if not has_options(asked):
        return None
    products = None if base is None else {product.product: product for product in base.products}
    credit = shortcut_credits(asked, products)
    return [
        [name.value for name, worth in credit.items() if worth[place] == 1.0] for place in range(len(asked))
    ]


def _group(name: str, hits: npt.NDArray[np.bool_], tails: _Floats) -> ErrorGroup:
    expected = float(tails.sum())
    spread = math.sqrt(float((tails * (1 - tails)).sum()))
    found = int(hits.sum())
    deviations = (found - expected) / spread if spread > 1e-9 else None
    return ErrorGroup(name, len(hits), found, expected, deviations)


def _counts(
    asked: Sequence[Question], wrong: npt.NDArray[np.bool_], chance: Mapping[str, _Floats]
) -> tuple[WrongCount, ...]:
    observed = np.bincount(wrong.sum(axis=1), minlength=wrong.shape[1] + 1)
    subtasks = Counter(question.subtask for question in asked)
    expected = sum((chance[name] * number for name, number in subtasks.items()), np.zeros(len(observed)))
    return tuple(
        WrongCount(models, int(observed[models]), float(expected[models])) for models in range(len(observed))
    )


def _rates(model: str, rows: Sequence[OutcomeRow]) -> ArmRates:
    outcomes = Counter(row.outcome for row in rows)
    return ArmRates(model, len(rows), outcomes[Outcome.INVALID], outcomes[Outcome.FAILED])


def _common_error(
    question: Question,
    models: Sequence[str],
    everyone: Sequence[Mapping[str, OutcomeRow]],
    flags: Sequence[str] | None,
) -> CommonError:
    rows = {model: rows[question.id] for model, rows in zip(models, everyone, strict=True)}
    wrong = tuple(model for model, row in rows.items() if row.outcome is not Outcome.CORRECT)
    letters = {rows[model].letter for model in wrong}
    agreed = next(iter(letters)) if len(wrong) > 1 and len(letters) == 1 else None
    chosen = {model: row.letter for model, row in rows.items()}
    return CommonError(question, wrong, chosen, agreed, None if flags is None else tuple(flags))
