"""Score answers and runs by a named rule."""

from __future__ import annotations

from collections.abc import Sequence

from mmad_rag.benchmark.data.columns import Columns
from mmad_rag.benchmark.data.question_sets import columns_of
from mmad_rag.benchmark.run.records import OutcomeRow
from mmad_rag.benchmark.score.answers_file import AnswerRecord
from mmad_rag.benchmark.score.rules import Rule, scorer_of
from mmad_rag.benchmark.score.table import ScoreTable
from mmad_rag.errors import DataError
from mmad_rag.records import Question


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
    return scorer_of(rule).score_records(records, name=name)


def score_run(
    rows: Sequence[OutcomeRow],
    questions: Sequence[Question],
    rule: Rule,
    arm: str,
    *,
    by_product: bool = False,
    columns: Columns | None = None,
) -> ScoreTable:
    """Score one arm of a run.

    By `strict-mmad` the questions are taken in their order, those without a readable reply as unreadable.

    Args:
        rows: Outcomes, of any arms.
        questions: What was asked.
        rule: How to score.
        arm: Which arm.
        by_product: One row per product, `dataset/product`, in place of one per dataset; by `fixed` only.
        columns: The columns of the question set that the questions are a part of; None takes those that the
            questions themselves are reported in.

    Raises:
        DataError: a question has no outcome in this arm, or two; or products are asked for by `strict-mmad`.
    """
    by_question = rows_of_arm(rows, questions, arm)
    wanted = columns_of(questions) if columns is None else columns
    return scorer_of(rule).score_rows(questions, by_question, wanted, by_product=by_product)


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
