"""What was looked up for an image, as lines that an engineer can check."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mmad_rag.records import Candidate, Knowledge, Route, RouteOutcome
from mmad_rag.report.tables.numbers import fraction, likely

_SHOWN = 3


def knowledge_lines(knowledge: Knowledge) -> Iterator[str]:
    """The route with its evidence, then every passage with its number in the prompt, its id and its score."""
    yield from route_lines(knowledge.route)
    if not knowledge.hits:
        yield "knowledge: none is added to the prompt"
        return
    yield f"knowledge: {len(knowledge.hits)} passages"
    for number, hit in enumerate(knowledge.hits, start=1):
        yield f"  [{number}] {hit.passage.id} ({likely(hit.score)})"
        yield f"      {hit.passage.text}"


def route_lines(route: Route) -> Iterator[str]:
    """The outcome, what its confidence is made of, the margin to the next product, and what each rests on."""
    sure = f"confidence {likely(route.confidence)}"
    if route.outcome is RouteOutcome.UNKNOWN:
        nearest = f"; the nearest is {route.candidates[0].product}" if route.candidates else ""
        yield f"product: not in the catalogue (known with probability {likely(route.known)}{nearest})"
    elif route.outcome is RouteOutcome.NEAR_TIE:
        first, second = route.products
        yield f"product: {first} or {second}, too close to tell ({sure}, known {likely(route.known)})"
    else:
        yield f"product: {route.products[0]} ({sure}, known {likely(route.known)})"
    if len(route.candidates) > 1:
        margin = abs(route.candidates[0].score - route.candidates[1].score)
        yield f"margin to the next product: {fraction(margin)} deviations{_carried(route.candidates)}"
    look = route.second_look
    if look is not None:
        first, second = look.pair
        yield (
            f"second look at {first} and {second}: lead {fraction(look.lead_before, signed=True)} before, "
            f"{fraction(look.lead_after, signed=True)} after comparing what tells them apart"
        )
    for candidate in route.candidates[:_SHOWN]:
        yield f"  {candidate.product:<20} {fraction(candidate.score, signed=True)}  {_evidence(candidate)}"


def _carried(candidates: Sequence[Candidate]) -> str:
    """Which kind of evidence makes up more of the margin."""
    first, second = candidates[:2]
    parts = {
        "text": first.text_part - second.text_part,
        "references": first.reference_part - second.reference_part,
    }
    name, largest = max(parts.items(), key=lambda part: abs(part[1]))
    return f", carried by {name} ({fraction(largest, signed=True)})" if largest else ""


def _evidence(candidate: Candidate) -> str:
    """Which kinds of evidence there are: cosines, and what they add to the score."""
    kinds = (
        ("text", candidate.text_score, candidate.text_part),
        ("reference", candidate.reference_score, candidate.reference_part),
    )
    return ", ".join(
        f"{kind} {fraction(score)} (adds {fraction(part, signed=True)})"
        for kind, score, part in kinds
        if score is not None
    )
