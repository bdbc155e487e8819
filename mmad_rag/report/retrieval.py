"""What was looked up for a picture, as lines that an engineer can check."""

from __future__ import annotations

from collections.abc import Iterator

from mmad_rag.records import Candidate, Knowledge, Route, RouteOutcome

_SHOWN = 3


def knowledge_lines(knowledge: Knowledge) -> Iterator[str]:
    """The route with its evidence, then every passage with its number in the prompt, its id and its score."""
    yield from route_lines(knowledge.route)
    if not knowledge.hits:
        yield "knowledge: none is added to the prompt"
        return
    yield f"knowledge: {len(knowledge.hits)} passages"
    for number, hit in enumerate(knowledge.hits, start=1):
        yield f"  [{number}] {hit.passage.id} ({hit.score:.2f})"
        yield f"      {hit.passage.text}"


def route_lines(route: Route) -> Iterator[str]:
    """The outcome, the confidence, the margin to the next product, and what each rests on."""
    if route.outcome is RouteOutcome.UNKNOWN:
        nearest = f"; the nearest is {route.candidates[0].product}" if route.candidates else ""
        yield f"product: not in the catalogue (confidence {route.confidence:.2f}{nearest})"
    elif route.outcome is RouteOutcome.NEAR_TIE:
        first, second = route.products
        yield f"product: {first} or {second}, too close to tell (confidence {route.confidence:.2f})"
    else:
        yield f"product: {route.products[0]} (confidence {route.confidence:.2f})"
    if len(route.candidates) > 1:
        margin = route.candidates[0].score - route.candidates[1].score
        yield f"margin to the next product: {margin:.3f}"
    for candidate in route.candidates[:_SHOWN]:
        yield f"  {candidate.product:<20} {candidate.score:+.3f}  {_evidence(candidate)}"


def _evidence(candidate: Candidate) -> str:
    """Which kinds of evidence there are: cosines to text keys and to the nearest reference picture."""
    kinds = (("text", candidate.text_score), ("reference", candidate.reference_score))
    return ", ".join(f"{kind} {score:.3f}" for kind, score in kinds if score is not None)
