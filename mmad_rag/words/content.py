"""Reduce texts to the words that carry their content."""

from __future__ import annotations

import re
from functools import lru_cache

from mmad_rag.words.scripts import words_of
from mmad_rag.words.spelling import american

_STOP_WORD_LIST = """
a about above after all also although am an and any are as at be because been before being below
between both but by can could did do does doing done each either else ever few for from further had
has have having he hence her here him his how however i if in into is it its itself just like ll may
me might more most much must my neither no none nor not of off on once only onto or other our out
over own per quite rather re s same shall she should since so some such t than that the their them
then there these they this those though through thus to too under until up upon us ve very was we
were what when where whether which while who whom whose why will with within without would yes yet
you your
"""
_STOP_WORDS = frozenset(_STOP_WORD_LIST.split())
_FUNCTION_WORD_LIST = """
a an and are as at be but by for if in into is it no not of on or such that the their then there these they
this to was will with
"""
_FUNCTION_WORDS = frozenset(_FUNCTION_WORD_LIST.split())
"""The stop words of Lucene and bm25s. A longer list finds fewer passages for freely worded questions."""
_FUNCTION_LETTERS = frozenset(
    "的了是在有没吗呢吧啊和与及或也都就把被这那哪个什么怎样为何否不會会能可上中里它其之於于對对"
)
"""Chinese letters that serve other words: "is there", "what", "in it"."""
_VOWEL = re.compile(r"[aeiouy]")
_SHORTEST_STEM = 3


@lru_cache(maxsize=4096)  # the passages of a knowledge base recur in many questions
def content_words(text: str) -> tuple[str, ...]:
    """The content words of `text` in order: as `words_of` cuts it, without stop words, in American spelling,
    stemmed; words of other alphabets than a to z stay whole.

    Example:
        >>> content_words("The edges are Scratched, with deep scratches.")
        ('edg', 'scratch', 'deep', 'scratch')
        >>> content_words("colour, labelled, 裂纹")
        ('color', 'label', '裂纹')
    """
    return tuple(
        stem(american(word)) if word.isascii() else word
        for word in words_of(text)
        if word not in _STOP_WORDS and not _FUNCTION_LETTERS.issuperset(word)
    )


def search_words(text: str) -> tuple[str, ...]:
    """The words of `text` that passages are searched by: as `words_of` cuts it, in American spelling, without
    function words and single letters a to z and digits.

    They are not stemmed. On the 186 freely worded questions of `benchmarks/selection.py` neither `stem` nor
    the Snowball stemmer finds more than chance would explain, and the reader loses 0.2 points at 150 tokens.

    Example:
        >>> search_words("What is the colour of a crack in it? 裂纹")
        ('what', 'color', 'crack', '裂纹')
    """
    return tuple(
        american(word) if word.isascii() else word
        for word in words_of(text)
        if not (word in _FUNCTION_WORDS or (word.isascii() and len(word) == 1))
        and not _FUNCTION_LETTERS.issuperset(word)
    )


def stem(word: str) -> str:
    """Cut one plural ending, then one verb or adverb ending, from a lower-case word.

    The plural rule follows Harman's S-stemmer (How effective is suffixing?, JASIS 42, 1991). `-ing`, `-ed`
    and `-ly` go where at least three letters with a vowel are left, a consonant doubled before them becomes
    single, and a last `e` goes, so that "chip", "chipped" and "chipping" agree, and "glue" and "glued" do.
    """
    word = _without_plural(word)
    for ending in ("ing", "ed", "ly"):
        rest = word.removesuffix(ending)
        if rest != word and len(rest) >= _SHORTEST_STEM and _VOWEL.search(rest):
            word = _single(rest)
            break
    return word.removesuffix("e") if len(word) > _SHORTEST_STEM else word


def _without_plural(word: str) -> str:
    if len(word) <= _SHORTEST_STEM or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y" if len(word) > _SHORTEST_STEM + 1 else word[:-1]
    if word.endswith(("ches", "shes", "sses", "xes", "zes")):
        return word[:-2]
    return word[:-1]


def _single(word: str) -> str:
    """`chipp` -> `chip`; `fill` and `press` keep both letters."""
    doubled = len(word) > _SHORTEST_STEM and word[-1] == word[-2] and word[-1] not in "aeiouyls"
    return word[:-1] if doubled else word
