"""A control retriever that replaces the knowledge found by neutral text of the same length."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import cache

from mmad_rag.records import NORMAL_ENTRY, EncodedImage, Hit, Knowledge, Passage
from mmad_rag.retrieve.protocol import Retriever
from mmad_rag.retrieve.selection.tokenizers import ESTIMATE, NamedCounter

SENTENCES = (
    "Before anyone knew how to read music people sang what their parents had sung.",
    "A mother sang while she walked and her sons sang it again a hundred years after she died.",
    "Nobody asked who had thought of a tune because a tune was as free as birds.",
    "Monks began to sing the psalms at dawn and at dusk and often at midnight too.",
    "The abbot sang a verse and his brothers would answer him from behind the altar.",
    "An abbot who loved music sent his nephews to Rome so that they might listen and learn.",
    "They knew more after seven winters and taught what they had heard to whoever asked.",
    "Kings paid poets to praise their fathers and poets who forgot a battle ate alone.",
    "A poet needed to recall ten thousand verses and most poets said they knew more.",
    "Rhyme helped them because an ear awaits what it has heard already.",
    "In summer the singers went from village to village and slept wherever a farmer let them.",
    "They told of weddings and of wars and people gave them soup for it.",
    "A wise singer knew when to pause and let people laugh.",
    "Queens kept a harper who sang them to sleep on winter nights.",
    "Once a queen wept so much at a ballad that her harper never dared to sing it again.",
    "Sailors had songs of their own and a captain who forbade singing found no crew.",
    "Their songs told of islands where nobody grew ill and of girls who waited for them.",
    "A shepherd sang to his dogs and did not mind who heard him.",
    "A bishop once forbade dancing on Sundays and everyone danced on Monday.",
    "Then came men who wrote tunes for money and printers who sold them by the thousand.",
    "Students bought the songs and sang them badly and thereby invented more.",
    "Some of the ballads that we know today were born from such blunders.",
    "An uncle of mine claimed that he knew a ballad which nobody else alive could sing.",
    "He sang it at my wedding and my cousin from Ireland sang it with him.",
    "Neither of them ever learned who had taught it to whom.",
    "Scholars travel to villages and ask widows to sing while they listen.",
    "Often the widows laugh and say that the best singer died years ago.",
    "Then they sing for hours and the scholars scarcely know whom to thank.",
    "Poems grew out of songs when people came to read alone and in silence.",
    "A poem always hums a little when someone reads it aloud to friends.",
    "Teachers ask pupils to learn verses and pupils ask why.",
    "Years after that they recite those verses to their own sons and nieces.",
    "Whoever sings in a choir knows how forty people sing as if they were alone.",
    "Nobody hears himself and everyone hears the choir.",
    "When the hymn is over there reigns a silence that belongs to it.",
    "Then somebody coughs and people walk off and hum until they sleep.",
)
"""Neutral sentences written for this purpose: plausible, unrelated to industry, of short and common words.

