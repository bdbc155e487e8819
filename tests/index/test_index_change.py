"""A living index: any way to some contents gives the index of a fresh build, nothing is embedded twice."""

from __future__ import annotations

import dataclasses
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmad_rag.encoders.protocol import Encoder
from mmad_rag.errors import EncoderError, ImageError, IndexMismatchError, InputError, KnowledgeError
from mmad_rag.index import Key, KnowledgeIndex, Reference
from mmad_rag.knowledge import KnowledgeBase, load_knowledge
from mmad_rag.records import EncodedImage, FloatArray
from tests.index.changing import NO_STAIN, base_of, counting_encoder
from tests.support.world import COLOURS, ColourTower, World, colour_encoder, png

PRODUCTS = ("ant", "bee", "cat", "dog")


def assert_equal(changed: KnowledgeIndex, fresh: KnowledgeIndex) -> None:
    """The same records in the same order, and the same scores for any query."""
    assert changed.passages == fresh.passages
    assert changed.keys == fresh.keys
    assert changed.references == fresh.references
    assert changed.products == fresh.products
    assert changed.manifest.counts == fresh.manifest.counts
    for query in np.eye(3, dtype=np.float32):
        for mine, other in (
            (changed.key_search, fresh.key_search),
            (changed.reference_search, fresh.reference_search),
            (changed.passage_search, fresh.passage_search),
        ):
            assert mine is not None
            assert other is not None
            rows, scores = mine.search(query, 1000)
            fresh_rows, fresh_scores = other.search(query, 1000)
            assert scores == pytest.approx(fresh_scores, abs=1e-6)
            assert rows.tolist() == fresh_rows.tolist()
    assert changed.fingerprint == fresh.fingerprint


@dataclasses.dataclass
class Model:
    """What an index should hold, kept in the simplest way."""

    texts: dict[str, int] = dataclasses.field(default_factory=dict)
    references: dict[str, set[tuple[str, int]]] = dataclasses.field(default_factory=dict)
    """Product -> (entry, number of an image)."""

    def put(self, product: str, text: int) -> None:
        self.texts[product] = text
        kept = self.references.get(product, set())
        self.references[product] = {item for item in kept if text != NO_STAIN or item[0] != "stain"}

    def rename(self, old: str, new: str) -> None:
        self.texts[new] = self.texts.pop(old)
        self.references[new] = self.references.pop(old)

    def fresh(self, folder: Path, pictures: Sequence[Path], encoder: Encoder) -> KnowledgeIndex:
        """Built in one go from folders of images."""
        wanted: dict[str, Path] = {}
        for kind in ("normal", "defects"):
            for product, items in self.references.items():
                for entry, number in items:
                    if (entry == "normal") == (kind == "normal"):
                        path = (
                            folder
                            / kind
                            / product
                            / ("" if entry == "normal" else entry)
                            / pictures[number].name
                        )
                        path.parent.mkdir(parents=True, exist_ok=True)
                        path.write_bytes(pictures[number].read_bytes())
                        wanted[kind] = folder / kind
        return KnowledgeIndex.build(
            base_of(self.texts),
            encoder,
            text_encoder=encoder,
            references=wanted.get("normal"),
            defect_references=wanted.get("defects"),
        )


CHANGE = st.one_of(
    st.tuples(st.just("put"), st.sampled_from(PRODUCTS), st.integers(0, 3)),
    st.tuples(st.just("remove"), st.sampled_from(PRODUCTS), st.just(0)),
    st.tuples(st.just("rename"), st.sampled_from(PRODUCTS), st.integers(0, 3)),
    st.tuples(st.sampled_from(("normal", "crack", "stain")), st.sampled_from(PRODUCTS), st.integers(0, 7)),
    st.tuples(st.just("forget"), st.sampled_from(PRODUCTS), st.integers(0, 7)),
)


