"""Measure the second look at look-alikes: plain routing against routing with it, by text alone.

    python benchmarks/second_look.py

Images of the sample's look-alike pairs, as they are and under every change, routed among all products of
`knowledge/` with `builtin:tiny`. Once with the shipped keys, and once with keys that cannot tell the pairs
apart: both products of a pair carry the keys of both, so that only the sentences of their "tell apart" fields
are left. An error is an image that is not named as its product alone: undecided, taken for the other one, or
called unknown. Two minutes on two cores; nothing is downloaded.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

from mmad_rag.benchmark.data.mmad import load_questions
from mmad_rag.benchmark.sample import render_sample
from mmad_rag.benchmark.sample.catalogue import LOOK_ALIKES
from mmad_rag.encoders import load_encoder
from mmad_rag.images import open_image
from mmad_rag.images.perturb import CHANGES, changed
from mmad_rag.index import KnowledgeIndex
from mmad_rag.index.views import WHOLE, view_of
from mmad_rag.records import EncodedImage, FloatArray, Route, RouteOutcome
from mmad_rag.retrieve.routing.router import Router
from mmad_rag.retrieve.routing.tie_break import SecondLook

KNOWLEDGE = Path(__file__).parent.parent / "knowledge"
OTHER = {first: second for pair in LOOK_ALIKES for first, second in (pair, pair[::-1])}
KINDS = ("right", "undecided", "look-alike", "other", "unknown")


def images(folder: Path) -> list[tuple[EncodedImage, str]]:
    """The sample's query images of look-alike products, with their product."""
    render_sample(folder, products=sorted(OTHER), templates=1, unknown=1)
    paths = {question.image_path: question.product for question in load_questions(folder).questions}
    return [(open_image(folder / path), product) for path, product in paths.items()]


def with_shared_keys(index: KnowledgeIndex) -> KnowledgeIndex:
    """Both products of every pair with the keys of both."""
    rows = [(key, row) for row, key in enumerate(index.keys)]
    rows += [
        (dataclasses.replace(key, product=OTHER[key.product]), row)
        for key, row in rows
        if key.product in OTHER
    ]
    rows.sort(key=lambda item: (item[0].product, item[0].text))
    return dataclasses.replace(
        index,
        keys=tuple(key for key, _ in rows),
        key_vectors=np.ascontiguousarray(index.key_vectors[[row for _, row in rows]]),
    )


def kind_of(route: Route, product: str) -> str:
    """What became of an image."""
    if route.outcome is RouteOutcome.UNKNOWN:
        return "unknown"
    if route.outcome is RouteOutcome.NEAR_TIE:
        return "undecided"
    named = route.products[0]
    return "right" if named == product else "look-alike" if named == OTHER[product] else "other"


def main() -> None:
    """Print a table per set of keys."""
    encoder = load_encoder("builtin:tiny", batch_size=64)
    assert encoder.images is not None
    index = KnowledgeIndex.build(KNOWLEDGE, encoder, text_encoder="words")
    vectors: dict[str, FloatArray] = {}
    with tempfile.TemporaryDirectory() as scratch:
        found = images(Path(scratch) / "sample")
        for name in CHANGES:
            shown = [view_of(changed(image, name), WHOLE) for image, _ in found]
            vectors[name] = encoder.images.encode_images(shown)
    for keys, known in (("shipped keys", index), ("keys shared by look-alikes", with_shared_keys(index))):
        routers = {"plain": Router(known), "second look": Router(known, SecondLook(known, encoder))}
        print(f"\n{keys}: {len(found)} images of {len(OTHER)} products under {len(CHANGES)} change(s)\n")
        print(f"| change | routing | {' | '.join(KINDS)} | errors |\n|---|---|{'--:|' * (len(KINDS) + 1)}")
        sums = {by: Counter[str]() for by in routers}
        for name in (*CHANGES, "all"):
            for by, router in routers.items():
                counts = sums[by]
                if name != "all":
                    pairs = zip(vectors[name], found, strict=True)
                    counts = Counter(kind_of(router.route(vector), product) for vector, (_, product) in pairs)
                    sums[by] += counts
                cells = " | ".join(str(counts[kind]) for kind in KINDS)
                print(f"| {name} | {by} | {cells} | {counts.total() - counts['right']} |")


if __name__ == "__main__":
    main()
