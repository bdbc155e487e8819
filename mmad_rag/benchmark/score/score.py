"""Score answers and runs by a named rule."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from mmad_rag.benchmark.data.mmad import LETTERS, SUBTASK_OF_TYPE, split_path
from mmad_rag.benchmark.run.records import OutcomeRow
from mmad_rag.benchmark.score.answers_file import AnswerRecord
from mmad_rag.benchmark.score.detection import DetectionAnswer, detection_rates, says_the_opposite
from mmad_rag.benchmark.score.macro_average import COLUMNS, NORMAL, SUBTASKS, nested_macro, side_of
from mmad_rag.benchmark.score.strict_mmad import score_strict_mmad
from mmad_rag.benchmark.score.table import AVERAGE, Cell, Rule, ScoreRow, ScoreTable
from mmad_rag.errors import DataError
from mmad_rag.records import Outcome, Question, Subtask

_OUTCOMES = tuple(Outcome)
_CORRECT = _OUTCOMES.index(Outcome.CORRECT)


def score_answers(records: Sequence[AnswerRecord], rule: Rule, *, name: str = "the answers") -> ScoreTable:
    """Score an answers file.

    `fixed`: every question counts, an answer that is not a letter is wrong, normal and abnormal are told apart
    by the label component of the path, a question that stands there twice is refused. `strict-mmad`: see
    the module `strict_mmad`.

    Args:
        records: In the file's order.
        rule: How to score.
        name: Of the file, for messages.

    Raises:
        DataError: there are no records; by `fixed` also a duplicate, or an image path of another form. The
            message names the records, counted from 0.
    """
    if not records:
        raise DataError("there are no answers to score")
    if rule is Rule.STRICT_MMAD:
        return score_strict_mmad(records)
    questions = defaultdict(list)
    for number, record in enumerate(records):
        questions[record.image, record.question_type, record.question].append(number)
    (image, _, question), numbers = max(questions.items(), key=lambda item: len(item[1]))
    if len(numbers) > 1:
        places = ", ".join(map(str, numbers))
        raise DataError(
            f"{name}, records {places}: {image} has {len(numbers)} answers to {question!r}; keep one, "
            "or score by strict-mmad"
        )
    return _fixed([_marked(record, f"{name}, record {number}") for number, record in enumerate(records)])


def score_run(
    rows: Sequence[OutcomeRow],
    questions: Sequence[Question],
    rule: Rule,
    arm: str,
    *,
    by_product: bool = False,
) -> ScoreTable:
    """Score one arm of a run.

    By `strict-mmad` the questions are taken in their order, those without a readable reply as unreadable.

    Args:
        rows: Outcomes, of any arms.
        questions: What was asked.
        rule: How to score.
        arm: Which arm.
        by_product: One row per product, `dataset/product`, in place of one per dataset; by `fixed` only.

    Raises:
        DataError: a question has no outcome in this arm, or two; or products are asked for by `strict-mmad`.
    """
    by_question = rows_of_arm(rows, questions, arm)
    if rule is Rule.STRICT_MMAD and by_product:
        raise DataError("MMAD's script knows no products; leave --by product out, or score by --rule fixed")
    if rule is Rule.STRICT_MMAD:
        answers = [_answer(question, by_question[question.id]) for question in questions]
        return score_answers(answers, rule)
    marks = [_judged(question, by_question[question.id]) for question in questions]
    if by_product:
        names = [f"{question.dataset}/{question.product}" for question in questions]
        marks = [replace(mark, group=name) for mark, name in zip(marks, names, strict=True)]
    return _fixed(marks)


def rows_of_arm(rows: Sequence[OutcomeRow], questions: Sequence[Question], arm: str) -> dict[str, OutcomeRow]:
    """Question id -> its row in one arm, for exactly the questions that were asked.

    Raises:
        DataError: a question has no outcome in this arm, or two, or an outcome belongs to no question.
    """
    mine = [row for row in rows if row.arm == arm]
    found = {row.question: row for row in mine}
    wanted = {question.id for question in questions}
    if not wanted:
        raise DataError("there are no questions to score")
    if not mine:
        arms = ", ".join(dict.fromkeys(row.arm for row in rows)) or "none"
        raise DataError(f"there are no outcomes of the arm {arm!r}; there are outcomes of: {arms}")
    if len(found) < len(mine):
        raise DataError(f"the arm {arm} has two outcomes for the same question; read the run with read_run")
    if unasked := found.keys() - wanted:
        raise DataError(f"the arm {arm} has an outcome for {min(unasked)}, which is not among the questions")
    if missing := len(wanted) - len(found):
        raise DataError(
            f"{missing} of {len(wanted)} questions have no outcome in the arm {arm}; "
            "give the `mmad-rag eval` command again to finish the run"
        )
    return found


@dataclass(frozen=True, slots=True)
class _Mark:
    """What the fixed rule needs to know of a question."""

    group: str
    """The row of the table: the dataset, or the product."""
    subtask: Subtask
    side: int
    outcome: Outcome
    miscalled: bool
    """See `DetectionAnswer`; of no meaning outside Anomaly Detection."""


def _judged(question: Question, row: OutcomeRow) -> _Mark:
    opposite = says_the_opposite(question, row.letter, row.outcome)
    return _Mark(question.dataset, question.subtask, side_of(question.label), row.outcome, opposite)


def _marked(record: AnswerRecord, where: str) -> _Mark:
    try:
        parts = split_path(record.image)
    except DataError as error:
        raise DataError(f"{where}: {error}, or score by strict-mmad") from None
    if record.correct_answer not in LETTERS or record.gpt_answer not in LETTERS:
        outcome = Outcome.INVALID
    else:
        outcome = Outcome.CORRECT if record.correct_answer == record.gpt_answer else Outcome.WRONG
    subtask = SUBTASK_OF_TYPE[record.question_type]
    return _Mark(parts.dataset, subtask, side_of(parts.label), outcome, outcome is Outcome.WRONG)


def _answer(question: Question, row: OutcomeRow) -> AnswerRecord:
    return AnswerRecord(question.image_path, question.id, question.type, question.answer, row.letter)


def _fixed(marks: Sequence[_Mark]) -> ScoreTable:
    datasets = tuple(dict.fromkeys(mark.group for mark in marks))
    rows_of = {name: row for row, name in enumerate(datasets)}
    counts = np.zeros((len(datasets), len(SUBTASKS), 2, len(_OUTCOMES)))
    for mark in marks:
        place = (rows_of[mark.group], SUBTASKS.index(mark.subtask))
        counts[(*place, mark.side, _OUTCOMES.index(mark.outcome))] += 1
    table = nested_macro(counts[..., _CORRECT], counts.sum(axis=-1))
    by_cell = _with_sums(counts.sum(axis=2))
    rows = [
        ScoreRow(name, tuple(_cell(*both) for both in zip(percents, outcomes, strict=True)))
        for name, percents, outcomes in zip((*datasets, AVERAGE), table, by_cell, strict=True)
    ]
    detection = detection_rates(
        [
            DetectionAnswer(mark.group, mark.side == NORMAL, mark.miscalled)
            for mark in marks
            if mark.subtask is Subtask.ANOMALY_DETECTION
        ],
        datasets,
    )
    return ScoreTable(Rule.FIXED, COLUMNS, tuple(rows), detection, len(marks), len(marks))


def _with_sums(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Counts by (dataset, subtask, outcome), with a column and a row of sums."""
    wide = np.concatenate([counts, counts.sum(axis=1, keepdims=True)], axis=1)
    return np.concatenate([wide, wide.sum(axis=0, keepdims=True)], axis=0)


def _cell(percent: float, outcomes: npt.NDArray[np.float64]) -> Cell:
    correct, wrong, invalid, failed = (int(count) for count in outcomes)
    n = correct + wrong + invalid + failed
    return Cell(None if np.isnan(percent) else float(percent), n, correct, wrong, invalid, failed)
