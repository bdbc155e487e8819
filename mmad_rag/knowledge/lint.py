"""Check product files beyond their schema, as an editor or a reviewer would."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from mmad_rag.fields import FIELDS
from mmad_rag.knowledge.base import Problem, ProductFile, product_paths, read_product
from mmad_rag.knowledge.catalogue import DEFECT_FOLDERS
from mmad_rag.knowledge.instructions import instructs
from mmad_rag.knowledge.passages import passages_of, visual_keys
from mmad_rag.knowledge.placeholders import HOLDS_PLACEHOLDER, looks_unfinished
from mmad_rag.knowledge.quoting import misreadings
from mmad_rag.knowledge.schema import Product, ReviewStatus, TellApart
from mmad_rag.knowledge.source import KeyPath, texts_of
from mmad_rag.records import NORMAL_ENTRY
from mmad_rag.words import prose_sentences, word_count
from mmad_rag.words.scripts import UNSPACED
from mmad_rag.words.token_estimate import estimate_tokens

MAX_SENTENCE_WORDS = 30
MAX_DESCRIPTION_WORDS = 20
MAX_KEY_WORDS = 12
ALIASES = range(3, 9)

MAX_PASSAGE_TOKENS = 300
"""The default budget of knowledge in a prompt: a passage that costs more is never shown."""
_NO_SPACE = re.compile(rf"(?<=[{UNSPACED}]) (?=[{UNSPACED}])")
_MINUS = re.compile(r"(?<!\w)[-\u2013](?=\d)")


@dataclass(frozen=True, slots=True)
class LintReport:
    """The linter's findings in a folder."""

    files: tuple[ProductFile, ...]
    """Every file that could be read, sorted by product."""
    problems: tuple[Problem, ...]
    """All problems, sorted by file and line; empty if the folder is clean."""


def lint(root: Path) -> LintReport:
    """Check every product file of a folder; one bad file does not hide the problems of the next.

    Raises:
        KnowledgeError: the folder is absent or holds no product file.
    """
    files: list[ProductFile] = []
    problems: list[Problem] = []
    unread: set[str] = set()
    for path in product_paths(root):
        loaded, wrong = read_product(path)
        problems += wrong
        if loaded is not None:
            files.append(loaded)
        else:
            unread.add(path.stem)
    files.sort(key=lambda file: file.product.product)
    for file in files:
        problems += _Checker(file).problems()
    problems += _across(files, unread)
    return LintReport(tuple(files), tuple(sorted(problems, key=lambda problem: (problem.path, problem.line))))


def uncovered_folders(product: Product) -> tuple[str, ...]:
    """MMAD's defect folders of a product that no defect in its file names; none for a product that MMAD does
    not have."""
    covered = {folder for defect in product.defects for folder in defect.folders}
    return tuple(folder for folder in DEFECT_FOLDERS.get(product.product, ()) if folder not in covered)


class _Checker:
    """The checks that need only one file."""

    def __init__(self, file: ProductFile) -> None:
        self.file = file
        self.product = file.product
        self.imported = file.product.provenance.status is ReviewStatus.IMPORTED

    def problems(self) -> Iterator[Problem]:
        """Every problem, in no particular order; limits of length do not apply to imported texts."""
        yield from self._texts()
        yield from self._quoting()
        yield from self._repeats()
        yield from self._sizes()
        yield from self._look_alikes()
        if not self.imported:
            yield from self._keys()
            yield from self._coverage()

    def _problem(self, where: KeyPath, message: str) -> Problem:
        field = ".".join(str(part) for part in where)
        return Problem(self.file.path, self.file.source.line(where), field, message)

    def _texts(self) -> Iterator[Problem]:
        for where, text in texts_of(self.file.source.value):
            if instructs(text):
                yield self._problem(where, "reads like an instruction to the model; state a fact instead")
            if looks_unfinished(text):
                yield self._problem(where, HOLDS_PLACEHOLDER)
            if self.imported or where[0] == "provenance":
                continue
            for sentence in prose_sentences(text):
                words = word_count(sentence)
                if words > MAX_SENTENCE_WORDS:
                    message = f"has a sentence of {words} words, more than {MAX_SENTENCE_WORDS}; split it"
                    yield self._problem(where, message)

    def _quoting(self) -> Iterator[Problem]:
        for found in misreadings(self.file.source):
            field = ".".join(map(str, found.where))
            yield Problem(self.file.path, found.line, field, found.message)

    def _sizes(self) -> Iterator[Problem]:
        """Passages that no prompt holds."""
        places = {defect.id: ("defects", position) for position, defect in enumerate(self.product.defects)}
        for passage in passages_of(self.product):
            heading = "Normal state" if passage.entry == NORMAL_ENTRY else f"Possible defect: {passage.title}"
            label = FIELDS[passage.field].label
            line = f"{label}: {passage.text}" if label else passage.text
            tokens = estimate_tokens(f"{heading} [1] {line}")
            if tokens > MAX_PASSAGE_TOKENS:
                entry: KeyPath = places.get(passage.entry, (NORMAL_ENTRY,))
                start = passage.text if len(passage.text) <= 30 else f"{passage.text[:30]}..."
                message = (
                    f"has {start!r}, which costs about {tokens} tokens; a prompt has {MAX_PASSAGE_TOKENS} "
                    "for knowledge, so it is never shown: split it into shorter sentences"
                )
                yield self._problem((*entry, passage.field.value), message)

    def _repeats(self) -> Iterator[Problem]:
        """Repeated sentences, and tolerated variations that are also a defect's appearance."""
        seen: dict[str, str] = {}
        for where, text in texts_of(self.file.source.value):
            if where[0] in ("provenance", "visual", "product", "dataset") or word_count(text) < 4:
                continue
            words = _same_words(text)
            place = ".".join(str(part) for part in where)
            if words in seen:
                first = seen[words]
                kinds = {first.split(".")[-2:][0], place.split(".")[-2:][0]}
                what = "contradicts" if kinds == {"variation", "appearance"} else "repeats"
                yield self._problem(where, f"{what} {first}, which says the same; keep one")
            seen.setdefault(words, place)

    def _look_alikes(self) -> Iterator[Problem]:
        pairs = {(defect.id, other.defect) for defect in self.product.defects for other in defect.look_alikes}
        for position, defect in enumerate(self.product.defects):
            for place, other in enumerate(defect.look_alikes):
                where: KeyPath = ("defects", position, "look_alikes", place)
                if other.defect == defect.id:
                    yield self._problem(where, f"names {defect.id!r} as its own look-alike; remove it")
                elif other.defect != "normal" and (other.defect, defect.id) not in pairs:
                    message = f"{other.defect!r} does not name {defect.id!r} as its look-alike; add it there"
                    yield self._problem(where, message)

    def _keys(self) -> Iterator[Problem]:
        visual = self.product.visual
        if len(visual.aliases) not in ALIASES:
            message = f"has {len(visual.aliases)} aliases; give {ALIASES.start} to {ALIASES.stop - 1}"
            yield self._problem(("visual", "aliases"), message)
        if not visual.descriptions:
            yield self._problem(("visual",), "has no descriptions; add one line of at most 20 words")
        for place, line in enumerate(visual.descriptions):
            if word_count(line) > MAX_DESCRIPTION_WORDS:
                message = f"has {word_count(line)} words, more than {MAX_DESCRIPTION_WORDS}; shorten it"
                yield self._problem(("visual", "descriptions", place), message)
        for place, key in enumerate(visual_keys(self.product)):
            where: KeyPath = ("visual", "name") if place == 0 else ("visual", "aliases", place - 1)
            if word_count(key) > MAX_KEY_WORDS:
                yield self._problem(
                    where, f"has {word_count(key)} words, more than {MAX_KEY_WORDS}; shorten it"
                )

    def _coverage(self) -> Iterator[Problem]:
        """Missing fields that an inspector needs; a product that MMAD does not have may be without
        defects."""
        if not self.product.view:
            yield self._problem((), "has no view; say how the product is shown")
        for name in ("appearance", "structure", "function", "variation"):
            if not getattr(self.product.normal, name):
                yield self._problem(("normal",), f"has no {name}; add one to four sentences")
        for position, defect in enumerate(self.product.defects):
            for name in ("appearance", "location", "cause", "effect"):
                if not getattr(defect, name):
                    yield self._problem(("defects", position), f"({defect.id}) has no {name}; add a sentence")
        for folder in uncovered_folders(self.product):
            yield self._problem(
                ("defects",), f"cover no folder {folder!r}, which MMAD asks about; add the defect"
            )


