"""Similarity of a question and a passage, by vectors or by words.

`benchmarks/selection.py` compares the two. Vectors of all-MiniLM-L6-v2 find the right passage somewhat more
often, above all for freely worded questions; words need no model and come close.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from mmad_rag.encoders.protocol import Encoder
from mmad_rag.index.build.embed import embed_texts
from mmad_rag.index.data import IndexData
from mmad_rag.records import NORMAL_ENTRY, FloatArray, Passage
from mmad_rag.retrieve.selection.select import Similarity
from mmad_rag.words import is_foreign, search_words

_QUESTIONS_KEPT = 4096


def vector_similarity(index: IndexData, encoder: Encoder) -> Similarity:
    """Cosines of the question's vector to the passages', scaled to [0, 1] over the passages compared."""
    vectors = index.passage_vectors
    if vectors is None:
        raise ValueError("the index has no passage vectors; use word_similarity")

    @lru_cache(maxsize=_QUESTIONS_KEPT)
    def embedded(question: str) -> FloatArray:
        vector: FloatArray = embed_texts([question], encoder)[0]
        return vector

    def similarity(question: str, rows: Sequence[int]) -> Sequence[float]:
        return _scaled(_rows(vectors, rows) @ embedded(question))

    return similarity


def word_similarity(index: IndexData) -> Similarity:
    """BM25 scores (Robertson and Zaragoza 2009; the bm25s library), scaled to [0, 1] over those compared.

    The words are `search_words`. Document frequencies are counted over the passages of all products.
    """
    import bm25s

    ranker = bm25s.BM25()
    texts = [list(search_words(_searched(passage))) for passage in index.passages]
    known = frozenset(word for words in texts for word in words)
    if known:
        ranker.index(texts, show_progress=False)

    @lru_cache(maxsize=_QUESTIONS_KEPT)
    def scored(question: str) -> FloatArray:
        asked = [word for word in search_words(question) if word in known]
        scores: FloatArray = np.zeros(len(index.passages), np.float32)
        if asked:
            scores = np.asarray(ranker.get_scores(asked), np.float32)
        return scores

    def similarity(question: str, rows: Sequence[int]) -> Sequence[float]:
        return _scaled(scored(question)[list(rows)])

    return similarity


def _searched(passage: Passage) -> str:
    """What a passage is found by: its text, and beyond the Latin alphabet its defect's name.

    In English the name changes less than chance would: it finds 3 more of 186 free questions at 300 tokens.
    """
    named = passage.entry != NORMAL_ENTRY and is_foreign(passage.title)
    return f"{passage.title} {passage.text}" if named else passage.text


def both_similarities(vectors: Similarity, words: Similarity) -> Similarity:
    """The similarity by vectors; beyond the Latin alphabet the words count three times as much as they.

    Most text encoders know such scripts little or not at all, and what an encoder does not know it finds by
    chance: words then still tell passages apart.
    """

    def similarity(question: str, rows: Sequence[int]) -> Sequence[float]:
        first = vectors(question, rows)
        if not is_foreign(question):
            return first
        second = words(question, rows)
        return [(one + 3 * other) / 4 for one, other in zip(first, second, strict=True)]

    return similarity


def _rows(vectors: FloatArray, rows: Sequence[int]) -> FloatArray:
    """The given rows, without a copy if they are consecutive, as those of one product are."""
    first = rows[0] if rows else 0
    if list(rows) == list(range(first, first + len(rows))):
        return vectors[first : first + len(rows)]
    return vectors[list(rows)]


def _scaled(scores: FloatArray) -> list[float]:
    """The scores scaled linearly to [0, 1]; all zero when they do not differ."""
    low, high = float(scores.min(initial=np.inf)), float(scores.max(initial=-np.inf))
    if not high - low > 1e-9:
        return [0.0] * len(scores)
    scaled: list[float] = np.round((scores.astype(np.float64) - low) / (high - low), 6).tolist()
    return scaled
