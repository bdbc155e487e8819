"""Score models where a shortcut picks the right option, and where it does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mmad_rag.benchmark.analysis.arm_scores import ArmScore, arm_scores
from mmad_rag.benchmark.audit.audit import Audit
from mmad_rag.benchmark.many.same_questions import SameQuestions
from mmad_rag.benchmark.stats.resample import REPLICATES, join_arms


@dataclass(frozen=True, slots=True)
class AuditPart:
    """The scores of all models on a part of the questions."""

    name: str
    """What the questions have in common, e.g. `longest misses`."""
    questions: int
    """Number of questions in the part."""
    scores: tuple[ArmScore, ...]
    """The models' scores, in the order of the models."""


def audit_models(
    audit: Audit, same: SameQuestions, *, replicates: int = REPLICATES, seed: int = 0
) -> tuple[AuditPart, ...]:
    """Score models on all questions, on the hard subset, and where each shortcut misses the right option.

    A model that is good because it takes shortcuts loses most where they miss. Parts without a question are
    left out.

    Args:
        audit: The audit of the questions.
        same: The models; their questions are those of the audit, or some of them.
        replicates: Number of bootstrap draws, at least 1.
        seed: Seed for the bootstrap draws.

    Raises:
        DataError: a run is not finished, or a number is out of range.
    """
    return tuple(_parts(audit, same, replicates=replicates, seed=seed))


def _parts(audit: Audit, same: SameQuestions, *, replicates: int, seed: int) -> Iterator[AuditPart]:
    shortcuts = [score.shortcut for score in audit.all_questions[1:]]
    wanted = {
        "all": {flags.question for flags in audit.questions},
        "hard subset": set(audit.hard),
        **{
            f"{name} misses": {flags.question for flags in audit.questions if name not in flags.hit_by}
            for name in shortcuts
        },
    }
    for name, ids in wanted.items():
        part = same.run.only(ids)
        if part.questions:
            joint = join_arms(
                part.rows, part.questions, same.models, columns=part.columns, replicates=replicates, seed=seed
            )
            yield AuditPart(name, len(part.questions), arm_scores(joint))
