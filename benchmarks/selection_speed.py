"""Time search and selection at 5,000 passages, beside the same search in plain numpy.

    python benchmarks/selection_speed.py

Vectors are invented (seeded), of 384 dimensions as all-MiniLM-L6-v2 gives them; the passages are shipped
lines, dealt out anew. Every question is new, so that no cache of questions helps; every product was asked
about once before, as its lines are counted then. The encoder's own time is not a part of it. Search is the
similarity of a question to its product's passages, selection all the rest. Two catalogues: 5,000 passages of
50 products, and 5,000 of one.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Sequence

import numpy as np

from mmad_rag.encoders.protocol import Encoder
from mmad_rag.fields import Field
from mmad_rag.index import KnowledgeIndex
from mmad_rag.index.manifest import EncoderStamp
from mmad_rag.knowledge import load_knowledge
from mmad_rag.knowledge.shipped import shipped_knowledge
from mmad_rag.records import NORMAL_ENTRY, FloatArray, Passage
from mmad_rag.retrieve.selection.select import DEFAULT_BUDGET, Similarity, select
from mmad_rag.retrieve.selection.similarity import vector_similarity, word_similarity

PASSAGES = 5_000
DIMENSIONS = 384
QUESTIONS = 400
WARM = 50
NORMAL_FIELDS = (Field.IDENTITY, Field.APPEARANCE, Field.STRUCTURE, Field.FUNCTION, Field.VARIATION)
DEFECT_FIELDS = (Field.APPEARANCE, Field.LOCATION, Field.CAUSE, Field.EFFECT, Field.LOOK_ALIKE)


class InventedTower:
    """A text tower that costs next to nothing: a vector drawn by the text's length."""

    def encode_texts(self, texts: Sequence[str]) -> FloatArray:
        return unit(np.random.default_rng(len(texts[0])), len(texts))

    def count_tokens(self, text: str) -> int:
        return len(text.split())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.parse_args()
    rng = random.Random(0)  # noqa: S311 - a seeded draw, no secret
    columns = ("search p50", "p95", "select p50", "p95", "together p95", "numpy p50", "search / numpy")
    print(f"| {PASSAGES:,} passages of | by | {' | '.join(columns)} |")
    print("|---|---|" + "--:|" * len(columns))
    for products in (50, 1):
        index = invented_index(products, rng)
        fingerprint = index.manifest.text_encoder.fingerprint if index.manifest.text_encoder else ""
        encoder = Encoder("invented", fingerprint, DIMENSIONS, None, InventedTower(), None)
        for name, similarity in (
            ("vectors", vector_similarity(index, encoder)),
            ("words", word_similarity(index)),
        ):
            search, chosen = timed(index, similarity, rng)
            plain = numpy_times(index)
            both = [first + second for first, second in zip(search, chosen, strict=True)]
            print(
                f"| {products} products | {name} | {milliseconds(search, 50)} | {milliseconds(search, 95)} "
                f"| {milliseconds(chosen, 50)} | {milliseconds(chosen, 95)} | {milliseconds(both, 95)} "
                f"| {milliseconds(plain, 50)} | {np.median(search) / np.median(plain):.1f} |"
            )


def invented_index(products: int, rng: random.Random) -> KnowledgeIndex:
    """An index with invented passages and vectors, shaped as a built one."""
    base = load_knowledge(shipped_knowledge())
    built = KnowledgeIndex.build(base, "builtin:tiny", text_encoder="words")
    lines = [passage.text for passage in built.passages]
    passages = tuple(
        passage
        for number in range(products)
        for passage in invented_product(f"p{number:02d}", PASSAGES // products, lines, rng)
    )
    stamp = EncoderStamp(spec="invented", fingerprint="0" * 64, dim=DIMENSIONS)
    names = {passage.product: "0" * 64 for passage in passages}
    manifest = built.manifest.model_copy(update={"text_encoder": stamp, "knowledge": names})
    vectors = unit(np.random.default_rng(1), len(passages))
    return KnowledgeIndex(
        manifest, passages, (), (), vectors, built.key_vectors[:0], built.reference_vectors[:0]
    )


def invented_product(product: str, size: int, lines: Sequence[str], rng: random.Random) -> list[Passage]:
    """One quarter normal state, the rest defects of ten passages each."""
    found = []
    for number in range(size):
        normal = number < size // 4
        entry = NORMAL_ENTRY if normal else f"defect_{(number - size // 4) // 10}"
        field = rng.choice(NORMAL_FIELDS if normal else DEFECT_FIELDS)
        found.append(Passage(f"{product}/{number}", product, entry, field, entry, rng.choice(lines)))
    return found


def timed(
    index: KnowledgeIndex, similarity: Similarity, rng: random.Random
) -> tuple[list[float], list[float]]:
    """Seconds of search and of the rest, per question."""
    for product in index.products:
        select(index, (product,), "What is this?", similarity, budget=DEFAULT_BUDGET)
    spent: list[float] = []

    def watched(question: str, rows: Sequence[int]) -> Sequence[float]:
        found, seconds = clock(lambda: similarity(question, rows))
        spent.append(seconds)
        return found

    whole = []
    for number in range(QUESTIONS + WARM):
        words = " ".join(rng.sample(rng.choice(index.passages).text.split(), 3))
        question = f"There is a defect in the object: {words} ({number}). What is its effect?"
        product = (rng.choice(index.products),)
        _, seconds = clock(
            lambda product=product, question=question: select(
                index, product, question, watched, budget=DEFAULT_BUDGET
            )
        )
        whole.append(seconds)
    rest = [both - search for both, search in zip(whole, spent, strict=True)]
    return spent[WARM:], rest[WARM:]


def numpy_times(index: KnowledgeIndex) -> list[float]:
    """Seconds of one product's cosines and their order, with nothing around them."""
    vectors = index.passage_vectors
    assert vectors is not None
    rows = np.array(index.rows_of_product[index.products[0]])
    queries = unit(np.random.default_rng(2), QUESTIONS)
    return [clock(lambda query=query: np.argsort(-(vectors[rows] @ query)))[1] for query in queries]


def clock(work: Callable[[], object]) -> tuple[object, float]:
    """A result, and the seconds it took."""
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def unit(rng: np.random.Generator, rows: int) -> FloatArray:
    vectors = rng.standard_normal((rows, DIMENSIONS)).astype(np.float32)
    scaled: FloatArray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return scaled


def milliseconds(seconds: Sequence[float], percent: float) -> str:
    return f"{1000 * float(np.percentile(seconds, percent)):.2f} ms"


if __name__ == "__main__":
    main()
