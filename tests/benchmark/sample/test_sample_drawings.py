"""The sample's drawings: exact masks, determinism, and facts for all that is drawn."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from mmad_rag.benchmark.sample import (
    CATALOGUE,
    GOOD,
    LOOK_ALIKES,
    UNKNOWN_PRODUCTS,
    Kind,
    SampleProduct,
    draw,
)
from mmad_rag.benchmark.sample import facts as facts_module
from mmad_rag.benchmark.sample.canvas import Canvas
from mmad_rag.benchmark.sample.draw import _changed, region_of
from mmad_rag.benchmark.sample.facts import load_facts
from mmad_rag.errors import DataError
from tests.support.sample_world import OBJECT_TYPES, find

pytestmark = pytest.mark.slow

KINDS = [(product, kind) for product in CATALOGUE for kind in product.kinds]


@pytest.mark.parametrize(("product", "kind"), KINDS, ids=lambda value: value.name)
def test_a_mask_covers_exactly_what_the_defect_changed(product: SampleProduct, kind: Kind) -> None:
    """Good and defective pictures of one generator state differ under the mask and nowhere else."""
    clean = draw(product.name, GOOD, np.random.default_rng(7), 112)
    flawed = draw(product.name, kind.label, np.random.default_rng(7), 112, kind=kind.name)
    difference = np.abs(flawed.image.astype(int) - clean.image.astype(int)).max(axis=2)
    inside = flawed.mask == 255
    near = np.asarray(Image.fromarray(flawed.mask).filter(ImageFilter.MaxFilter(5))) == 255
    assert set(np.unique(flawed.mask)) == {0, 255}
    assert 0.001 < inside.mean() < 0.7
    assert difference[inside].max() > 25, "the defect cannot be seen"
    assert difference[~near].max(initial=0) <= 16, "something changed outside the mask"


@pytest.mark.parametrize("product", [*CATALOGUE, *UNKNOWN_PRODUCTS], ids=lambda product: product.name)
def test_a_drawing_is_decided_by_its_generator(product: SampleProduct) -> None:
    """Equal states give equal pixels, others give other pixels; a good picture has an empty mask."""
    first, again, other = (draw(product.name, GOOD, np.random.default_rng(seed), 64) for seed in (3, 3, 4))
    assert first.image.dtype == np.uint8
    assert first.image.shape == (64, 64, 3)
    assert np.array_equal(first.image, again.image)
    assert np.abs(first.image.astype(int) - other.image).mean() > 2
    assert not first.mask.any()
    assert (first.kind, first.region, first.doubtful) == (GOOD, "", ())


def test_without_a_kind_the_generator_chooses_among_those_of_the_label() -> None:
    kinds = {draw("candle", "bad", np.random.default_rng(seed), 48).kind for seed in range(24)}
    assert kinds == {kind.name for kind in find("candle").kinds}


def test_the_region_is_where_the_centroid_of_the_mask_lies() -> None:
    for seed in range(12):
        drawing = draw("tile", "oil", np.random.default_rng(seed), 64)
        rows, columns = np.nonzero(drawing.mask)
        assert drawing.region == region_of(columns.mean() / 64 + 0.5 / 64, rows.mean() / 64 + 0.5 / 64)
        assert drawing.region not in drawing.doubtful


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [(0.1, 0.1, "upper left"), (0.5, 0.5, "centre"), (0.5, 0.99, "lower centre"), (1.0, 0.4, "middle right")],
)
def test_regions_are_ninths_of_the_picture(x: float, y: float, words: str) -> None:
    assert region_of(x, y) == words


def test_a_ring_shaped_change_is_filled_and_an_open_one_is_not() -> None:
    clean = np.zeros((60, 60, 3), dtype=np.float32)
    ring, hook = clean.copy(), clean.copy()
    ring[10:50, 10:50] = 1
    ring[15:45, 15:45] = 0
    hook[:] = ring
    hook[10:15, 15:45] = 0
    assert _changed(clean, ring)[30, 30] == 255
    assert _changed(clean, hook)[30, 30] == 0


def test_a_window_draws_onto_its_canvas() -> None:
    """The window's corner is kept inside the picture, and its coordinates are the canvas's."""
    canvas = Canvas(100)
    window = canvas.window(0.95, 0.5, 0.1)
    window.paint(window.page().disc(0.9, 0.5, 0.05), (1.0, 0.0, 0.0))
    assert window.corner == (80, 40)
    assert canvas.pixels[50, 90].tolist() == [1.0, 0.0, 0.0]
    assert canvas.pixels[50, 80].tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("teapot", GOOD), "draws no product 'teapot'"),
        (("bottle", "melted"), "it knows good, broken_large"),
        (("gear", "bent"), "it knows good"),
    ],
)
def test_what_cannot_be_drawn_is_refused(arguments: tuple[str, str], words: str) -> None:
    with pytest.raises(DataError, match=re.escape(words)):
        draw(*arguments, np.random.default_rng(0))


def test_too_small_pictures_and_unknown_kinds_are_refused() -> None:
    with pytest.raises(DataError, match="ask for 48 or more"):
        draw("bottle", GOOD, np.random.default_rng(0), 47)
    with pytest.raises(DataError, match="it has bubble, discolor"):
        draw("capsules", "bad", np.random.default_rng(0), 48, kind="crack")


def test_the_catalogue_is_as_large_as_promised() -> None:
    assert len(CATALOGUE) == 20
    assert len(UNKNOWN_PRODUCTS) == 5
    assert len(KINDS) == 78
    assert LOOK_ALIKES == (("capsule", "capsules"), ("macaroni1", "macaroni2"))
    assert find("toothbrush").labels == (GOOD, "defective")
    assert find("pcb1").labels == (GOOD, "bad")
    assert find("bottle").labels == (GOOD, "broken_large", "broken_small", "contamination")


@pytest.mark.parametrize("product", CATALOGUE, ids=lambda product: product.name)
def test_there_are_facts_for_all_that_is_drawn(product: SampleProduct) -> None:
    facts = load_facts(product.name)
    assert facts.product == product.name
    assert [defect.kind for defect in facts.defects] == [kind.name for kind in product.kinds]
    assert len(facts.specifics) >= 2
    assert len(facts.parts) in {0, 4, 5}
    for specific in facts.specifics:
        texts = [specific.answer, *specific.wrong]
        assert specific.type in OBJECT_TYPES - {"Object Classification"}
        assert len(set(texts)) == len(texts) >= 4
        assert min(map(len, specific.wrong)) < len(specific.answer) < max(map(len, specific.wrong))


def test_statements_that_stand_in_for_each_other_differ_between_products() -> None:
    """No product's noun, layout, look or purpose is another's."""
    everything = [load_facts(product.name) for product in CATALOGUE]
    for texts in zip(*((f.noun, f.layout, f.look, f.purpose) for f in everything), strict=True):
        assert len(set(texts)) == len(CATALOGUE)


def test_facts_that_are_absent_or_do_not_fit_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts_module, "__file__", str(tmp_path / "facts.py"))
    load = facts_module.load_facts.__wrapped__
    with pytest.raises(DataError, match="knows no facts about 'teapot'"):
        load("teapot")
    (tmp_path / "facts").mkdir()
    (tmp_path / "facts" / "teapot.yaml").write_text("product: teapot\n", encoding="utf-8")
    with pytest.raises(DataError, match="do not fit their records"):
        load("teapot")
