"""Turn text into comparable words."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_WORD = re.compile(r"[a-z0-9]+")
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
_VOWEL = re.compile(r"[aeiouy]")
_SHORTEST_STEM = 3


@lru_cache(maxsize=4096)  # the passages of a knowledge base recur in many questions
def content_words(text: str) -> tuple[str, ...]:
    """The content words of `text`: lower case, no accents, no stop words, stemmed; in order.

    Example:
        >>> content_words("The edges are Scratched, with deep scratches.")
        ('edg', 'scratch', 'deep', 'scratch')
    """
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    plain = "".join(character for character in decomposed if not unicodedata.combining(character))
    return tuple(stem(word) for word in _WORD.findall(plain) if word not in _STOP_WORDS)


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
