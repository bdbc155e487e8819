"""Tell a wrong set-up from a wrong question by the first answers of an endpoint."""

from __future__ import annotations

from dataclasses import replace

from mmad_rag.models.retry import Failure

REFUSALS = 8
"""Questions refused in the same words, with none answered before, that stop a run."""


class FirstAnswers:
    """Watches a model's first questions.

    Some endpoints answer a wrong key, a model without eyes, or a field they do not know with the status of a
    question that cannot be asked (400, 413, 422). One such answer says nothing; where the first ones are all
    in the same words and nothing was ever answered, every other question would fail alike.
    """

    def __init__(self) -> None:
        self._answered = False
        self._refused = 0
        self._words = ""

    def answered(self) -> None:
        """A question was answered: refusals are about their questions from now on."""
        self._answered = True

    def judged(self, failure: Failure) -> Failure:
        """The failure, as one that stops the run where it is the last of too many."""
        if self._answered or not failure.refused:
            return failure
        self._refused = self._refused + 1 if failure.happened == self._words else 1
        self._words = failure.happened
        if self._refused < REFUSALS:
            return failure
        return replace(
            failure,
            happened=f"the first {self._refused} questions were all refused alike: {failure.happened}",
            advice="check key, model and options: does the model take pictures, and these fields?",
            stops_run=True,
        )
