"""Known errata of MMAD's questions, each by its name."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from mmad_rag.benchmark.data.dataset_names import counted_path
from mmad_rag.benchmark.data.mmad import Benchmark
from mmad_rag.errors import DataError
from mmad_rag.records import Question

_UNSEEN = "known from public copies; whether a copy has been corrected cannot be seen from the file"
_NUT = re.compile(r"\bnuts?\b", re.IGNORECASE)
_PILL_GOOD = frozenset(f"DS-MVTec/pill/image/good/{number:03}.png" for number in range(22))


@dataclass(frozen=True, slots=True)
class Erratum:
    """A mistake in the published questions. Its questions are left out, because no right answer to them is
    known."""

    name: str
    """The name that `apply_errata` and `--errata` accept."""
    reason: str
    """Description of the mistake."""
    source: str
    """Evidence for the mistake."""
    questions: Callable[[Benchmark], tuple[Question, ...]]
    """The questions of a benchmark that the erratum concerns, in the file's order; none in a copy without
    it."""


def _pill_metal_nut(benchmark: Benchmark) -> tuple[Question, ...]:
    """All questions about the 22 images, if any of them has an answer that names a nut in this copy.

    A wrong option may well name a metal nut, so only right options count.
    """
    asked = tuple(
        question for question in benchmark.questions if counted_path(question.image_path) in _PILL_GOOD
    )
    return asked if any(_NUT.search(_answer_text(question)) for question in asked) else ()


def _answer_text(question: Question) -> str:
    return next(choice.text for choice in question.choices if choice.letter == question.answer)


def _localization(prefix: str) -> Callable[[Benchmark], tuple[Question, ...]]:
    def found(benchmark: Benchmark) -> tuple[Question, ...]:
        return tuple(
            question
            for question in benchmark.questions
            if counted_path(question.image_path).startswith(prefix)
            and question.subtask == "Defect Localization"
        )

    return found


ERRATA: Mapping[str, Erratum] = MappingProxyType(
    {
        item.name: item
        for item in (
            Erratum(
                "pill-good-metal-nut",
                "older copies hold metal nuts at DS-MVTec/pill/image/good/000.png to 021.png, with answers "
                "about metal nuts and pills as templates",
                "known from public copies; a copy has it when an answer about these images names a nut",
                _pill_metal_nut,
            ),
            Erratum(
                "bottle-broken-large-016",
                "the answer to where the defect is in DS-MVTec/bottle/image/broken_large/016.png is wrong",
                _UNSEEN,
                _localization("DS-MVTec/bottle/image/broken_large/016.png"),
            ),
            Erratum(
                "transistor-misplaced",
                "answers to where the defect is in images of misplaced transistors are wrong; which ones "
                "is not known here, so it takes all of them",
                _UNSEEN,
                _localization("DS-MVTec/transistor/image/misplaced/"),
            ),
        )
    }
)
"""Name -> erratum."""


def apply_errata(benchmark: Benchmark, names: Sequence[str]) -> Benchmark:
    """The benchmark without the questions that the named errata concern; it remembers the names.

    Images without any question left are left out too. The digest stays that of the file.

    Raises:
        DataError: a name is not an erratum's, or no question is left.
    """
    out = {question.id for name in names for question in erratum(name).questions(benchmark)}
    questions = tuple(question for question in benchmark.questions if question.id not in out)
    if not questions:
        applied = ", ".join(dict.fromkeys((*benchmark.errata, *names)))
        raise DataError(f"the errata {applied} concern every question of {benchmark.root}; apply fewer")
    asked = {question.image_path for question in questions}
    return dataclasses.replace(
        benchmark,
        questions=questions,
        images=MappingProxyType({path: image for path, image in benchmark.images.items() if path in asked}),
        missing_images=tuple(path for path in benchmark.missing_images if path in asked),
        errata=tuple(sorted({*benchmark.errata, *names})),
    )


def errata_in(benchmark: Benchmark) -> Iterator[tuple[Erratum, tuple[Question, ...]]]:
    """The errata that concern a benchmark, each with its questions."""
    for item in ERRATA.values():
        if questions := item.questions(benchmark):
            yield item, questions


def erratum(name: str) -> Erratum:
    """The erratum with this name.

    Raises:
        DataError: there is no such erratum.
    """
    if name not in ERRATA:
        raise DataError(f"there is no erratum {name!r}; choose one of {', '.join(ERRATA)}")
    return ERRATA[name]