@settings(deadline=None, max_examples=40)
@given(st.lists(CHANGE, min_size=1, max_size=12))
@pytest.mark.slow
def test_any_sequence_of_changes_equals_a_fresh_build(
    pictures: tuple[Path, ...], changes: list[tuple[str, str, int]]
) -> None:
    """Products added, changed, removed and renamed, references added and removed, in any order."""
    encoder, tower = counting_encoder()
    model = Model()
    model.put("ant", 0)
    index = KnowledgeIndex.build(base_of(model.texts), encoder, text_encoder=encoder)
    for what, product, number in changes:
        before = Counter(tower.seen)
        if what == "put":
            index = index.add(base_of({product: number}), encoder)
            model.put(product, number)
        elif product not in model.texts:
            continue
        elif what == "remove" and len(model.texts) > 1:
            index = index.remove(product)
            del model.texts[product], model.references[product]
            assert tower.seen == before
        elif what == "rename" and PRODUCTS[number] not in model.texts:
            index = index.rename(product, PRODUCTS[number])
            model.rename(product, PRODUCTS[number])
            assert tower.seen == before
        elif what == "forget":
            same = {place for place in range(8) if place % 7 == number % 7}
            mine = {item for item in model.references[product] if item[1] in same}
            if mine:
                digest = next(
                    item.digest
                    for item in index.references
                    if item.product == product and item.name in {pictures[place].name for place in same}
                )
                index = index.remove_references(product, [digest])
                model.references[product] -= mine
        elif what in ("normal", "crack", "stain") and not (
            what == "stain" and model.texts[product] == NO_STAIN
        ):
            index = index.add_references(product, [pictures[number]], encoder, entry=what)
            model.references[product].add((what, number))
    with tempfile.TemporaryDirectory() as folder:
        fresh = model.fresh(Path(folder), pictures, colour_encoder())
    assert_equal(index, fresh)


def test_a_replaced_product_keeps_its_references_but_not_those_of_a_lost_defect(
    pictures: tuple[Path, ...], tmp_path: Path
) -> None:
    encoder, _ = counting_encoder()
    index = KnowledgeIndex.build(base_of({"ant": 0}), encoder, text_encoder=encoder, views=("whole",))
    for place, entry in enumerate(("normal", "crack", "stain")):
        index = index.add_references("ant", [pictures[place]], encoder, entry=entry)
    (tmp_path / "ant").mkdir()
    (tmp_path / "ant" / "new.png").write_bytes(png((9, 9, 200)))
    index = index.add(base_of({"ant": NO_STAIN}), encoder, references=tmp_path)
    assert [(item.entry, item.name) for item in index.references] == [
        ("crack", "c.png"),
        ("normal", "h.png"),
        ("normal", "new.png"),
    ]


def test_a_product_keeps_its_text_when_it_is_renamed(index: KnowledgeIndex) -> None:
    renamed = index.rename("green_square", "a_square")
    assert renamed.products == ("a_square", "blue_bar", "red_disc")
    assert renamed.passages[0].id == "a_square/normal/identity/1"
    assert [passage.text for passage in renamed.passages[:17]] == [
        passage.text for passage in index.passages[17:34]
    ]
    assert renamed.keys[0] == Key("a_square", "green square")
    assert renamed.manifest.knowledge["a_square"] == index.manifest.knowledge["green_square"]
    assert renamed.rename("a_square", "green_square").fingerprint == index.fingerprint


def test_what_cannot_be_changed_is_refused(
    index: KnowledgeIndex, encoder: Encoder, pictures: tuple[Path, ...], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="the index holds no product 'red_disk'; it holds red_disc"):
        index.remove("red_disk")
    with pytest.raises(InputError, match="the index holds no product 'zzz'; it holds blue_bar, green_square"):
        index.rename("zzz", "y")
    with pytest.raises(InputError, match="holds a product blue_bar already"):
        index.rename("red_disc", "blue_bar")
    for name in ("Red disc", "", "../x", "a" * 65, "a\n"):
        with pytest.raises(InputError, match="is not a name of a product; give lower-case words"):
            index.rename("red_disc", name)
    with pytest.raises(KnowledgeError, match="the index would hold no product; delete its folder instead"):
        index.remove(*index.products)
    with pytest.raises(
        InputError, match="red_disc has no entry 'dent' in the index; it has crack, normal, stain"
    ):
        index.add_references("red_disc", pictures, encoder, entry="dent")
    with pytest.raises(InputError, match="red_disc has no reference image with the hash 0000"):
        index.remove_references("red_disc", ["0000"])
    with pytest.raises(ImageError, match=r"none\.png cannot be read \(No such file"):
        index.add_references("red_disc", [tmp_path / "none.png"], encoder)
    other = colour_encoder(name="other")
    with pytest.raises(IndexMismatchError, match="the index was built by test:colour, whose weights"):
        index.add_references("red_disc", pictures, other)
    with pytest.raises(IndexMismatchError, match="build the index again with test:other"):
        index.add(base_of({"ant": 0}), other)


