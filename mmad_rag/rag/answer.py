"""What somebody who asks gets back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmad_rag.reading import read_choice
from mmad_rag.reading.citations import cited_passages
from mmad_rag.records import Choice, Passage, Reply


@dataclass(frozen=True, slots=True)
class Timings:
    """Where the time went, in seconds."""

    open_s: float
    """For opening and checking the images."""
    look_up_s: float
    """For embedding the image, routing it and selecting passages."""
    model_s: float
    """From the request to the model's reply, retries included."""

    @property
    def total_s(self) -> float:
        """All three together."""
        return self.open_s + self.look_up_s + self.model_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Reply):
    """A reply, and what can be read from it and from what was looked up for it."""

    choice: str | None
    """The letter that the reply claims; None where no choices were given, or none could be read."""
    product: str | None
    """The likeliest product in the image; None where it is not in the catalogue."""
    confidence: float
    """In [0, 1]: how likely `product` is right; 0 where there is none."""
    cited: tuple[Passage, ...]
    """The passages that the reply cites by number, each once, in the order of their first citation."""
    timings: Timings
    """Where the time went."""


def answer_from(reply: Reply, choices: Sequence[Choice], timings: Timings) -> Answer:
    """Read a reply.

    Args:
        reply: With the knowledge that its model was shown.
        choices: What was offered.
        timings: Where the time went.
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
        choice=read_choice(reply.text, choices) if choices else None,
        product=product,
        confidence=route.confidence if route is not None and product is not None else 0.0,
        cited=cited_passages(reply.text, reply.knowledge),
        timings=timings,
    )
