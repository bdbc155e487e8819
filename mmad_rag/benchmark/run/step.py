"""Ask one prepared question and grade its reply.

The function shares no state with anything, so that whoever drives a run may call it anywhere: images were
opened before, and keeping the row, the money and the order of the questions is the driver's business.
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
    """One request of a run with everything that its outcome depends on."""

    row: OutcomeRow
    """The row to fill: key, question, arm, rotation and prompt are in it, its outcome is `failed` so far."""
    question: Question
    """What is asked; the reply is graded by its answer."""
    model: Model
    """The arm's model for this question."""
    prompt: Prompt
    """What the model is asked, before retrieval; images are opened."""
    shuffle_options: int | None = None
    """Seed for the order in which the prompt shows the options; None for the file's order."""
    keeps_passages: bool = True
    """As the arm has it, see `Arm.keeps_passages`."""


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What came of a task."""

    row: OutcomeRow
    """The row to keep."""
    passages: tuple[Passage, ...] = ()
    """The passages that the model was shown and whose text is to be kept with the row."""


async def run_task(task: PreparedTask) -> TaskResult:
    """Ask the model, and grade what it replies; a reply that does not come this time is a failed row.

    Raises:
        ModelActionError: the model can give no reply until the user acts, or probably so (ModelSetUpError).
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
