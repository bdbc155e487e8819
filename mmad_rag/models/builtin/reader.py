"""A text-only control that answers from the knowledge in the prompt."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from mmad_rag.records import Choice, Hit, Knowledge, Prompt, Reply
from mmad_rag.words import content_words

READER_IDENTITY = "builtin:reader/1"
"""The number rises when the same prompt may get another reply."""

_DIGITS = 9


class ReaderModel:
    """A lexical reader. It is not an MLLM: it never looks at an image, and it knows nothing of its own.

    It is a control, showing how much of a gain the words of the knowledge alone give away, and a stand-in
    for a model in demos. With choices it replies with a letter:

    1. *Pieces* are the passages of `prompt.knowledge`, the title of each entry, and each product's name.
    2. `n(w)` is the number of pieces that hold the word `w` (see `mmad_rag.words`).
    3. A choice of the words C scores `sum(log(1 + n(w)) for w in C) / sqrt(len(C))`: up to a factor that
       all choices share, the cosine between the choice and the knowledge with logarithmic term weights
       (Salton and Buckley, Term-weighting approaches in automatic text retrieval, 1988). There is no inverse
       document frequency: inside one product's knowledge, a word of many passages is typical, not trivial.
    4. The best score wins. Choices with equal scores, among them all choices of a prompt without knowledge
       and "Yes." and "No.", which hold no content words, are told apart by a hash of question, image and
       choice: a fixed but arbitrary pick that depends on neither position, letter nor length.

    Without choices it replies with the passage whose words fit the question best, or with nothing.
    """

    @property
    def identity(self) -> str:
        """`builtin:reader/` with the version of its rules."""
        return READER_IDENTITY

    async def answer(self, prompt: Prompt) -> Reply:
        """Reply with a letter, or with a passage where the prompt has no choices; raises nothing."""
        text = _letter(prompt) if prompt.choices else _best_passage(prompt)
        return Reply(text=text, model=READER_IDENTITY)


def choice_scores(choices: Sequence[Choice], knowledge: Knowledge | None) -> tuple[float, ...]:
    """One score per choice, in order; at least 0, all 0 where nothing overlaps (formula: `ReaderModel`)."""
    counts = _piece_counts(knowledge)
    return tuple(_overlap(content_words(choice.text), counts) for choice in choices)


def _letter(prompt: Prompt) -> str:
    scores = choice_scores(prompt.choices, prompt.knowledge)
    best = max(scores)
    tied = [choice for choice, score in zip(prompt.choices, scores, strict=True) if score == best]
    return min(tied, key=lambda choice: _lot(prompt, choice)).letter


def _best_passage(prompt: Prompt) -> str:
    """The first of the passages that share most with the question; empty where none shares a word."""
    hits = prompt.knowledge.hits if prompt.knowledge is not None else ()
    question = content_words(prompt.question)
    scored = [(_overlap(question, Counter(_words_of(hit))), hit.passage.text) for hit in hits]
    score, text = max(scored, key=lambda pair: pair[0], default=(0.0, ""))
    return text if score > 0 else ""


def _words_of(hit: Hit) -> frozenset[str]:
    return frozenset(content_words(f"{hit.passage.title} {hit.passage.text}"))


def _piece_counts(knowledge: Knowledge | None) -> Mapping[str, int]:
    """In how many pieces each word occurs."""
    if knowledge is None or not knowledge.hits:
        return {}
    return Counter(word for piece in _pieces(knowledge) for word in frozenset(content_words(piece)))


def _pieces(knowledge: Knowledge) -> Iterator[str]:
    """All the texts that a model would be shown of this knowledge, each title and name once."""
    for product in knowledge.route.products:
        yield product.replace("_", " ")
    entries = {(hit.passage.product, hit.passage.entry): hit.passage.title for hit in knowledge.hits}
    yield from entries.values()
    for hit in knowledge.hits:
        yield hit.passage.text


def _overlap(words: Iterable[str], counts: Mapping[str, int]) -> float:
    """Rounded, so that scores that are equal on paper are equal."""
    distinct = tuple(dict.fromkeys(words))
    if not distinct:
        return 0.0
    total = math.fsum(math.log1p(counts.get(word, 0)) for word in distinct)
    return round(total / math.sqrt(len(distinct)), _DIGITS)


def _lot(prompt: Prompt, choice: Choice) -> str:
    """A hash that stands for chance; equal in every arm, because knowledge is not in it."""
    image = prompt.image.digest if prompt.image is not None else ""
    drawn_from = json.dumps([prompt.question, image, choice.text])
    return hashlib.sha256(drawn_from.encode()).hexdigest()
