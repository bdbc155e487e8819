"""Measure whether the intervals of a comparison hold what they promise, on runs whose truth is known.

    python benchmarks/coverage.py [--runs 1000] [--replicates 500]

Every run has MMAD's shape in small: four datasets of 15, 12, 5 and 6 products with unequal numbers of
images, detection on both sides and three more subtasks. An image has its own ease, which both arms share,
and every product its own effect of knowledge, drawn anew for every run with the standard deviation in the
column "spread". Two truths follow: the mean effect of the products at hand, and that of all products there
could be. Printed: how often each 95 % interval holds each truth, and how often "no difference" is rejected at
5 %. 93-97 % is wanted of "images cover these" and of both intervals on new products, and 4-6 % of their tests
where the effect is zero; what images say of all products shows why the two are kept apart. With 1,000
runs each share is known to within 1.4 points either way, and both columns see the same runs. Ten minutes.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mmad_rag.benchmark.data.columns import AVERAGE
from mmad_rag.benchmark.data.mmad import MMAD_COLUMNS
from mmad_rag.benchmark.stats.jackknife import leave_out, on_new_products
from mmad_rag.benchmark.stats.resample import averages_over, drawn_images, every_image_once, strata_of
from mmad_rag.records import Choice, Question

PRODUCTS = {"DS-MVTec": 15, "VisA": 12, "MVTec-LOCO": 5, "GoodsAD": 6}
SUBTASKS = (
    "Anomaly Detection",
    "Defect Classification",
    "Defect Localization",
    "Object Analysis",
)
BASE, EASE = 0.5, 0.1
CHOICES = (Choice("A", "Yes."), Choice("B", "No."))


@dataclass(frozen=True, slots=True)
class Shares:
    """How often something was so, over many runs, in [0, 1]."""

    images_cover_these: float
    """The interval on these products holds the mean effect of these products."""
    images_cover_all: float
    """The same interval holds the mean effect of all products."""
    t_covers_all: float
    """The interval on new products holds the mean effect of all products."""
    wild_covers_all: float
    """The same by the wild bootstrap."""
    images_reject: float
    """No difference is rejected by images."""
    t_rejects: float
    """By products, with t."""
    wild_rejects: float
    """By products, with the wild bootstrap."""


def layout(products: dict[str, int], seed: int = 0) -> list[Question]:
    """The questions of a run: 4 to 16 images of each side per product."""
    rng = np.random.default_rng(seed)
    return [
        question
        for dataset, count in products.items()
        for product in range(count)
        for label in ("good", "bad")
        for image in range(int(rng.integers(4, 17)))
        for question in _asked(dataset, f"p{product}", label, image)
    ]


def _asked(dataset: str, product: str, label: str, image: int) -> Iterator[Question]:
    path = f"{dataset}/{product}/test/{label}/{image:03}.png"
    for place, subtask in enumerate(SUBTASKS if label == "bad" else (SUBTASKS[0], SUBTASKS[-1])):
        yield Question(f"{path}#{place}", path, "?", CHOICES, "A", subtask, subtask, dataset, product, label)


def simulate(
    questions: Sequence[Question], *, runs: int, spread: float, effect: float, column: str, replicates: int
) -> Shares:
    """Draw runs and count.

    Args:
        questions: The layout.
        runs: How many.
        spread: Standard deviation of the products' effects, in percentage points.
        effect: Their mean.
        column: Which column is looked at.
        replicates: Bootstrap draws per run.
    """
    rng = np.random.default_rng([runs, round(10 * spread), round(10 * effect)])
    products = _numbered([(question.dataset, question.product) for question in questions])
    images = _numbered([question.image_path for question in questions])
    place = MMAD_COLUMNS.with_average.index(column)
    found = []
    for seed in range(runs):
        gain = rng.normal(effect, spread, products.max() + 1)[products] / 100
        base = BASE + rng.normal(0, EASE, products.max() + 1)[products]
        ease = rng.normal(0, EASE, images.max() + 1)[images]
        right = rng.random((2, len(questions))) < np.stack([base + ease, base + ease + gain])
        strata = strata_of(questions, np.stack([base, base + gain], axis=1))
        before, after = averages_over(strata, [every_image_once(strata)])
        truth = float(after[0, place] - before[0, place])
        found.append(_judged(questions, right.T, truth, effect, place, replicates, seed))
    return Shares(*np.mean(found, axis=0).tolist())


def _judged(  # noqa: PLR0917 - one caller, right above
    questions: Sequence[Question],
    right: npt.NDArray[np.bool_],
    truth: float,
    effect: float,
    place: int,
    replicates: int,
    seed: int,
) -> list[bool]:
    """One run, in the order of `Shares`."""
    strata = strata_of(questions, right)
    before, after = (float(side[0, place]) for side in averages_over(strata, [every_image_once(strata)]))
    drawn = averages_over(strata, drawn_images(strata, replicates, seed))
    low, high = np.quantile(drawn[1][:, place] - drawn[0][:, place], (0.025, 0.975))
    new = on_new_products(
        leave_out(questions, right), np.array([-1.0, 1.0]), after - before, place, seed=seed
    )
    assert new is not None
    wild_low = -np.inf if new.wild_low is None else new.wild_low
    wild_high = np.inf if new.wild_high is None else new.wild_high
    return [
        bool(low <= truth <= high),
        bool(low <= effect <= high),
        new.low <= effect <= new.high,
        bool(wild_low <= effect <= wild_high),
        not low <= 0 <= high,
        new.p_value < 0.05,
        new.wild_p < 0.05,
    ]


def _numbered(names: Sequence[object]) -> npt.NDArray[np.int64]:
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return np.array([numbers[name] for name in names])


def main() -> None:
    """Print one line per case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--replicates", type=int, default=500)
    given = parser.parse_args()
    layouts = {"four datasets": layout(PRODUCTS), "one of 5": layout({"MVTec-LOCO": 5})}
    names = [field.name.replace("_", " ") for field in dataclasses.fields(Shares)]
    print(
        f"| layout | column | spread | effect | {' | '.join(names)} |\n|---|---|{'--:|' * (len(names) + 2)}"
    )
    for name, questions in layouts.items():
        for column in (AVERAGE, "Anomaly Detection"):
            for spread, effect in ((0.0, 0.0), (2.0, 0.0), (5.0, 0.0), (10.0, 0.0), (10.0, 4.0)):
                shares = simulate(
                    questions,
                    runs=given.runs,
                    spread=spread,
                    effect=effect,
                    column=column,
                    replicates=given.replicates,
                )
                cells = " | ".join(f"{100 * value:.1f}" for value in dataclasses.astuple(shares))
                print(f"| {name} | {column} | {spread} | {effect} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
