"""Tell a wrong set-up from a wrong question by the first answers of an endpoint."""

from __future__ import annotations

from dataclasses import replace

from mmad_rag.models.retry import Failure

FAILURES = 8
"""Questions that failed in the same words, with none answered before, that stop a run."""
_SET_UP = "check key, model and options: does the model take pictures, and these fields?"


class FirstAnswers:
    """Watches a model's first questions.

    Some endpoints answer a wrong key, an unknown model, one without eyes, or a field they do not know with
    the status of a question that cannot be asked (400, 413, 422), or of a fault of their own (500). One such
    answer says nothing; where the first ones are all in the same words and nothing was ever answered, every
    other question would fail alike.
    """

    def __init__(self) -> None:
        self._answered = False
        self._failed = 0
        self._words = ""

    def answered(self) -> None:
        """A question was answered: failures are about their questions, or their moment, from now on."""
        self._answered = True

    def judged(self, failure: Failure) -> Failure:
        """What a question ends with, as a failure that stops the run where it is the last of too many."""
        told_by_endpoint = failure.refused or failure.attempts > 1
        if self._answered or failure.stops_run or not told_by_endpoint:
            return failure
        self._failed = self._failed + 1 if failure.happened == self._words else 1
        self._words = failure.happened
        if self._failed < FAILURES:
            return failure
        return replace(
            failure,
            happened=f"the first {self._failed} questions all failed alike: {failure.happened}",
            advice=_SET_UP if failure.refused else f"{_SET_UP} Else {failure.advice}",
            stops_run=True,
        )