Apart from stop words, no sentence contains a word of MMAD's options or of the shipped defects' titles, so a
model that answers by matching words gains nothing. The only punctuation mark of a sentence is its full stop.
"""

NOUNS = (
    "harp", "choir", "ballad", "poet", "hymn", "psalm", "abbot", "bishop", "monk", "verse", "rhyme", "tune",
    "singer", "harper", "queen", "prince", "uncle", "cousin", "village", "shepherd", "sailor", "captain",
    "legend", "winter", "summer", "Sunday", "wedding", "midnight", "Ireland", "cradle", "lullaby", "melody",
)  # fmt: skip
"""Neutral nouns that replace the names of products and defects."""


class FillerRetriever:
    """Replaces the passages that another retriever finds by neutral text of the same length.

    The layout of the knowledge block stays: as many headings and numbered lines, with the same labels. Each
    passage, each defect's title and each product's name is replaced by neutral words of as many tokens, by
    `counter`: exactly as many by the estimate. On 400 questions of MMAD, gpt-4o's tokenizer then counts 4 %
    more in the neutral block on average, 3 % less to 13 % more. The sentence at which the text starts depends
    on question and image, so that no sentence is tied to a place in the block.

    Args:
        retriever: The retriever whose passages are replaced.
        counter: Counts the tokens.
    """

    def __init__(self, retriever: Retriever, *, counter: NamedCounter = ESTIMATE) -> None:
        self.retriever = retriever
        self._counter = counter

    @property
    def identity(self) -> str:
        """The version of the neutral text, the token counter and the inner retriever's identity."""
        return f"filler(text={_text_version()}{self._counter.setting})/{self.retriever.identity}"

    def retrieve(
        self, question: str, image: EncodedImage | None, references: Sequence[EncodedImage] = ()
    ) -> Knowledge:
        """Find knowledge and replace its text.

        The route's outcome and confidence stay; its products are replaced and its candidates left out.
        """
        found = self.retriever.retrieve(question, image, references)
        drawn_from = json.dumps([question, image.digest if image is not None else ""])
        source = _Source(int(hashlib.sha256(drawn_from.encode()).hexdigest()[:8], 16), self._counter)
        products = {product: source.name(product) for product in found.route.products}
        defects = {
            (hit.passage.product, hit.passage.entry): hit.passage.title
            for hit in found.hits
            if hit.passage.entry != NORMAL_ENTRY
        }
        titles = {defect: source.title(title) for defect, title in defects.items()}
        hits = tuple(
            Hit(_replaced(hit.passage, number, products, titles, source), hit.score)
            for number, hit in enumerate(found.hits, start=1)
        )
        route = dataclasses.replace(
            found.route, candidates=(), products=tuple(products.values()), second_look=None
        )
        return Knowledge(route, hits, found.source)


class _Source:
    """Supplies neutral words, cycling through the sentences from a given start."""

    def __init__(self, start: int, counter: NamedCounter) -> None:
        self._sentence = start % len(SENTENCES)
        self._noun = start % len(NOUNS)
        self._counter = counter

    def text(self, replaced: str) -> str:
        """Neutral sentences with as many tokens as `replaced`; the last one is cut after a word."""
        tokens = self._counter(replaced)
        words: list[str] = []
        while len(words) <= tokens:  # every word has at least one token
            words += SENTENCES[self._sentence].split()
            self._sentence = (self._sentence + 1) % len(SENTENCES)
        whole = bisect_right(range(1, tokens + 1), tokens, key=lambda count: self._cost(words[:count]))
        taken, cut = words[:whole], words[whole].rstrip(".")
        if not taken or self._cost([*taken, cut]) <= tokens:
            taken.append(cut)
        return self._closed(taken)

    def name(self, product: str) -> str:
        """A neutral name with as many tokens as the product's."""
        return "_".join(self._nouns(self._counter(product.replace("_", " "))))

    def title(self, title: str) -> str:
        """A neutral title with as many tokens as the defect's."""
        return " ".join(self._nouns(self._counter(title))).capitalize()

    def _nouns(self, tokens: int) -> list[str]:
        taken = [self._next_noun()]
        while self._cost([*taken, NOUNS[self._noun]]) <= tokens:
            taken.append(self._next_noun())
        return taken

    def _cost(self, words: Sequence[str]) -> int:
        return self._counter(" ".join(words))

    def _next_noun(self) -> str:
        noun = NOUNS[self._noun]
        self._noun = (self._noun + 1) % len(NOUNS)
        return noun

    @staticmethod
    def _closed(words: list[str]) -> str:
        """The words with the last one replaced by a full stop, unless no sentence would be left to close."""
        if len(words) < 2 or words[-1].endswith(".") or words[-2].endswith("."):
            return " ".join(words)
        return " ".join(words[:-1]) + "."


def _replaced(
    passage: Passage,
    number: int,
    products: Mapping[str, str],
    titles: Mapping[tuple[str, str], str],
    source: _Source,
) -> Passage:
    """A neutral passage that replaces `passage`, under a heading of the same kind."""
    title = titles.get((passage.product, passage.entry))
    return Passage(
        id=f"filler/{number}",
        product=products[passage.product],
        entry=NORMAL_ENTRY if title is None else title.lower().replace(" ", "_"),
        field=passage.field,
        title=passage.title if title is None else title,
        text=source.text(passage.text),
    )


@cache
def _text_version() -> str:
    """A version that changes whenever the neutral text changes."""
    return hashlib.sha256(json.dumps([SENTENCES, NOUNS]).encode()).hexdigest()[:8]
