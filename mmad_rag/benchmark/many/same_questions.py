"""Put models together on the questions that all of them were asked, and say what is left out."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmad_rag.benchmark.analysis.two_runs import MAY_DIFFER, refuse_other_settings
from mmad_rag.benchmark.data.dataset_names import spellings
from mmad_rag.benchmark.data.mmad import Benchmark, load_questions
from mmad_rag.benchmark.many.answers_run import has_options, read_answered
from mmad_rag.benchmark.run.records import ArmHeader, OutcomeRow, Run
from mmad_rag.benchmark.score.answers_file import by_image, unanswered_row
from mmad_rag.benchmark.score.asked_words import asked_among, letters_among, plain
from mmad_rag.errors import DataError
from mmad_rag.records import Question

_QUESTIONS_MAY_DIFFER = MAY_DIFFER | {"data_sha256", "questions", "questions_sha256", "errata"}

MOST_OTHER_ANSWERS = 0.1
"""Share of shared questions up to which those with another right answer are left out; beyond it the source is
refused."""


@dataclass(frozen=True, slots=True)
class SourceQuestions:
    """How many questions of a run or an answers file are compared."""

    name: str
    """Name of the run folder, or of the file without its ending."""
    asked: int
    """Number of questions that it asks or answers."""
    left_out: int
    """Number of them that are not compared, because another source does not have them."""
    another_answer: int
    """Number of the questions left out that the others have too, with another right answer."""
    unanswered: int
    """Number of compared questions that it does not answer, so that they count as wrong; 0 without data."""


@dataclass(frozen=True, slots=True)
class SameQuestions:
    """Several models on the same questions."""

    run: Run
    """One run whose arms are the models, named `<source>`, or `<source>:<arm>` if a source has several."""
    sources: tuple[SourceQuestions, ...]
    """The runs and answers files, in the order given."""

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models, in the order given."""
        return tuple(arm.name for arm in self.run.header.arms)

    @property
    def left_out(self) -> Iterator[str]:
        """A sentence for each source of which something is left out or missing."""
        compared = len(self.run.questions)
        for source in self.sources:
            told = [f"{compared:,} questions are compared"]
            if source.left_out:
                told.append(f"{source.left_out:,} of its {source.asked:,} are left out")
            if source.another_answer:
                told.append(
                    f"{source.another_answer:,} of them because another source names another right answer"
                )
            if source.unanswered:
                told.append(f"{source.unanswered:,} are not answered and count as wrong")
            if len(told) > 1:
                yield f"{source.name}: {', '.join(told)}"


def same_questions(
    sources: Sequence[Run | Path | str],
    *,
    data: Benchmark | Path | str | None = None,
    arms: Collection[str] = (),
) -> SameQuestions:
    """Put models together on the questions that all sources have, paired by image and words.

    Args:
        sources: Runs, run folders or answers files, each once.
        data: The data folder: all its questions are compared, and a question that a source leaves out counts
            as wrong for it. None compares the questions that all sources have.
        arms: Names of the arms of runs to take; empty takes all. An answers file is one model.

    Raises:
        DataError: a source cannot be read or is given twice, a run lacks an arm, two runs asked their
            questions in different ways, the sources have no question in common, or one of them names other
            right answers to more than a tenth of the shared questions.
    """
    if not sources:
        raise DataError("there is nothing to compare; give runs or answers files")
    benchmark = load_questions(Path(data)) if isinstance(data, str | Path) else data
    runs = [item if isinstance(item, Run) else read_answered(item, benchmark) for item in sources]
    names = _names(runs)
    asked_here = [run for run in runs if not run.answers_file]
    for run in asked_here[1:]:
        refuse_other_settings(asked_here[0], run, _QUESTIONS_MAY_DIFFER)
    anchor = benchmark.questions if benchmark is not None else _anchor(runs)
    pairings = [_Pairing.of(run.questions, anchor) for run in runs]
    common = anchor
    if benchmark is None:
        common = tuple(item for item in anchor if all(item.id in pairing.found for pairing in pairings))
    _refuse_other_answers(names, pairings)
    if not common or not any(pairing.found for pairing in pairings):
        raise _nothing_in_common(runs, names)
    headers: list[ArmHeader] = []
    rows: list[OutcomeRow] = []
    told: list[SourceQuestions] = []
    for run, name, pairing in zip(runs, names, pairings, strict=True):
        chosen = _arms_of(run, arms)
        models = {arm.name: name if len(chosen) == 1 else f"{name}:{arm.name}" for arm in chosen}
        headers += [dataclasses.replace(arm, name=models[arm.name]) for arm in chosen]
        rows += _rows(run, models, common, pairing)
        told.append(_told(run, name, chosen[0].name, common, pairing))
    first = next((run for run in runs if run.header.data), runs[0])
    header = dataclasses.replace(first.header, arms=tuple(headers), circular=0, questions=len(common))
    if benchmark is not None:
        header = dataclasses.replace(header, data=str(benchmark.root), data_sha256=benchmark.sha256)
    alone = all(run.answers_file for run in runs)
    return SameQuestions(Run(first.folder, header, common, tuple(rows), answers_file=alone), tuple(told))


