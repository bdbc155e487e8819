"""Audit a question set, with a knowledge base or without, by what shortcuts make of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mmad_rag.benchmark.audit.choose_hard import RULE, hard_subset, knowledge_sha256
from mmad_rag.benchmark.audit.leakage import LeakReport, leak_report
from mmad_rag.benchmark.audit.shortcuts import chance_of, shortcut_credits
from mmad_rag.benchmark.data.columns import Columns
from mmad_rag.benchmark.data.mmad import Benchmark
from mmad_rag.benchmark.data.question_sets import columns_of
from mmad_rag.benchmark.stats.estimate import Estimate
from mmad_rag.benchmark.stats.resample import (
    averages_over,
    drawn_images,
    every_image_once,
    interval_of,
    strata_of,
)
from mmad_rag.knowledge import KnowledgeBase
from mmad_rag.records import Question

CHANCE = "chance"
"""The name of the row that shortcuts are held against."""


@dataclass(frozen=True, slots=True)
class ShortcutCell:
    """A shortcut in one column: the mean over datasets, by the rule `fixed`."""

    score: Estimate
    """Percent right, images drawn with replacement."""
    above_chance: Estimate
    """Percentage points above chance, paired by draw."""


@dataclass(frozen=True, slots=True)
class ShortcutScore:
    """What one shortcut scores."""

    shortcut: str
    """A `ShortcutName`, or `CHANCE`."""
    cells: tuple[ShortcutCell, ...]
    """Columns that have questions, then `Average`."""


@dataclass(frozen=True, slots=True)
class QuestionFlags:
    """What gives one question away."""

    question: str
    """Its id."""
    hit_by: tuple[str, ...]
    """Shortcuts that pick the right option and no other; a tie is not a hit."""
    hard: bool
    """Whether it is in the hard subset."""


@dataclass(frozen=True, slots=True)
class Audit:
    """What a question set gives away."""

    data_sha256: str
    """SHA-256 (hex) of mmad.json."""
    knowledge_sha256: str | None
    """SHA-256 (hex) over names and hashes of the product files; None without knowledge."""
    rule: str
    """Name and version of the rule that chose the hard subset."""
    replicates: int
    """Bootstrap draws behind each interval."""
    seed: int
    """Seed for the bootstrap draws."""
    all_questions: tuple[ShortcutScore, ...]
    """Chance, then every shortcut, on all questions."""
    hard_questions: tuple[ShortcutScore, ...]
    """The same on the hard subset; empty where the subset is."""
    questions: tuple[QuestionFlags, ...]
    """Questions in the file's order."""
    leak: LeakReport | None
    """None without knowledge."""

    @property
    def hard(self) -> tuple[str, ...]:
        """Ids of the hard subset, in the file's order."""
        return tuple(item.question for item in self.questions if item.hard)


def audit_questions(
    benchmark: Benchmark,
    base: KnowledgeBase | None = None,
    *,
    replicates: int = 2_000,
    seed: int = 0,
    progress: Callable[[str, int, int], None] = lambda stage, done, total: None,
) -> Audit:
    """Score every shortcut, choose the hard subset, and measure the leak of a knowledge base.

    Args:
        benchmark: The question set; its images are not looked at.
        base: For the readers and the leak; None leaves both out.
        replicates: Bootstrap draws, at least 1.
        seed: Of the draws.
        progress: Told of each stage how much is done, and of how much.
    """
    questions = benchmark.questions
    columns = columns_of(questions)
    products = None if base is None else {product.product: product for product in base.products}
    found = {name.value: credit for name, credit in shortcut_credits(questions, products).items()}
    credit = {CHANCE: chance_of(questions), **found}
    table = np.column_stack(list(credit.values()))
    progress("scores", 0, 2)
    scores = _scores(questions, columns, table, tuple(credit), replicates=replicates, seed=seed)
    progress("scores", 1, 2)
    hard = frozenset(
        hard_subset(
            questions,
            table[:, 1:] - table[:, :1],
            progress=lambda done, total: progress("hard subset", done, total),
        )
    )
    chosen = [place for place, item in enumerate(questions) if item.id in hard]
    left = [questions[place] for place in chosen]
    hard_scores: tuple[ShortcutScore, ...] = ()
    if left:
        hard_scores = _scores(left, columns, table[chosen], tuple(credit), replicates=replicates, seed=seed)
    progress("scores", 2, 2)
    flags = tuple(
        QuestionFlags(item.id, tuple(name for name in found if found[name][place] == 1.0), item.id in hard)
        for place, item in enumerate(questions)
    )
    leak = None if products is None else leak_report(questions, products, replicates=replicates, seed=seed)
    digest = None if base is None else knowledge_sha256(base)
    return Audit(benchmark.sha256, digest, RULE, replicates, seed, scores, hard_scores, flags, leak)


def _scores(
    questions: Sequence[Question],
    columns: Columns,
    table: npt.NDArray[np.float64],
    names: Sequence[str],
    *,
    replicates: int,
    seed: int,
) -> tuple[ShortcutScore, ...]:
    """Scores of the shortcuts, columns in the table's order; the first is chance."""
    strata = strata_of(questions, table, columns)
    observed = [average[0] for average in averages_over(strata, [every_image_once(strata)])]
    drawn = averages_over(strata, drawn_images(strata, replicates, seed))
    headed = columns.with_average
    places = [place for place in range(len(headed)) if not np.isnan(observed[0][place])]
    return tuple(
        ShortcutScore(
            name,
            tuple(
                ShortcutCell(
                    Estimate(headed[place], float(mine[place]), *interval_of(draws[:, place])),
                    Estimate(
                        headed[place],
                        float(mine[place] - observed[0][place]),
                        *interval_of(draws[:, place] - drawn[0][:, place]),
                    ),
                )
                for place in places
            ),
        )
        for name, mine, draws in zip(names, observed, drawn, strict=True)
    )
