"""The answer to a question: a reply with what was read from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmad_rag.models.finish_reason import was_cut
from mmad_rag.reading import read_choice
from mmad_rag.reading.citations import cited_passages
from mmad_rag.records import Choice, Passage, Reply


@dataclass(frozen=True, slots=True)
class Timings:
    """The time that each step took, in seconds."""

    open_s: float
    """Time for opening and checking the images."""
    look_up_s: float
    """Time for embedding the image, routing it and selecting passages."""
    model_s: float
    """Time from the request to the model's reply, retries included."""

    @property
    def total_s(self) -> float:
        """Sum of the three times."""
        return self.open_s + self.look_up_s + self.model_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Reply):
    """A reply with the choice and citations read from it, the product found and the times."""

    choice: str | None
    """The letter that the reply claims; None if no choices were given, or none could be read."""
    product: str | None
    """The likeliest product in the image; None if it is not in the catalogue."""
    confidence: float
    """Probability that `product` is right, in [0, 1]; 0 if there is none."""
    cited: tuple[Passage, ...]
    """The passages that the reply cites by number, each once, in the order of their first citation."""
    timings: Timings
    """The time that each step took."""


def answer_from(reply: Reply, choices: Sequence[Choice], timings: Timings) -> Answer:
    """Make an answer from a reply.

    Args:
        reply: The reply, with the knowledge that its model was shown.
        choices: The options that were offered.
        timings: The time that each step took.
    """
    route = reply.knowledge.route if reply.knowledge is not None else None
    product = route.products[0] if route is not None and route.products else None
    return Answer(
        text=reply.text,
        model=reply.model,
        usage=reply.usage,
        latency_s=reply.latency_s,
        knowledge=reply.knowledge,
        first_token=reply.first_token,
        finish=reply.finish,
        choice=read_choice(reply.text, choices, cut=was_cut(reply.finish)) if choices else None,
        product=product,
        confidence=route.confidence if route is not None and product is not None else 0.0,
        cited=cited_passages(reply.text, reply.knowledge),
        timings=timings,
    )
