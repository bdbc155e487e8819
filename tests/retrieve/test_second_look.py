"""Two products that are too close to tell: ties, and the second look at both."""

from __future__ import annotations

import dataclasses
import importlib
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from mmad_rag.encoders import load_encoder
from mmad_rag.encoders.protocol import Encoder
from mmad_rag.index import KnowledgeIndex
from mmad_rag.index.views import WHOLE, view_of
from mmad_rag.records import FloatArray, RouteOutcome
from mmad_rag.report.explain import route_lines
from mmad_rag.retrieve.routing.router import Router
from mmad_rag.retrieve.routing.tie_break import PairwiseTieBreak
from tests.retrieve.hand_made_index import _stacked, index_of, spread_references, unit
from tests.support.paths import ROOT
from tests.support.world import World, colour_encoder


class Told:
    """A closer look that says what it is told to."""

    def __init__(self, lead: float | None) -> None:
        self.answer = lead
        self.asked: list[tuple[str, str]] = []

    def lead(self, vector: FloatArray, first: str, second: str) -> float | None:
        self.asked.append((first, second))
        return self.answer


def test_a_small_lead_is_a_near_tie_of_both(between: tuple[KnowledgeIndex, FloatArray]) -> None:
    base, vector = between
    found = Router(base).route(vector)
    assert found.outcome is RouteOutcome.NEAR_TIE
    assert found.products == ("red_disc", "blue_bar")
    assert found.second_look is None
    assert 0.5 < found.confidence < 0.75


def test_a_second_look_is_asked_about_just_those_two(between: tuple[KnowledgeIndex, FloatArray]) -> None:
    base, vector = between
    closer = Told(2.0)
    found = Router(base, closer).route(vector)
    assert closer.asked == [("red_disc", "blue_bar")]
    assert (found.outcome, found.products) == (RouteOutcome.PRODUCT, ("red_disc",))
    assert found.second_look is not None
    assert found.second_look.lead_after == pytest.approx(found.second_look.lead_before + 2.0)
    lead = found.second_look.lead_after
    assert found.confidence == pytest.approx(found.known / (1 + np.exp(-lead / 0.5)), abs=1e-5)
    assert "second look at red_disc and blue_bar: lead +0.0" in "\n".join(route_lines(found))


def test_a_second_look_can_turn_the_two_round(between: tuple[KnowledgeIndex, FloatArray]) -> None:
    base, vector = between
    found = Router(base, Told(-2.0)).route(vector)
    assert found.products == ("blue_bar",)
    assert [item.product for item in found.candidates[:2]] == ["blue_bar", "red_disc"]


def test_a_second_look_that_sees_nothing_changes_nothing(between: tuple[KnowledgeIndex, FloatArray]) -> None:
    base, vector = between
    assert Router(base, Told(None)).route(vector) == Router(base).route(vector)


def test_clear_and_unknown_pictures_get_no_second_look(between: tuple[KnowledgeIndex, FloatArray]) -> None:
    base, vector = between
    closer = Told(2.0)
    Router(base, closer).route(unit(1, 0, 0))
    unknown = dataclasses.replace(
        base,
        manifest=base.manifest.model_copy(
            update={"calibration": base.manifest.calibration.model_copy(update={"threshold": 1.0})}  # type: ignore[union-attr]
        ),
    )
    assert Router(unknown, closer).route(vector).outcome is RouteOutcome.UNKNOWN
    assert closer.asked == []


def test_tell_apart_sentences_decide_between_two_products(world: World, tmp_path: Path) -> None:
    """The sentences alone name the colours that the keys do not tell apart."""
    folder = tmp_path / "knowledge"
    folder.mkdir()
    for product, other, colour in (("disc_a", "disc_b", "red"), ("disc_b", "disc_a", "blue")):
        text = (
            (world.knowledge / "red_disc.yaml").read_text().replace("red_disc", product).replace("red ", "")
        )
        text = text.replace("evenly red", "evenly painted")
        text += f"tell_apart:\n  - product: {other}\n    how: [The paint is {colour} .]\n"
        (folder / f"{product}.yaml").write_text(text)
    encoder = colour_encoder()
    index = KnowledgeIndex.build(folder, encoder, text_encoder="words")
    look = PairwiseTieBreak(index, encoder)
    red, blue = unit(220, 30, 30), unit(40, 40, 230)
    assert (look.lead(red, "disc_a", "disc_b") or 0) > 0
    assert (look.lead(blue, "disc_a", "disc_b") or 0) < 0
    assert look.lead(red, "disc_b", "disc_a") == pytest.approx(-(look.lead(red, "disc_a", "disc_b") or 0))


def test_without_tell_apart_sentences_the_texts_are_contrasted(
    index: KnowledgeIndex, encoder: Encoder
) -> None:
    look = PairwiseTieBreak(
        dataclasses.replace(index, references=(), reference_vectors=_stacked([])), encoder
    )
    assert (look.lead(unit(220, 30, 30), "red_disc", "blue_bar") or 0) > 0
    assert (look.lead(unit(40, 40, 230), "red_disc", "blue_bar") or 0) < 0


def test_references_tell_two_products_apart(index: KnowledgeIndex) -> None:
    base = spread_references(index)
    look = PairwiseTieBreak(base, colour_encoder(texts=False))
    first, second = base.products[:2]
    assert (look.lead(unit(1, 0, 0), first, second) or 0) > 1
    assert (look.lead(unit(0, 1, 0), first, second) or 0) < -1
    assert abs(look.lead(unit(1, 1, 0), first, second) or 0) < 1


def test_nothing_tells_apart_two_products_that_are_the_same(index: KnowledgeIndex) -> None:
    same = [(product, f"{product}{n}", "whole", unit(1, 0, 0)) for product in index.products for n in (1, 2)]
    base = index_of(index, references=same)
    look = PairwiseTieBreak(base, colour_encoder(texts=False))
    assert look.lead(unit(1, 0, 0), *base.products[:2]) is None
    silent = dataclasses.replace(base, passages=())
    assert PairwiseTieBreak(silent, colour_encoder()).lead(unit(1, 0, 0), *base.products[:2]) is None


@pytest.mark.slow
def test_where_keys_cannot_tell_look_alikes_apart_the_second_look_does() -> None:
    """With shared keys plain routing decides nothing between look-alikes, the second look nearly all."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        second_look = importlib.import_module("second_look")
    finally:
        sys.path.pop(0)
    encoder = load_encoder("builtin:tiny", batch_size=64)
    assert encoder.images is not None
    index = second_look.with_shared_keys(
        KnowledgeIndex.build(second_look.KNOWLEDGE, encoder, text_encoder="words")
    )
    with tempfile.TemporaryDirectory() as scratch:
        found = second_look.images(Path(scratch) / "sample")
    vectors = encoder.images.encode_images([view_of(image, WHOLE) for image, _ in found])
    right = {}
    for name, router in (
        ("plain", Router(index)),
        ("second", Router(index, PairwiseTieBreak(index, encoder))),
    ):
        kinds = [
            second_look.kind_of(router.route(vector), product)
            for vector, (_, product) in zip(vectors, found, strict=True)
        ]
        assert "look-alike" not in kinds
        right[name] = kinds.count("right")
    assert len(found) - right["second"] <= (len(found) - right["plain"]) / 2
