"""Tell a wrong set-up from a wrong question by the first answers of an endpoint."""

from __future__ import annotations

from mmad_rag.errors import ModelError, ModelSetUpError
from mmad_rag.models.openai.retry import Failure
from mmad_rag.records import Prompt

FAILURES = 8
"""Number of images whose questions all fail in the same words, with none answered, that stops a run."""
_SET_UP = "check key, model and options: does the model take images, and these fields?"


class FirstAnswers:
    """Tracks the results of a model's first questions.

    Some endpoints answer a wrong key, an unknown model, a model without vision, or an unknown field with the
    status for a bad question (400, 413, 422) or for an internal error (500). One such answer proves nothing.
    If those about the first images all have the same words and no question was ever answered, every other
    question would fail in the same way. Images are counted instead of questions, because all questions about
    an image that is too large fail in the same way too.
    """

    def __init__(self) -> None:
        self._answered = False
        self._failed: set[str] = set()
        self._words = ""

    def answered(self) -> None:
        """Record an answer: later failures concern single questions or are temporary."""
        self._answered = True

    def error(self, failure: Failure, prompt: Prompt, note: str = "") -> ModelError:
        """The error for a question that finally failed.

        Args:
            failure: The question's last failure.
            prompt: The prompt with the question.
            note: A note on how often and how long it was asked.
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