def _across(files: Sequence[ProductFile], unread: Set[str]) -> Iterator[Problem]:
    """Problems between files: keys that two products share, pairs told apart on one side only.

    Products that could not be read cause no problem here, because their contents are not known.
    """
    owners: dict[str, list[tuple[ProductFile, KeyPath]]] = defaultdict(list)
    by_name = {file.product.product: file for file in files}
    for file in files:
        for place, key in enumerate(visual_keys(file.product)):
            where: KeyPath = ("visual", "name") if place == 0 else ("visual", "aliases", place - 1)
            owners[_same_words(key)].append((file, where))
    for found in owners.values():
        for file, where in found[1:]:
            first = found[0][0].product.product
            message = f"is also a key of {first}; two keys that are equal cannot tell anything apart"
            yield Problem(file.path, file.source.line(where), ".".join(map(str, where)), message)
    for file in files:
        for place, other in enumerate(file.product.tell_apart):
            line = file.source.line(("tell_apart", place))
            field = f"tell_apart.{place}"
            yield from _speaks_of_the_other(file, place, other)
            partner = by_name.get(other.product)
            if partner is None and other.product in unread:
                continue
            if partner is None or partner is file:
                yield Problem(
                    file.path, line, field, f"names {other.product!r}, which is not another product here"
                )
            elif file.product.product not in {back.product for back in partner.product.tell_apart}:
                message = (
                    f"{other.product} does not tell itself apart from {file.product.product}; add it there"
                )
                yield Problem(file.path, line, field, message)


def _speaks_of_the_other(file: ProductFile, place: int, other: TellApart) -> Iterator[Problem]:
    """Sentences that tell products apart but do not describe one product each: routing compares an image with
    them."""
    own = file.product.product.replace("_", " ")
    for number, how in enumerate(other.how):
        text = " ".join(how.lower().replace("_", " ").split()).replace(own, "")
        if re.search(rf"\b{re.escape(other.product.replace('_', ' '))}\b", text):
            where: KeyPath = ("tell_apart", place, "how", number)
            message = f"speaks of {other.product}; say only what this product shows, the rest in its file"
            yield Problem(file.path, file.source.line(where), ".".join(map(str, where)), message)


def words_in(product: Product) -> int:
    """Number of words in all passages of a product."""
    return sum(word_count(passage.text) for passage in passages_of(product))


def _same_words(text: str) -> str:
    """A form that is equal for texts that differ in capitals, spaces and punctuation only."""
    signed = _MINUS.sub("\N{MINUS SIGN}", text)
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", signed).casefold())
    kept = (c if _counts(c) else " " for c in folded)
    return _NO_SPACE.sub("", " ".join("".join(kept).split())) or folded


def _counts(character: str) -> bool:
    """Whether a character is more than punctuation: a letter, digit, mark or sign such as ≥, + or °."""
    return unicodedata.category(character)[0] in "LNMS" or character in "%‰"