@dataclass(frozen=True, slots=True)
class _Pairing:
    """Which question of a source is which question of the others."""

    found: Mapping[str, Question]
    """Id of the common question -> the source's own."""
    another_answer: int

    @classmethod
    def of(cls, asked: Sequence[Question], anchor: Sequence[Question]) -> _Pairing:
        if asked is anchor:
            return cls({question.id: question for question in anchor}, 0)
        open_ones = by_image(anchor)
        found: dict[str, Question] = {}
        another = 0
        for question in asked:
            about = next((open_ones[p] for p in spellings(question.image_path) if p in open_ones), {})
            others = asked_among(about, question.text, question.choices)
            if not others:
                continue
            other = others.pop(0)
            if _same_answer(question, other):
                found[other.id] = question
            else:
                another += 1
        return cls(found, another)


def _same_answer(one: Question, other: Question) -> bool:
    """Whether two files name the same right answer, by its text if both have texts."""
    texts = [
        next((choice.text for choice in question.choices if choice.letter == question.answer), "")
        for question in (one, other)
    ]
    return plain(texts[0]) == plain(texts[1]) if all(texts) else one.answer == other.answer != ""


def _anchor(runs: Sequence[Run]) -> tuple[Question, ...]:
    """The questions of the source that knows most of them: a run, else a file that keeps the options."""
    order = sorted(runs, key=lambda run: (run.answers_file, not has_options(run.questions)))
    return order[0].questions


def _names(runs: Sequence[Run]) -> list[str]:
    places = [run.folder.resolve() for run in runs]
    for number, place in enumerate(places):
        if place in places[:number]:
            raise DataError(f"{runs[number].folder} is given twice; give each run or file once")
    short = [place.stem if run.answers_file else place.name for run, place in zip(runs, places, strict=True)]
    if len(set(short)) == len(short):
        return short
    return [str(run.folder) for run in runs]


def _arms_of(run: Run, wanted: Collection[str]) -> tuple[ArmHeader, ...]:
    if run.answers_file or not wanted:
        return run.header.arms
    chosen = tuple(arm for arm in run.header.arms if arm.name in wanted)
    if missing := sorted(set(wanted) - {arm.name for arm in chosen}):
        there = ", ".join(arm.name for arm in run.header.arms)
        raise DataError(f"the run {run.folder} has no arm {missing[0]!r}; it has {there}")
    return chosen


def _rows(
    run: Run, models: Mapping[str, str], common: Sequence[Question], pairing: _Pairing
) -> Iterator[OutcomeRow]:
    known = {(row.question, row.arm): row for row in run.rows}
    for question in common:
        own = pairing.found.get(question.id)
        letters = None
        if own is not None and own.choices != question.choices:
            letters = letters_among(own.choices, question.choices)
        for arm, model in models.items():
            if own is None:
                yield unanswered_row(question, model)
            elif (row := known.get((own.id, arm))) is not None:
                letter = row.letter if letters is None or row.letter is None else letters[row.letter]
                yield dataclasses.replace(row, question=question.id, arm=model, letter=letter)


def _told(run: Run, name: str, arm: str, common: Sequence[Question], pairing: _Pairing) -> SourceQuestions:
    silent = 0
    if run.answers_file:  # with data it has rows for what the file leaves out
        silent = sum(row.error is not None for row in run.rows if row.arm == arm)
    shared = sum(item.id in pairing.found for item in common)
    asked = len(run.questions) - silent
    left_out = len(run.questions) - shared
    return SourceQuestions(name, asked, left_out, pairing.another_answer, len(common) - shared + silent)


def _refuse_other_answers(names: Sequence[str], pairings: Sequence[_Pairing]) -> None:
    """Refuse a source whose right answers are so often others that leaving these out would leave a choice."""
    for name, pairing in zip(names, pairings, strict=True):
        shared = len(pairing.found) + pairing.another_answer
        if pairing.another_answer > MOST_OTHER_ANSWERS * shared:
            raise DataError(
                f"{name} names another right answer to {pairing.another_answer:,} of the {shared:,} "
                "questions that it shares with the others: a script has shuffled the options, and a file "
                "does not keep their texts, or the answers are to another version of the questions; give "
                "--data, or files with the options"
            )


def _nothing_in_common(runs: Sequence[Run], names: Sequence[str]) -> DataError:
    asked = "; ".join(
        f"{name} asks e.g. {run.questions[0].text!r} about {run.questions[0].image_path}"
        for name, run in zip(names, runs, strict=True)
    )
    return DataError(
        f"no question is in all of {', '.join(names)}: {asked}; give answers to the same questions"
    )
