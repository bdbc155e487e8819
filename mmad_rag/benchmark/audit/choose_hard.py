"""The hard subset: questions on which no shortcut succeeds more often than chance.

The rule, `RULE`, is fixed before any model is seen. A *cell* is a dataset's questions of one subtask. The
excess of a shortcut on a question is its credit less chance; its surplus in a cell is the mean excess, and
in a detection column the mean of the means on normal and on abnormal images, as the score is. While any
surplus is above 0, the question is taken out that weighs most on the surpluses: the sum over shortcuts of
surplus x (excess - mean excess of its side) / questions of its side, where only surpluses above 0 count.
Equals are told apart by a hash of the id. Where no question weighs more than another, the whole cell goes.

Why not take out every question that a shortcut hits: on the rest a rule that avoids the longest option
would win, so that the subset would have a shortcut of its own. Why by cell: the score is a mean of cells,
so that what holds in each holds in the average. Limits: only these shortcuts are balanced, alone and not
combined; within a product one may still win; and a surplus that is mere noise costs questions too.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter, ValidationError

from mmad_rag.benchmark.audit.shortcuts import chance_of, shortcut_credits
from mmad_rag.benchmark.data.mmad import Benchmark
from mmad_rag.benchmark.data.question_sets import columns_of
from mmad_rag.benchmark.score.macro_average import side_of
from mmad_rag.errors import DataError
from mmad_rag.knowledge import KnowledgeBase
from mmad_rag.records import Question

RULE = "hard/2"
"""Name and version of the rule; version 1 had no reader of a wrong product of the same dataset, and its
readers kept British and American spelling apart."""

_LEAST = 1e-9  # below it a surplus is rounding

HARD_VERSION = 1
"""Version of the file's layout."""


@dataclass(frozen=True, slots=True)
class HardSubset:
    """The questions of a benchmark on which no shortcut succeeds more often than chance."""

    version: int
    """`HARD_VERSION`."""
    rule: str
    """Name and version of the rule that chose them, see `hard_subset`."""
    data_sha256: str
    """SHA-256 (hex) of the mmad.json that they were chosen from."""
    knowledge_sha256: str | None
    """SHA-256 (hex) of the knowledge given to the readers, see `knowledge_sha256`; None without readers."""
    shortcuts: tuple[str, ...]
    """Those that were balanced."""
    of_questions: int
    """How many there were to choose from."""
    questions: tuple[str, ...]
    """Their ids, in the file's order."""


def hard_subset(
    questions: Sequence[Question],
    excess: npt.NDArray[np.float64],
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[str, ...]:
    """The ids of the hard questions, in order.

    Args:
        questions: Of one benchmark.
        excess: Credit less chance, by question and shortcut: shape (questions, shortcuts).
        progress: Told after each cell how many cells are done, and of how many.
    """
    cells: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place, item in enumerate(questions):
        cells[item.dataset, item.subtask].append(place)
    left: set[int] = set()
    detection = columns_of(questions).detection
    for done, ((_, subtask), places) in enumerate(cells.items(), start=1):
        sides = [side_of(questions[place].label) if subtask == detection else 0 for place in places]
        ties = [
            hashlib.sha256(questions[place].id.encode("utf-8", "surrogatepass")).digest() for place in places
        ]
        order = sorted(range(len(places)), key=ties.__getitem__)
        kept = _balanced(excess[[places[k] for k in order]], np.array([sides[k] for k in order]))
        left.update(places[order[k]] for k in kept)
        progress(done, len(cells))
    return tuple(item.id for place, item in enumerate(questions) if place in left)


def _balanced(excess: npt.NDArray[np.float64], sides: npt.NDArray[np.int_]) -> Iterator[int]:
    """The rows of a cell that are kept; of equals the first row goes first."""
    there = np.ones(len(excess), bool)
    names = np.unique(sides)
    while True:
        groups = [there & (sides == side) for side in names]
        means = [excess[group].mean(axis=0) for group in groups]
        surplus = np.maximum(np.mean(means, axis=0), 0.0)
        if surplus.max() <= _LEAST:
            return iter(np.flatnonzero(there).tolist())
        weight = np.full(len(excess), -np.inf)
        for group, mean in zip(groups, means, strict=True):
            weight[group] = np.round((excess[group] - mean) @ surplus / group.sum(), 12)
        worst = int(weight.argmax())
        if weight[worst] <= 0:
            return iter(())
        there[worst] = False


_JSON: TypeAdapter[HardSubset] = TypeAdapter(HardSubset)


def choose_hard(benchmark: Benchmark, base: KnowledgeBase | None) -> HardSubset:
    """Choose the hard subset of a whole question file; takes about 2 s for 11,656 questions.

    Args:
        benchmark: The question file; its images are not looked at.
        base: What the text-only readers are given; None leaves them out.
    """
    products = None if base is None else {product.product: product for product in base.products}
    credit = shortcut_credits(benchmark.questions, products)
    excess = np.column_stack(list(credit.values())) - chance_of(benchmark.questions)[:, None]
    return hard_subset_of(
        benchmark, base, tuple(name.value for name in credit), hard_subset(benchmark.questions, excess)
    )


def hard_subset_of(
    benchmark: Benchmark, base: KnowledgeBase | None, shortcuts: tuple[str, ...], questions: tuple[str, ...]
) -> HardSubset:
    """Chosen questions with what they depend on."""
    digest = None if base is None else knowledge_sha256(base)
    return HardSubset(
        HARD_VERSION, RULE, benchmark.sha256, digest, shortcuts, len(benchmark.questions), questions
    )


def knowledge_sha256(base: KnowledgeBase) -> str:
    """SHA-256 (hex) over names and hashes of the product files."""
    listed = [[file.product.product, file.digest] for file in base.files]
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()


def hard_bytes(subset: HardSubset) -> bytes:
    """What the file holds; the same subset gives the same bytes."""
    return _JSON.dump_json(subset, indent=1) + b"\n"


def read_hard(path: Path) -> HardSubset:
    """Read a file that `mmad-rag audit --out` or a run wrote.

    Raises:
        DataError: it cannot be read, or is none.
    """
    try:
        subset = _JSON.validate_json(path.read_bytes(), strict=True)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); check the path") from error
    except ValidationError as error:
        raise DataError(f"{path} is not a hard subset; write one by `mmad-rag audit --out`") from error
    if subset.version != HARD_VERSION:
        raise DataError(
            f"{path} has version {subset.version}, not {HARD_VERSION}; write it again by "
            "`mmad-rag audit --out`"
        )
    return subset
