"""Tell a wrong set-up from a wrong question by the first answers of an endpoint."""

from __future__ import annotations

from mmad_rag.errors import ModelError, ModelSetUpError
from mmad_rag.models.openai.retry import Failure
from mmad_rag.records import Prompt

FAILURES = 8
"""Images whose questions failed in the same words, with none answered before, that stop a run."""
_SET_UP = "check key, model and options: does the model take images, and these fields?"


class FirstAnswers:
    """Watches a model's first questions.

    Some endpoints answer a wrong key, an unknown model, one without eyes, or a field they do not know with
    the status of a question that cannot be asked (400, 413, 422), or of a fault of their own (500). One such
    answer says nothing; where those about the first images are all in the same words and nothing was ever
    answered, every other question would fail alike. Questions are counted by their image, because all about
    one that is too large fail alike too.
    """

    def __init__(self) -> None:
        self._answered = False
        self._failed: set[str] = set()
        self._words = ""

    def answered(self) -> None:
        """A question was answered: failures are about their questions, or their moment, from now on."""
        self._answered = True

    def error(self, failure: Failure, prompt: Prompt, note: str = "") -> ModelError:
        """The error that a question ends with.

        Args:
            failure: Its last.
            prompt: The question.
            note: How often and how long it was asked.
        """
        told_by_endpoint = failure.refused or failure.attempts > 1
        if self._answered or failure.stops_run or not told_by_endpoint:
            return failure.error(note)
        if failure.happened != self._words:
            self._failed.clear()
        self._words = failure.happened
        self._failed.add(prompt.image.digest if prompt.image is not None else prompt.question)
        if len(self._failed) < FAILURES:
            return failure.error(note)
        advice = _SET_UP if failure.refused else f"{_SET_UP} Else {failure.advice}"
        return ModelSetUpError(
            f"the questions about the first {len(self._failed)} images all failed alike: "
            f"{failure.happened}{note}; {advice}"
        )
