"""Choose the questions of a run."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import chain, zip_longest

from mmad_rag.benchmark.data.dataset_names import spellings
from mmad_rag.benchmark.data.mmad import NORMAL_LABEL, Benchmark
from mmad_rag.errors import DataError
from mmad_rag.records import Question


@dataclass(frozen=True, slots=True)
class Selection:
    """The questions that a run asks, with what had to be left out."""

    questions: tuple[Question, ...]
    """The questions in the file's order."""
    missing_images: tuple[str, ...]
    """Paths of the wanted images that have no file."""
    missing_questions: int
    """Number of questions about those images."""


def select(
    benchmark: Benchmark,
    *,
    only: str | Sequence[str] = (),
    limit: int | None = None,
    seed: int = 0,
    images: bool = True,
) -> Selection:
    """Choose questions, by default those that have an image.

    Args:
        benchmark: The benchmark to choose from.
        only: Globs; a question is wanted if one of them matches its image path or equals its product, e.g.
            `DS-MVTec/*` or `bottle`. The two folders of MVTec AD, `DS-MVTec` and `MVTec-AD`, are one
            dataset. An empty sequence wants all.
        limit: Largest number of questions, a seeded sample of images. Products take turns, and normal and
            defective images alternate within a product, so that the sample spreads over all subtasks. An
            image is taken with all its questions; only the last image may lose some to meet the limit. With
            the same seed a smaller sample is part of a larger one.
        seed: Seed for the sample.
        images: Whether only questions whose image has a file are chosen; False suits a run that shows no
            image.

    Raises:
        DataError: nothing is left to ask, or the limit is not positive.
    """
    globs = (only,) if isinstance(only, str) else tuple(only)
    check_limit(limit)
    wanted = [question for question in benchmark.questions if _fits(question, globs)]
    if not wanted:
        raise DataError(f"no image path or product fits {', '.join(globs)}; try e.g. 'DS-MVTec/bottle/*'")
    missing = set(benchmark.missing_images) if images else set()
    present = [question for question in wanted if question.image_path not in missing]
    if not present:
        raise DataError(
            f"none of the {len(wanted)} questions has an image under {benchmark.root}; put the images there"
        )
    absent = dict.fromkeys(question.image_path for question in wanted if question.image_path in missing)
    chosen = present if limit is None else _sample(present, limit, seed)
    return Selection(tuple(chosen), tuple(absent), len(wanted) - len(present))


def check_limit(limit: int | None) -> None:
    """Refuse a limit that leaves no question.

    Raises:
        DataError: the limit is not positive.
    """
    if limit is not None and limit < 1:
        raise DataError(f"a limit of {limit} leaves no question; give 1 or more")


def _fits(question: Question, globs: tuple[str, ...]) -> bool:
    names = (*spellings(question.image_path), question.product)
    return not globs or any(fnmatchcase(name, glob) for glob in globs for name in names)


def _sample(questions: Sequence[Question], limit: int, seed: int) -> list[Question]:
    by_image: dict[str, list[Question]] = {}
    for question in questions:
        by_image.setdefault(question.image_path, []).append(question)
    drawn = chain.from_iterable(by_image[image] for image in _draw(questions, random.Random(seed)))
    kept = {question.id for question, _ in zip(drawn, range(limit), strict=False)}
    return [question for question in questions if question.id in kept]


def _draw(questions: Sequence[Question], rng: random.Random) -> Iterator[str]:
    """Every image once: products take turns, and each alternates between normal and defective images."""
    sides: dict[tuple[str, str], tuple[dict[str, None], dict[str, None]]] = {}
    for question in questions:
        pair = sides.setdefault((question.dataset, question.product), ({}, {}))
        pair[question.label != NORMAL_LABEL][question.image_path] = None
    products = list(sides)
    rng.shuffle(products)
    queues: list[list[str]] = []
    for number, product in enumerate(products):
        first, second = (list(side) for side in sides[product])
        rng.shuffle(first)
        rng.shuffle(second)
        if number % 2:
            first, second = second, first
        pairs = zip_longest(first, second)
        queues.append([image for pair in pairs for image in pair if image is not None])
    for turn in zip_longest(*queues):
        yield from (image for image in turn if image is not None)
