"""The rules by which answers can be scored, each with its name and its module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mmad_rag.benchmark.data.columns import Columns
    from mmad_rag.benchmark.run.records import OutcomeRow
    from mmad_rag.benchmark.score.answers_file import AnswerRecord
    from mmad_rag.benchmark.score.table import ScoreTable
    from mmad_rag.records import Question


class Rule(StrEnum):
    """A way of scoring, by name."""

    FIXED = "fixed"
    """Every question counts; a reply that could not be read, or never came, is wrong."""
    STRICT_MMAD = "strict-mmad"
    """What MMAD's own script computes, including its quirk."""


RULES_SAID: Mapping[Rule, str] = MappingProxyType(
    {
        Rule.FIXED: "every question counts",
        Rule.STRICT_MMAD: "MMAD's own script, quirk included",
    }
)
"""A short description of each rule."""


class Scorer(Protocol):
    """The members that the module of a rule has."""

    NAME: str
    """The rule's name, as in `Rule`."""

    def score_records(self, records: Sequence[AnswerRecord], *, name: str) -> ScoreTable:
        """Score the records of an answers file, at least one; see `score.score_answers`."""
        ...

    def score_rows(
        self,
        questions: Sequence[Question],
        rows: Mapping[str, OutcomeRow],
        columns: Columns,
        *,
        by_product: bool,
    ) -> ScoreTable:
        """Score one arm of a run, with exactly one row per question id; see `score.score_run`."""
        ...


def scorer_of(rule: Rule) -> Scorer:
    """The module of a rule, imported on first use."""
    if rule is Rule.STRICT_MMAD:
        from mmad_rag.benchmark.score import strict_mmad

        return strict_mmad
    from mmad_rag.benchmark.score import fixed

    return fixed
