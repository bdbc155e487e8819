"""Compare many models on the same questions, every one with every other.

The scores, intervals and tests of a pair are those of `compare`: nested macro average of the rule `fixed`,
bootstrap over images for these products, jackknife over products for new ones. All models see the same draws.
An answer that could not be read, or is missing, counts as wrong: every model has the same denominator.

P-values are adjusted by Holm over all pairs: of the average over the pairs, of the subtasks over the pairs
and subtasks together. So are the tests of equivalence, over the pairs in each column. With two models every
number is that of `compare`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from mmad_rag.benchmark.analysis.arm_scores import ArmScore, arm_scores
from mmad_rag.benchmark.analysis.compare import ArmRates, Comparison, Difference, compare_all, compare_joint
from mmad_rag.benchmark.analysis.decompose import decompose_joint
from mmad_rag.benchmark.analysis.subsets import arm_tables
from mmad_rag.benchmark.analysis.summary import RunSummary
from mmad_rag.benchmark.data.columns import AVERAGE
from mmad_rag.benchmark.data.mmad import Benchmark
from mmad_rag.benchmark.many.same_questions import SameQuestions, SourceQuestions, same_questions
from mmad_rag.benchmark.run.records import Run
from mmad_rag.benchmark.stats.jackknife import NewProducts
from mmad_rag.benchmark.stats.resample import REPLICATES, PairedReplicates, join_arms
from mmad_rag.benchmark.stats.verdict import LEVEL, MARGIN, holm, judge
from mmad_rag.errors import DataError

_MOST_DRAWS = 20_000


@dataclass(frozen=True, slots=True)
class ModelMatrix:
    """Many models on the same questions."""

    questions: int
    """Number of questions that are compared, the same for every model."""
    images: int
    """Number of images that they are about."""
    sources: tuple[SourceQuestions, ...]
    """What is left out of each run or answers file."""
    models: tuple[ArmScore, ...]
    """The models in the order given, each with its score per column and its 95 % interval."""
    rates: tuple[ArmRates, ...]
    """Numbers of invalid and missing answers of each model, in the same order."""
    pairs: tuple[Comparison, ...]
    """Every pair once: a later model (`arm`) against an earlier one (`baseline`), p-values adjusted over all
    pairs."""
    replicates: int
    """Number of bootstrap draws."""
    seed: int
    """Seed for the bootstrap draws."""
    margin: float
    """Percentage points that do not matter."""

    def pair(self, baseline: str, arm: str) -> Comparison:
        """The comparison of two models; `baseline` was given before `arm`.

        Raises:
            DataError: there is no such pair.
        """
        for item in self.pairs:
            if (item.baseline.arm, item.arm.arm) == (baseline, arm):
                return item
        names = ", ".join(model.arm for model in self.models)
        raise DataError(f"there is no pair {baseline!r}, {arm!r}, in this order, of the models {names}")


def compare_models(
    sources: Sequence[Run | Path | str] | SameQuestions,
    *,
    data: Benchmark | Path | str | None = None,
    arms: Collection[str] = (),
    replicates: int | None = None,
    margin: float = MARGIN,
    seed: int = 0,
) -> ModelMatrix:
    """Compare every model with every other on the questions that all of them have.

    Args:
        sources: Runs, run folders or answers files; or what `same_questions` made of them.
        data: The data folder: what a source leaves out then counts as wrong; see `same_questions`.
        arms: Names of the arms of runs to take; empty takes all.
        replicates: Number of bootstrap draws, at least 1; None takes 2,000, or as many as verdicts need over
            so many pairs, see `enough_draws`.
        margin: Percentage points that do not matter, 0 or more.
        seed: Seed for the bootstrap draws.

    Raises:
        DataError: there are fewer than two models, the sources cannot be put together (see `same_questions`),
            a run is not finished, or a number is out of range.

    Example:
        >>> found = compare_models(["gpt-4o.json", "qwen.json", "runs/mine"])      # doctest: +SKIP
        >>> found.pair("gpt-4o", "qwen").columns[-1].difference                    # doctest: +SKIP
        -3.4
    """
    same = sources if isinstance(sources, SameQuestions) else same_questions(sources, data=data, arms=arms)
    if len(same.models) < 2:
        raise DataError(
            f"a matrix compares two models or more, and there is only {same.models[0]}; give another run or "
            "answers file"
        )
    if replicates is None:
        replicates = enough_draws(len(same.models), len(same.run.columns.names))
    joint = _joint(same, replicates=replicates, seed=seed)
    pairs = [compare_joint(joint, *two, margin=margin) for two in combinations(same.models, 2)]
    adjusted = _adjusted(pairs)
    rates = [pairs[0].baseline, *(pair.arm for pair in pairs[: len(same.models) - 1])]
    return ModelMatrix(
        questions=len(same.run.questions),
        images=joint.images,
        sources=same.sources,
        models=arm_scores(joint),
        rates=tuple(rates),
        pairs=adjusted,
        replicates=replicates,
        seed=seed,
        margin=margin,
    )


def enough_draws(models: int, subtasks: int) -> int:
    """Number of bootstrap draws with which a difference can still be certain after Holm.

    The smallest p-value of R draws is 2 / (R + 1), and Holm multiplies it by the number of tests. Twice the
    draws are taken that a test at 5 % needs: for the average over the pairs always, for the subtasks too up
    to 20,000 draws.

    Example:
        >>> enough_draws(2, 7), enough_draws(4, 7), enough_draws(22, 7)
        (2000, 3360, 20000)
    """
    pairs = models * (models - 1) // 2
    each = round(4 / LEVEL)
    return max(REPLICATES, each * pairs, min(each * pairs * subtasks, _MOST_DRAWS))


def summarise_models(
    same: SameQuestions,
    *,
    baseline: str | None = None,
    replicates: int = REPLICATES,
    margin: float = MARGIN,
    seed: int = 0,
) -> RunSummary:
    """Score every model, and compare each with one of them.

    Args:
        same: The models on the same questions.
        baseline: The model to compare with; None takes the first.
        replicates: Number of bootstrap draws, at least 1.
        margin: Percentage points that do not matter, 0 or more.
        seed: Seed for the bootstrap draws.

    Raises:
        DataError: there are fewer than two models, the baseline is none of them, a run is not finished, or a
            number is out of range.
    """
    chosen = same.models[0] if baseline is None else baseline
    if chosen not in same.models:
        raise DataError(f"there is no model {chosen!r} to compare with; there are {', '.join(same.models)}")
    if len(same.models) < 2:
        raise DataError(f"{chosen} alone has nothing to be compared with; give another run or answers file")
    joint = _joint(same, replicates=replicates, seed=seed)
    tables = arm_tables(same.run, same.models)
    comparisons = compare_all(joint, chosen, margin=margin)
    return RunSummary(tables, comparisons, (), decompose_joint(joint), levels=arm_scores(joint))


def _joint(same: SameQuestions, *, replicates: int, seed: int) -> PairedReplicates:
    run = same.run
    return join_arms(
        run.rows, run.questions, same.models, columns=run.columns, replicates=replicates, seed=seed
    )


def _adjusted(pairs: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """The pairs with p-values adjusted over all of them, and verdicts by these."""
    cells = [(number, item.column) for number, pair in enumerate(pairs) for item in pair.columns]
    found = {(number, item.column): item for number, pair in enumerate(pairs) for item in pair.columns}
    columns = [item.column for item in pairs[0].columns]
    families = [
        [cell for cell in cells if cell[1] != AVERAGE],
        [cell for cell in cells if cell[1] == AVERAGE],
    ]
    by_column = [[cell for cell in cells if cell[1] == column] for column in columns]

    def over(
        groups: Sequence[Sequence[tuple[int, str]]], value: Callable[[Difference], float | None]
    ) -> dict[tuple[int, str], float | None]:
        adjusted: dict[tuple[int, str], float | None] = {}
        for group in groups:
            adjusted.update(zip(group, holm([value(found[cell]) for cell in group]), strict=True))
        return adjusted

    here = over(families, lambda item: item.p_value)
    alike = over(by_column, lambda item: item.equivalence_p)
    new = over(families, lambda item: item.new_products.p_value if item.new_products else None)
    alike_new = over(by_column, lambda item: item.new_products.equivalence_p if item.new_products else None)

    def judged(cell: tuple[int, str]) -> Difference:
        item = found[cell]
        return dataclasses.replace(
            item,
            adjusted_p=here[cell],
            verdict=judge(item.difference, here[cell], alike[cell]),
            new_products=_elsewhere(item, new[cell], alike_new[cell]),
        )

    return tuple(
        dataclasses.replace(pair, columns=tuple(judged((number, item.column)) for item in pair.columns))
        for number, pair in enumerate(pairs)
    )


def _elsewhere(item: Difference, p_value: float | None, alike: float | None) -> NewProducts | None:
    if item.new_products is None or p_value is None:
        return None
    verdict = judge(item.difference, p_value, alike)
    return dataclasses.replace(item.new_products, adjusted_p=p_value, verdict=verdict)
