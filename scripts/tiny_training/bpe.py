"""Learn byte-pair merges and write them in the format that open_clip's tokenizer reads."""

from __future__ import annotations

import gzip
import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

import regex
from open_clip.tokenizer import basic_clean, bytes_to_unicode, whitespace_clean

Pair: TypeAlias = tuple[str, str]

_WORDS = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+")
_BYTES = 512  # every byte, within a word and at its end


def learn_merges(texts: Iterable[str], count: int) -> list[Pair]:
    """At most `count` merges, most frequent first; pairs seen once are left alone.

    Sennrich et al. 2016, algorithm 1. Ties go to the pair that sorts first, so that the same texts always
    give the same merges (the trainer of the tokenizers library breaks ties at random).
    """
    words = _words(texts)
    pairs: Counter[Pair] = Counter()
    where: defaultdict[Pair, set[int]] = defaultdict(set)
    for number, (symbols, times) in enumerate(words):
        _count(symbols, times, number, pairs, where)
    merges: list[Pair] = []
    while pairs and len(merges) < count:
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        if pairs[best] < 2:
            break
        merges.append(best)
        for number in sorted(where[best]):
            symbols, times = words[number]
            _count(symbols, -times, number, pairs, where)
            words[number] = (_merged(symbols, best), times)
            _count(words[number][0], times, number, pairs, where)
        del pairs[best]
    return merges


def write_merges(merges: list[Pair], path: Path) -> None:
    """A heading, then one merge a line, without a last line break, in a gzip file without a date."""
    lines = "\n".join(["merges of builtin:tiny", *(" ".join(pair) for pair in merges)])
    path.write_bytes(gzip.compress(lines.encode(), mtime=0))


def vocabulary_size(merges: list[Pair]) -> int:
    """Bytes, merges, and the two marks."""
    return _BYTES + len(merges) + 2


def _words(texts: Iterable[str]) -> list[tuple[list[str], int]]:
    """Every different word as a list of symbols, the last one marked, with how often it occurs."""
    letters = bytes_to_unicode()
    counts = Counter(word for text in texts for word in _WORDS.findall(_clean(text)))
    split = {word: [letters[byte] for byte in word.encode()] for word in counts}
    return [([*split[word][:-1], f"{split[word][-1]}</w>"], times) for word, times in sorted(counts.items())]


def _clean(text: str) -> str:
    cleaned: str = whitespace_clean(basic_clean(text)).lower()
    return cleaned


def _count(
    symbols: list[str], times: int, number: int, pairs: Counter[Pair], where: defaultdict[Pair, set[int]]
) -> None:
    """Add a word's pairs to the counts, or take them away when `times` is negative."""
    for pair in itertools.pairwise(symbols):
        pairs[pair] += times
        if times > 0:
            where[pair].add(number)
        elif pairs[pair] == 0:
            del pairs[pair]


def _merged(symbols: list[str], pair: Pair) -> list[str]:
    result: list[str] = []
    for symbol in symbols:
        if result and (result[-1], symbol) == pair:
            result[-1] += symbol
        else:
            result.append(symbol)
    return result
