"""The whole measurement on the tiny world, by the library."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest

from mmad_rag.encoders.protocol import Encoder
from mmad_rag.errors import IndexMismatchError, InputError
from mmad_rag.images.perturb import CHANGES
from mmad_rag.index import KnowledgeIndex
from mmad_rag.report.routing_files import write_retrieval
from mmad_rag.report.tables.routing import retrieval_notes
from mmad_rag.retrieval_eval import RetrievalEvaluation, evaluate_retrieval, parse_changes
from mmad_rag.retrieval_eval.confusion import OUTSIDE
from mmad_rag.retrieval_eval.figures import ALL_CHANGES, RoutingMethod
from mmad_rag.retrieval_eval.images import Reason
from mmad_rag.retrieval_eval.latency import Step
from mmad_rag.retrieval_eval.result import figures_of
from mmad_rag.retrieve import ClipRetriever
from tests.retrieval_eval.labelled_images import shown_text, write_labelled
from tests.support.world import COLOURS, SHAPES, ColourTower, World, colour_encoder, png

CHOSEN = ("none", "brightness", "rotation_90")
"""Changes that leave a plain image's direction in colour space as it is."""


@pytest.fixture(scope="module")
def data(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two images of each product and two of other things."""
    return write_labelled(tmp_path_factory.mktemp("labelled"), world)


@pytest.fixture(scope="module")
def done(index: KnowledgeIndex, encoder: Encoder, data: Path) -> RetrievalEvaluation:
    """Everything measured."""
    return evaluate_retrieval(
        index,
        data,
        encoder=encoder,
        changes=CHOSEN,
        leave_product_out=True,
        references_per_product=(1, 2),
    )


def test_every_picture_counts_under_every_change(done: RetrievalEvaluation) -> None:
    result = done.result
    assert (result.known, result.outside, done.embedded) == (6, 2, 24)
    assert result.left_out == ()
    for router in RoutingMethod:
        assert [item.change for item in result.figures if item.router is router] == [*CHOSEN, ALL_CHANGES]
        pooled = figures_of(result.figures, router, ALL_CHANGES)
        assert (pooled.known, pooled.outside) == (18, 6)
        assert (pooled.top1.count, pooled.auroc) == (18, 1.0)
        assert pooled.false_accepts_95.count == 0
    assert figures_of(result.figures, RoutingMethod.NEAREST, "none").ece is None


def test_the_counts_are_those_of_the_retriever(
    done: RetrievalEvaluation, index: KnowledgeIndex, encoder: Encoder, data: Path
) -> None:
    from mmad_rag.images import open_image

    retriever = ClipRetriever(index, encoder=encoder)
    routes = done.measured.routes["none"]
    for image, route in zip(done.measured.images, routes, strict=True):
        expected = retriever.route(open_image(data / image.name))
        assert route == dataclasses.replace(expected, candidates=expected.candidates[:2])


def test_a_changed_reference_is_no_evidence_for_itself(
    done: RetrievalEvaluation, index: KnowledgeIndex, world: World
) -> None:
    """With one reference per product and no text, that very image has nothing to be found by."""
    textless = colour_encoder(texts=False)
    found = evaluate_retrieval(
        KnowledgeIndex.build(world.knowledge, textless, references=world.references),
        done.measured.images[0].path.parents[1],
        encoder=textless,
        changes=("rotation_90",),
        references_per_product=(1,),
    )
    (one,) = found.result.fewer_references
    lost = {item.digest for item in index.references} & {item.digest for item in found.measured.images}
    assert len(lost) == 3
    assert one.references == 3
    assert 3 <= figures_of(one.figures, RoutingMethod.ROUTE, "rotation_90").known <= 6
    assert figures_of(one.figures, RoutingMethod.ROUTE, "rotation_90").top1.share == 1.0


def test_products_and_confusion(done: RetrievalEvaluation) -> None:
    assert [item.product for item in done.result.products] == sorted(SHAPES)
    for item in done.result.products:
        assert (item.references, item.images, item.top1.count, item.top1.n) == (2, 2, 6, 6)
    for matrix in done.result.confusion:
        counts = np.array(matrix.counts)
        assert matrix.labels[-1] == OUTSIDE
        assert counts.sum() == 24
        assert counts[:3, :3].trace() + counts[:3, 3].sum() == 18


def test_without_its_product_a_picture_is_declared_unknown_or_counted_for_what_it_is_taken_for(
    done: RetrievalEvaluation,
) -> None:
    *parts, together = done.result.leave_product_out
    assert [part.product for part in parts] == sorted(SHAPES)
    assert together.unknown.n == 18
    assert together.unknown.count == sum(part.unknown.count for part in parts)
    assert together.nearest_unknown_95 is not None
    assert together.nearest_unknown_95.count == 18
    for part in parts:
        assert sum(part.named.values()) == part.unknown.n - part.unknown.count
        assert part.product not in part.named


def test_fewer_references_are_measured_like_the_whole(done: RetrievalEvaluation) -> None:
    one, two = done.result.fewer_references
    assert (one.per_product, one.references, two.references) == (1, 3, 6)
    assert two.figures == done.result.figures


def test_every_step_is_timed(done: RetrievalEvaluation) -> None:
    times = {item.step: item for item in done.result.latency}
    assert set(times) == set(Step)
    assert times[Step.DECODE].n == times[Step.ENCODE].n == times[Step.SEARCH].n == 8
    assert all(0 <= item.p50_ms <= item.p95_ms <= item.p99_ms for item in times.values())


def test_vectors_are_kept_from_one_measurement_to_the_next(
    index: KnowledgeIndex, data: Path, tmp_path: Path
) -> None:
    encoder = colour_encoder()
    assert isinstance(encoder.images, ColourTower)
    first = evaluate_retrieval(index, data, encoder=encoder, changes=CHOSEN, vectors=tmp_path)
    second = evaluate_retrieval(index, data, encoder=encoder, changes=CHOSEN, vectors=tmp_path)
    assert (first.embedded, second.embedded) == (24, 0)
    assert second.result.figures == first.result.figures


def test_an_interrupted_measurement_keeps_what_it_embedded(
    index: KnowledgeIndex, data: Path, tmp_path: Path
) -> None:
    def stop(_stage: str, done: int, _total: int) -> None:
        if done >= 32:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate_retrieval(
            index, data, encoder=colour_encoder(), changes=tuple(CHANGES), vectors=tmp_path, progress=stop
        )
    again = evaluate_retrieval(
        index, data, encoder=colour_encoder(), changes=tuple(CHANGES), vectors=tmp_path
    )
    assert again.embedded == 80 - 32


def test_an_index_of_texts_alone_is_measured_without_a_baseline(
    world: World, encoder: Encoder, data: Path, tmp_path: Path
) -> None:
    texts = KnowledgeIndex.build(world.knowledge, encoder)
    found = evaluate_retrieval(texts, data, encoder=encoder)
    assert {item.router for item in found.result.figures} == {RoutingMethod.ROUTE}
    assert found.result.figures[0].known == 6
    assert all(item.nearest_top1 is None for item in found.result.products)
    shown = shown_text(found.result)
    assert "nearest" in shown
    assert " - " in shown
    with pytest.raises(InputError, match="holds no reference images"):
        evaluate_retrieval(texts, data, encoder=encoder, references_per_product=(1,))
    write_retrieval(found, tmp_path, "{}\n")
    with (tmp_path / "pictures.csv").open(encoding="utf-8") as rows:
        assert {row["nearest"] for row in csv.DictReader(rows)} == {""}


def test_without_pictures_outside_the_catalogue_their_figures_are_left_out(
    index: KnowledgeIndex, encoder: Encoder, tmp_path: Path
) -> None:
    (tmp_path / "red_disc").mkdir()
    (tmp_path / "red_disc" / "1.png").write_bytes(png(COLOURS["red"], shade=8))
    found = evaluate_retrieval(index, tmp_path, encoder=encoder)
    assert found.result.figures[0].auroc is None
    assert "outside the catalogue" not in shown_text(found.result)


def test_pictures_without_any_evidence_in_the_index_are_left_out_with_that_reason(
    world: World, data: Path
) -> None:
    encoder = colour_encoder(texts=False)
    whole = KnowledgeIndex.build(world.knowledge, encoder, references=world.references)
    poorer = whole.remove_references("blue_bar")
    found = evaluate_retrieval(poorer, data, encoder=encoder)
    assert found.found.left_out == {Reason.NO_EVIDENCE: ("blue_bar/new.png", "blue_bar/own.png")}
    assert (found.result.known, found.result.left_out[0].count) == (4, 2)
    assert any("blue_bar/new.png" in line for line in retrieval_notes(found.result))


def test_what_cannot_be_measured_is_refused(index: KnowledgeIndex, encoder: Encoder, data: Path) -> None:
    with pytest.raises(InputError, match="at least one change"):
        evaluate_retrieval(index, data, encoder=encoder, changes=())
    with pytest.raises(InputError, match="at least 1"):
        evaluate_retrieval(index, data, encoder=encoder, references_per_product=(0,))
    with pytest.raises(IndexMismatchError, match="use that encoder"):
        evaluate_retrieval(index, data, encoder=colour_encoder(name="other"))
    lone = index.remove("red_disc", "blue_bar")
    with pytest.raises(InputError, match="knows one product only"):
        evaluate_retrieval(lone, data, encoder=encoder, leave_product_out=True)


def test_changes_are_named_on_one_line() -> None:
    assert parse_changes("all") == tuple(CHANGES)
    assert parse_changes(" blur, none ,blur") == ("blur", "none")
    with pytest.raises(InputError, match="no change 'sharpen'"):
        parse_changes("none,sharpen")
    with pytest.raises(InputError, match="no change is named"):
        parse_changes(" , ")
