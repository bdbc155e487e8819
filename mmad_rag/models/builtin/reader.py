"""A text-only control that answers from the knowledge in the prompt."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from mmad_rag.models.builtin.ties import best_choices, even_odds
from mmad_rag.records import Choice, Hit, Knowledge, Prompt, Reply
from mmad_rag.words import content_words

READER_IDENTITY = "builtin:reader/2"
"""Identity with the version of the rules, which rises when the same prompt may get another reply."""

_DIGITS = 9


class ReaderModel:
    """A lexical reader. It is not an MLLM: it never uses an image, and it has no knowledge of its own.

    It is a control that shows how much of a gain the words of the knowledge alone explain, and it stands in
    for a model in demos. With choices it replies with a letter:

    1. *Pieces* are the passages of `prompt.knowledge`, the title of each entry, and each product's name.
    2. `n(w)` is the number of pieces that hold the word `w` (see `mmad_rag.words`).
    3. A choice of the words C scores `sum(log(1 + n(w)) for w in C) / sqrt(len(C))`: up to a factor that
       all choices share, the cosine between the choice and the knowledge with logarithmic term weights
       (Salton and Buckley, Term-weighting approaches in automatic text retrieval, 1988). There is no inverse
       document frequency: inside one product's knowledge, a word of many passages is typical, not trivial.
    4. The best score wins. Ties are broken by a hash of question, image and choice: a fixed but arbitrary
       pick that depends on neither position, letter nor length. `Reply.odds` tells that each of k tied
       choices is as likely, so that a run scores a tie as 1/k if the right choice is among them. All choices
       of a prompt without knowledge tie, and so do "Yes." and "No.", which hold no content words.

    Without choices it replies with the passage that shares most words with the question, or with an empty
    text.
    """

    @property
    def identity(self) -> str:
        """`builtin:reader/` with the version of its rules."""
        return READER_IDENTITY

    async def answer(self, prompt: Prompt) -> Reply:
        """Reply with a letter, or with a passage if the prompt has no choices; raises nothing."""
        if not prompt.choices:
            return Reply(text=_best_passage(prompt), model=READER_IDENTITY)
        tied = best_choices(prompt.choices, choice_scores(prompt.choices, prompt.knowledge))
        drawn = min(tied, key=lambda choice: _lot(prompt, choice))
        return Reply(text=drawn.letter, model=READER_IDENTITY, odds=even_odds(tied))


def choice_scores(choices: Sequence[Choice], knowledge: Knowledge | None) -> tuple[float, ...]:
    """One score per choice, in order, at least 0; all 0 without common words. Formula: see `ReaderModel`."""
    counts = _piece_counts(knowledge)
    return tuple(_overlap(content_words(choice.text), counts) for choice in choices)


def _best_passage(prompt: Prompt) -> str:
    """The first of the passages that share most words with the question; empty if none shares a word."""
    hits = prompt.knowledge.hits if prompt.knowledge is not None else ()
    question = content_words(prompt.question)
    scored = [(_overlap(question, Counter(_words_of(hit))), hit.passage.text) for hit in hits]
    score, text = max(scored, key=lambda pair: pair[0], default=(0.0, ""))
    return text if score > 0 else ""


def _words_of(hit: Hit) -> frozenset[str]:
    return frozenset(content_words(f"{hit.passage.title} {hit.passage.text}"))


def _piece_counts(knowledge: Knowledge | None) -> Mapping[str, int]:
    """Word -> number of pieces in which it occurs."""
    if knowledge is None or not knowledge.hits:
        return {}
    return Counter(word for piece in _pieces(knowledge) for word in frozenset(content_words(piece)))


def _pieces(knowledge: Knowledge) -> Iterator[str]:
    """All texts of this knowledge that a model would be shown, each title and name once."""
    for product in knowledge.route.products:
        yield product.replace("_", " ")
    entries = {(hit.passage.product, hit.passage.entry): hit.passage.title for hit in knowledge.hits}
    yield from entries.values()
    for hit in knowledge.hits:
        yield hit.passage.text


def _overlap(words: Iterable[str], counts: Mapping[str, int]) -> float:
    """The overlap score of the words, rounded so that mathematically equal scores are equal."""
    distinct = tuple(dict.fromkeys(words))
    if not distinct:
        return 0.0
    total = math.fsum(math.log1p(counts.get(word, 0)) for word in distinct)
    return round(total / math.sqrt(len(distinct)), _DIGITS)


def _lot(prompt: Prompt, choice: Choice) -> str:
    """A hash that breaks ties; it is equal in every arm, because it does not include the knowledge."""
    image = prompt.image.digest if prompt.image is not None else ""
    drawn_from = json.dumps([prompt.question, image, choice.text])
    return hashlib.sha256(drawn_from.encode()).hexdigest()
