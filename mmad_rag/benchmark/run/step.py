"""Ask one prepared question and grade its reply.

The function shares no state, so that its caller decides where it runs. The caller opens images beforehand,
keeps the row, and tracks the budget and the order of the questions.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from mmad_rag.benchmark.run.grade import graded, writable
from mmad_rag.benchmark.run.records import OutcomeRow
from mmad_rag.errors import ImageError, MmadRagError, ModelRetryError
from mmad_rag.models import Model
from mmad_rag.records import Passage, Prompt, Question


@dataclass(frozen=True, slots=True)
class PreparedTask:
    """One request of a run with everything that determines its outcome."""

    row: OutcomeRow
    """The row to fill: key, question, arm, rotation and prompt are set, and the outcome is still `failed`."""
    question: Question
    """The question; its answer grades the reply."""
    model: Model
    """The arm's model for this question."""
    prompt: Prompt
    """The prompt before retrieval; its images are opened."""
    shuffle_options: int | None = None
    """Seed for the order in which the prompt shows the options; None for the file's order."""
    keeps_passages: bool = True
    """Whether the arm keeps its passages, see `Arm.keeps_passages`."""


@dataclass(frozen=True, slots=True)
class TaskResult:
    """The result of a task."""

    row: OutcomeRow
    """The row to keep."""
    passages: tuple[Passage, ...] = ()
    """The passages that the model was shown and whose text is to be kept with the row."""


async def run_task(task: PreparedTask) -> TaskResult:
    """Ask the model and grade its reply; a request that gets no reply this time becomes a failed row.

    Raises:
        ModelActionError: the model cannot reply until the user acts; ModelSetUpError if that is only likely.
    """
    try:
        reply = await task.model.answer(task.prompt)
    except (ImageError, ModelRetryError) as error:
        return failed_result(task.row, error)
    shown = reply.knowledge.hits if reply.knowledge is not None and task.keeps_passages else ()
    row = graded(task.row, task.question, reply, task.shuffle_options)
    return TaskResult(row, tuple(hit.passage for hit in shown))


def failed_result(row: OutcomeRow, error: MmadRagError) -> TaskResult:
    """The row of a question that got no reply, with the reason."""
    return TaskResult(dataclasses.replace(row, error=writable(str(error))))
