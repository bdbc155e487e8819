"""Take an answers file as a run, so that whatever reads a run reads it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from mmad_rag.benchmark.data.mmad import LETTERS, MMAD_COLUMNS, Benchmark, split_path
from mmad_rag.benchmark.run import reader
from mmad_rag.benchmark.run.records import RUN_VERSION, ArmHeader, OutcomeRow, Run, RunHeader
from mmad_rag.benchmark.score.answers_file import AnswerRecord, answer_row, answers_as_rows, read_answers
from mmad_rag.benchmark.score.asked_words import asked_words, plain
from mmad_rag.errors import DataError
from mmad_rag.records import Choice, Question
from mmad_rag.version import __version__

NO_TEXTS = tuple(Choice(letter, "") for letter in LETTERS)
"""The options of a question whose file does not keep them."""


def read_answered(path: Path | str, benchmark: Benchmark | None = None) -> Run:
    """Read a run folder, or an answers file as MMAD's scripts write it, as a run.

    Args:
        path: The folder or the file.
        benchmark: The data that an answers file answers: all its questions are in the run, also those that
            the file leaves out, and they have their options. A run folder holds its questions itself.

    Raises:
        DataError: it is neither, or is damaged; or the file answers a question twice, or another question
            than the data hold.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(
            f"{path} is not a run folder and not an answers file, nothing is there; check the path"
        )
    return reader.read_run(path) if path.is_dir() else answers_run(read_answers(path), path, benchmark)


def answers_run(records: Sequence[AnswerRecord], file: Path, benchmark: Benchmark | None = None) -> Run:
    """The records of an answers file as a run with one arm, which has the name of the file.

    Without data the run has the questions that the file answers. Their options are those that the file keeps
    with them, else the letters without texts (`NO_TEXTS`).

    Args:
        records: The records in the file's order.
        file: Path of the file.
        benchmark: The data; see `read_answered`.

    Raises:
        DataError: see `read_answered`; the message names the record, counted from 0.
    """
    arm = file.stem
    rows: tuple[OutcomeRow, ...]
    if benchmark is not None:
        questions = benchmark.questions
        rows = answers_as_rows(records, questions, name=str(file), arm=arm)
    else:
        questions = tuple(_questions(records, str(file)))
        rows = tuple(
            answer_row(question, record.gpt_answer, arm, reply=record.gpt_answer)
            for question, record in zip(questions, records, strict=True)
        )
    header = RunHeader(
        version=RUN_VERSION,
        library=__version__,
        created="",
        data="" if benchmark is None else str(benchmark.root),
        data_sha256="" if benchmark is None else benchmark.sha256,
        questions=len(questions),
        questions_sha256=reader.questions_sha256(questions),
        missing_images=0,
        missing_questions=0,
        arms=(ArmHeader(arm, str(file), arm, None),),
        images=True,
        wording="",
        shots=0,
        templates="",
        parser_version=0,
    )
    return Run(file, header, questions, rows, answers_file=True)


def _questions(records: Sequence[AnswerRecord], name: str) -> Iterator[Question]:
    seen: dict[object, int] = {}
    places: dict[str, int] = defaultdict(int)
    for number, record in enumerate(records):
        where = f"{name}, record {number}"
        words = asked_words(record.question)
        texts = frozenset(plain(choice.text) for choice in words.choices)
        first = seen.setdefault((record.image, record.question_type, plain(words.text), texts), number)
        if first != number:
            raise DataError(
                f"{name}, records {first}, {number}: {record.image} has two answers to {words.text!r}; "
                "keep one"
            )
        try:
            parts = split_path(record.image)
        except DataError as error:
            raise DataError(f"{where}: {error}") from None
        choices = words.choices or NO_TEXTS
        right = record.correct_answer or ""
        yield Question(
            id=f"{record.image}#{places[record.image]}",
            image_path=record.image,
            text=words.text,
            choices=choices,
            answer=right if right in [choice.letter for choice in choices] else "",
            type=record.question_type,
            subtask=MMAD_COLUMNS.folds.get(record.question_type, record.question_type),
            dataset=parts.dataset,
            product=parts.product,
            label=parts.label,
        )
        places[record.image] += 1


def has_options(questions: Sequence[Question]) -> bool:
    """Whether the texts of every question's options are known, and which is right."""
    return all(question.answer and question.choices[0].text for question in questions)