def test_the_last_reference_of_an_index_without_keys_cannot_be_removed(world: World) -> None:
    blind = colour_encoder(texts=False)
    index = KnowledgeIndex.build(world.knowledge, blind, text_encoder="words", references=world.references)
    only = index.remove("blue_bar", "green_square")
    with pytest.raises(KnowledgeError, match="no image could be routed"):
        only.remove_references("red_disc")


def test_passages_of_an_added_product_are_embedded_as_those_that_are_there(world: World) -> None:
    """By the index's own text encoder, or not at all."""
    blind, words = colour_encoder(texts=False), colour_encoder(images=False, name="words")
    base = load_knowledge(world.knowledge)
    first = KnowledgeBase(base.root, base.files[:1])
    built = KnowledgeIndex.build(first, blind, text_encoder=words, references=world.references)
    added = built.add(base, blind, text_encoder=words, references=world.references)
    whole = KnowledgeIndex.build(base, blind, text_encoder=words, references=world.references)
    assert added.fingerprint == whole.fingerprint
    with pytest.raises(IndexMismatchError, match="built by test:words, whose weights"):
        built.add(base, blind, text_encoder=blind)
    by_words = KnowledgeIndex.build(first, blind, text_encoder="words", references=world.references)
    assert by_words.add(base, blind).passage_vectors is None
    with pytest.raises(IndexMismatchError, match="the index has no vectors of passages"):
        by_words.add(base, blind, text_encoder=words)
    by_spec = KnowledgeIndex.build(first, "builtin:tiny", text_encoder="builtin:tiny")
    assert by_spec.add(base, "builtin:tiny").manifest.counts.products == 3


def test_equal_bytes_count_once_under_the_first_name(pictures: tuple[Path, ...], encoder: Encoder) -> None:
    """Whatever the order in which they came."""
    index = KnowledgeIndex.build(base_of({"ant": 0}), encoder, text_encoder=encoder, views=("whole",))
    one = index.add_references("ant", pictures[:1], encoder).add_references("ant", pictures[7:], encoder)
    other = index.add_references("ant", [pictures[7], pictures[0]], encoder)
    assert [item.name for item in one.references] == ["e.png"]
    assert one.fingerprint == other.fingerprint


def test_a_vector_without_direction_is_refused(world: World) -> None:
    class Dark(ColourTower):
        def encode_images(self, pictures: Sequence[EncodedImage]) -> FloatArray:
            return np.zeros((len(pictures), 3), np.float32)

    encoder = dataclasses.replace(colour_encoder(), images=Dark())
    with pytest.raises(EncoderError, match=r"gave vectors that cannot be compared \(row 0 has the length 0"):
        KnowledgeIndex.build(world.knowledge, encoder, text_encoder="words", references=world.references)


def test_a_picture_that_changes_while_it_is_embedded_is_refused(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "red_disc"
    folder.mkdir()
    for number in range(2):
        (folder / f"{number}.png").write_bytes(png(COLOURS["red"], shade=number))

    class Slow(ColourTower):
        def encode_texts(self, texts: Sequence[str]) -> FloatArray:
            (folder / "1.png").write_bytes(png(COLOURS["blue"], shade=1))
            return super().encode_texts(texts)

    tower = Slow()
    encoder = dataclasses.replace(colour_encoder(), images=tower, texts=tower)
    with pytest.raises(ImageError, match=r"1\.png was changed while it was embedded; build again"):
        KnowledgeIndex.build(world.knowledge, encoder, text_encoder="words", references=tmp_path)


def test_the_vector_of_a_text_does_not_depend_on_its_neighbours(world: World) -> None:
    """So that a vector taken over is the vector of a fresh build, with a real encoder too."""
    base = load_knowledge(world.knowledge)
    whole = KnowledgeIndex.build(
        base, "builtin:tiny", text_encoder="builtin:tiny", references=world.references
    )
    first = KnowledgeBase(base.root, base.files[:1])
    part = KnowledgeIndex.build(
        first, "builtin:tiny", text_encoder="builtin:tiny", references=world.references
    )
    assert part.passage_vectors is not None
    assert whole.passage_vectors is not None
    assert part.passage_vectors == pytest.approx(whole.passage_vectors[:17], abs=1e-6)
    assert part.key_vectors == pytest.approx(whole.key_vectors[:5], abs=1e-6)
    assert part.reference_vectors == pytest.approx(whole.reference_vectors[:12], abs=1e-6)


def test_a_reference_is_of_the_normal_state_and_whole_unless_it_says_otherwise() -> None:
    reference = Reference("ant", "a.png", "0" * 64)
    assert (reference.entry, reference.view) == ("normal", "whole")
