"""Turn answers and wrong answers into options that do not reveal the answer by any habit."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TypeAlias

from mmad_rag.benchmark.sample.canvas import Rng
from mmad_rag.errors import DataError

Wordings: TypeAlias = tuple[str, ...]
"""One statement in one or more wordings of different lengths."""

LETTERS = "ABCD"
_RIVALS = 3


@dataclass(frozen=True, slots=True)
class Draft:
    """A question before its options are chosen."""

    type: str
    """MMAD's raw type."""
    question: str
    """The question's words."""
    answer: Wordings
    """The true statement."""
    pool: tuple[Wordings, ...]
    """The false statements. The single statement of a pool of one is the only wrong option; otherwise three
    are chosen."""
    near: tuple[Wordings, ...] = ()
    """False statements that are close to the truth; if there are any, at least one of them is used."""


@dataclass(frozen=True, slots=True)
class SampleQuestion:
    """A finished question."""

    type: str
    """MMAD's raw type."""
    question: str
    """The question's words."""
    options: tuple[str, ...]
    """The options in the order A, B, ..."""
    answer: str
    """The letter of the right option."""


def choose_options(drafts: Sequence[Draft], rng: Rng) -> list[SampleQuestion]:
    """Finish all drafts of a sample together, so that within each type no guessing rule beats chance.

    The right option is in turn the longest, second, third and shortest of its four, as far as the pools
    allow. Its letter is taken from shuffled packs that hold every letter once. A statement is a wrong option
    about three times as often as it is the answer, so that its earlier use as an answer predicts nothing.

    Raises:
        DataError: a draft has fewer than three different false statements.
    """
    balancer = _Balancer(drafts, rng)
    return [balancer.finish(draft) for draft in drafts]


class _Balancer:
    """Counts the options used so far, and chooses those that restore the balance."""

    def __init__(self, drafts: Sequence[Draft], rng: Rng) -> None:
        self._rng = rng
        self._ranks: defaultdict[str, Counter[int]] = defaultdict(Counter)
        self._packs: defaultdict[tuple[str, int, str], list[int]] = defaultdict(list)
        self._due: Counter[tuple[str, Wordings]] = Counter()
        for draft in drafts:
            self._due[draft.type, draft.answer] += _RIVALS

    def finish(self, draft: Draft) -> SampleQuestion:
        """The finished question of one draft."""
        if len(draft.pool) == 1:
            return self._deal(draft, draft.answer[0], draft.pool[0][:1])
        counts = self._ranks[draft.type]
        order = [int(rank) for rank in self._rng.permutation(_RIVALS + 1)]
        for rank in sorted(order, key=lambda rank: counts[rank]):
            found = self._with_rank(draft, rank)
            if found is not None:
                counts[rank] += 1
                return self._deal(draft, *found)
        return self._deal(draft, *self._of_any_length(draft))

    def _deal(self, draft: Draft, answer: str, rivals: Sequence[str]) -> SampleQuestion:
        """Put the answer at the position that is due, with the wrong options around it in random order."""
        count = len(rivals) + 1
        pack = self._packs[draft.type, count, answer if count == 2 else ""]
        if not pack:
            pack.extend(int(place) for place in self._rng.permutation(count))
        place = pack.pop()
        others = [rivals[int(index)] for index in self._rng.permutation(len(rivals))]
        options = [*others[:place], answer, *others[place:]]
        for words in (*draft.pool, *draft.near):
            if not {*words}.isdisjoint(rivals):
                self._due[draft.type, words] -= 1
        return SampleQuestion(draft.type, draft.question, tuple(f"{o}." for o in options), LETTERS[place])

    def _with_rank(self, draft: Draft, rank: int) -> tuple[str, list[str]] | None:
        """The answer and three wrong options, `rank` of them longer than it; None if there is no such
        choice."""
        for answer, first in self._starts(draft):
            wanted = (
                rank - sum(len(text) > len(answer) for text in first),
                _RIVALS - rank - sum(len(text) < len(answer) for text in first),
            )
            found = self._fill(answer, self._rest(draft, answer, first), wanted)
            if found is not None and len(found) + len(first) == _RIVALS:
                return answer, [*first, *found]
        return None

    def _of_any_length(self, draft: Draft) -> tuple[str, list[str]]:
        """The answer and three wrong options, for pools in which too many texts are equally long."""
        for answer, first in self._starts(draft):
            found = [words[0] for words in self._rest(draft, answer, first)][: _RIVALS - len(first)]
            if len(first) + len(found) == _RIVALS:
                return answer, [*first, *found]
        raise DataError(
            f"the question {draft.question!r} has too few wrong answers; add some to the product's facts"
        )

    def _starts(self, draft: Draft) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Every wording of the answer with every near wrong option; those that are due come first."""
        near: list[tuple[str, ...]] = [
            (text,) for words in self._sorted(draft.type, draft.near) for text in words
        ]
        starts = list(product(draft.answer, near or [()]))
        if not near:
            starts = [starts[int(index)] for index in self._rng.permutation(len(starts))]
        yield from starts

    def _rest(self, draft: Draft, answer: str, first: tuple[str, ...]) -> list[Wordings]:
        """The statements that may still be used beside an answer and a first wrong option."""
        free = [words for words in (*draft.pool, *draft.near) if {answer, *first}.isdisjoint(words)]
        return self._sorted(draft.type, tuple(dict.fromkeys(free)))

    def _sorted(self, kind: str, pool: tuple[Wordings, ...]) -> list[Wordings]:
        """The statements in random order, roughly with those first that are due as wrong options."""
        jitter = self._rng.uniform(0, 4, len(pool))
        keys = [float(shake) - self._due[kind, words] for shake, words in zip(jitter, pool, strict=True)]
        return [pool[index] for index in sorted(range(len(pool)), key=lambda index: keys[index])]

    def _fill(self, answer: str, pool: Sequence[Wordings], wanted: tuple[int, int]) -> list[str] | None:
        """The wanted numbers of longer and shorter texts, one per statement; None if the pool is too small.

        The pool is tried in its order. If that fails, statements that have both longer and shorter wordings
        are tried last, because they may have been used on the wrong side.
        """
        for order in (
            pool,
            sorted(pool, key=lambda words: bool(_longer(words, answer) and _shorter(words, answer))),
        ):
            open_sides = [*wanted]
            found: list[str] = []
            for words in order:
                sides = [side for side in (0, 1) if open_sides[side] > 0 and _fitting(words, answer)[side]]
                if sides:
                    side = max(sides, key=lambda side: open_sides[side])
                    open_sides[side] -= 1
                    texts = _fitting(words, answer)[side]
                    found.append(texts[int(self._rng.integers(len(texts)))])
            if open_sides == [0, 0]:
                return found
        return None


def _fitting(words: Wordings, answer: str) -> tuple[list[str], list[str]]:
    """The wordings that are longer than the answer, and those that are shorter."""
    return _longer(words, answer), _shorter(words, answer)


def _longer(words: Wordings, answer: str) -> list[str]:
    return [text for text in words if len(text) > len(answer)]


def _shorter(words: Wordings, answer: str) -> list[str]:
    return [text for text in words if len(text) < len(answer)]
