"""The shipped product files: complete, clean, our own words, and inside the limits of what reads them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from mmad_rag.encoders.open_clip_text import ClipTokenizer
from mmad_rag.errors import KnowledgeError
from mmad_rag.index.build.embed import KEY_TEMPLATES, fitting_pieces
from mmad_rag.knowledge import KnowledgeBase, load_knowledge, passages_of, shipped, visual_keys
from mmad_rag.knowledge.catalogue import DATASETS, DEFECT_FOLDERS
from mmad_rag.knowledge.lint import lint, uncovered_folders, words_in
from mmad_rag.knowledge.source import texts_of
from mmad_rag.records import FloatArray
from tests.support.paths import ROOT
from tests.support.shared import MMAD, needs_shared

KNOWLEDGE = ROOT / "knowledge"
CONTEXT = 77
LOOK_ALIKES = (
    ("macaroni1", "macaroni2"),
    ("pcb1", "pcb2"),
    ("pcb1", "pcb3"),
    ("pcb1", "pcb4"),
    ("pcb2", "pcb3"),
    ("pcb2", "pcb4"),
    ("pcb3", "pcb4"),
    ("capsule", "capsules"),
    ("bottle", "drink_bottle"),
    ("food_box", "cigarette_box"),
    ("fryum", "pipe_fryum"),
    ("juice_bottle", "drink_bottle"),
)


@pytest.fixture(scope="module")
def base() -> KnowledgeBase:
    return load_knowledge(KNOWLEDGE)


@pytest.fixture(scope="module")
def tokenizer() -> ClipTokenizer:
    """The byte-pair tokenizer that is packaged with open_clip, as 96 of its models use it."""
    from mmad_rag.encoders.open_clip_text import load_tokenizer
    from mmad_rag.encoders.repair import import_torchvision

    import_torchvision()
    return load_tokenizer({"context_length": CONTEXT}, folder=None)


class CountingTower:
    """A text tower that counts like CLIP and embeds nothing."""

    def __init__(self, tokenizer: ClipTokenizer) -> None:
        self.tokenizer = tokenizer

    def count_tokens(self, text: str) -> int:
        return self.tokenizer.count(text)

    def encode_texts(self, texts: Iterable[str]) -> FloatArray:
        raise NotImplementedError


def runs(text: str, length: int) -> Iterator[str]:
    """Every run of `length` words, lower-case, without punctuation."""
    words = re.findall(r"[a-z0-9]+", text.lower())
    for start in range(len(words) - length + 1):
        yield " ".join(words[start : start + length])


def shared_runs(base: KnowledgeBase, foreign: Iterable[str], length: int) -> list[str]:
    """The runs of words that a product file has in common with other texts, with their places."""
    known = {run for text in foreign for run in runs(text, length)}
    assert known
    return [
        f"{file.path.name}:{file.source.line(where)}: {run}"
        for file in base.files
        for where, text in texts_of(file.source.value)
        for run in runs(text, length)
        if run in known
    ]


@pytest.mark.slow
def test_every_product_of_mmad_is_there_and_clean(base: KnowledgeBase) -> None:
    assert [product.product for product in base.products] == sorted(DEFECT_FOLDERS)
    assert [str(problem) for problem in lint(KNOWLEDGE).problems] == []


def test_every_defect_folder_is_covered_by_the_right_data_sets_file(base: KnowledgeBase) -> None:
    for product in base.products:
        assert uncovered_folders(product) == ()
        assert product.product in DATASETS[product.dataset]


def test_folders_that_hold_many_kinds_of_defects_are_split(base: KnowledgeBase) -> None:
    for product in base.products:
        if product.dataset in ("VisA", "MVTec LOCO"):
            assert len(product.defects) >= 4, product.product


def test_every_defect_says_what_where_why_and_so_what(base: KnowledgeBase) -> None:
    for product in base.products:
        for defect in product.defects:
            parts = (defect.appearance, defect.location, defect.cause, defect.effect)
            assert all(parts), (product.product, defect.id)


def test_the_logical_products_have_rules(base: KnowledgeBase) -> None:
    for product in base.products:
        if product.dataset == "MVTec LOCO":
            assert len(product.normal.composition) >= 2, product.product


@pytest.mark.parametrize("pair", LOOK_ALIKES, ids="-".join)
def test_products_that_look_alike_are_told_apart_on_both_sides(
    base: KnowledgeBase, pair: tuple[str, str]
) -> None:
    named = {product.product: {other.product for other in product.tell_apart} for product in base.products}
    assert pair[1] in named[pair[0]]
    assert pair[0] in named[pair[1]]


def test_the_texts_are_licensed_dated_and_not_called_reviewed(base: KnowledgeBase) -> None:
    for product in base.products:
        assert product.provenance.licence == "CC-BY-4.0"
        assert product.provenance.status.value in ("draft", "checked")
        assert product.provenance.sources


def test_a_product_is_described_in_less_words_than_a_page_or_two(base: KnowledgeBase) -> None:
    words = {product.product: words_in(product) for product in base.products}
    assert min(words.values()) >= 300
    assert max(words.values()) <= 1300


def test_a_look_alike_of_the_normal_state_begins_with_the_defect(base: KnowledgeBase) -> None:
    """Such a text is shown after "Unlike a normal piece:", so it must not begin with the normal state."""
    opening = re.compile(
        r"(a |an |the )?(good|normal|natural|harmless|regular|intact|straight)\b", re.IGNORECASE
    )
    wrong = [
        f"{product.product}/{defect.id}: {how}"
        for product in base.products
        for defect in product.defects
        for other in defect.look_alikes
        for how in other.how
        if other.defect == "normal" and opening.match(how)
    ]
    assert wrong == []


def test_the_library_finds_its_product_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert shipped.shipped_knowledge() == KNOWLEDGE
    package = tmp_path / "mmad_rag"
    monkeypatch.setattr(shipped, "_PACKAGE", package)
    with pytest.raises(KnowledgeError, match="are not installed with the library"):
        shipped.shipped_knowledge()
    (package / "shipped_knowledge").mkdir(parents=True)
    assert shipped.shipped_knowledge() == package / "shipped_knowledge"


@pytest.mark.slow
def test_no_key_exceeds_clips_context(base: KnowledgeBase, tokenizer: ClipTokenizer) -> None:
    longest = max(
        tokenizer.count(template.format(key))
        for product in base.products
        for key in visual_keys(product)
        for template in KEY_TEMPLATES
    )
    assert longest <= CONTEXT
    lines = [line for product in base.products for line in product.visual.descriptions]
    assert max(tokenizer.count(line) for line in lines) <= CONTEXT


@pytest.mark.slow
def test_every_passage_reaches_the_encoder_whole(base: KnowledgeBase, tokenizer: ClipTokenizer) -> None:
    tower = CountingTower(tokenizer)
    for product in base.products:
        for passage in passages_of(product):
            pieces = fitting_pieces(passage.text, tower, CONTEXT)
            assert " ".join(pieces).split() == passage.text.split()
            assert all(tokenizer.count(piece) <= CONTEXT for piece in pieces)


@pytest.mark.shared
@needs_shared
def test_no_eight_words_are_taken_from_the_published_base(base: KnowledgeBase) -> None:
    published = json.loads((MMAD / "domain_knowledge.json").read_text(encoding="utf-8"))
    texts = [
        text for products in published.values() for entries in products.values() for text in entries.values()
    ]
    assert len(texts) == 146
    assert shared_runs(base, texts, 8) == []


@pytest.mark.shared
@needs_shared
def test_no_six_words_echo_an_answer_option(base: KnowledgeBase) -> None:
    records = json.loads((MMAD / "mmad.json").read_text(encoding="utf-8"))
    options = {
        option
        for record in records.values()
        for question in record["conversation"]
        for option in question["Options"].values()
    }
    assert len(options) > 10_000
    assert shared_runs(base, options, 6) == []
