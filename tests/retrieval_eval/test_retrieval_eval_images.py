"""Labelled images: what counts as a query, what is left out and why, and that nothing is embedded twice."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mmad_rag.encoders.protocol import Encoder
from mmad_rag.errors import DataError, EncoderError, InputError
from mmad_rag.images import open_image
from mmad_rag.images.perturb import CHANGES
from mmad_rag.index.views import WHOLE, view_of
from mmad_rag.retrieval_eval.embed import ABOUT, VECTORS, VectorCache, VectorKey, embed_changes
from mmad_rag.retrieval_eval.images import Reason, find_images
from tests.support.paths import ROOT
from tests.support.sample_world import render_small
from tests.support.shared import MMAD, needs_shared
from tests.support.world import COLOURS, ColourTower, colour_encoder, png

PRODUCTS = ("red_disc", "green_square", "blue_bar")


def put(path: Path, shade: int, colour: str = "red") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(COLOURS[colour], shade=shade))


def labels(folder: Path) -> dict[str, str | None]:
    return {image.name: image.product for image in find_images(folder, PRODUCTS).images}


def test_the_last_folder_that_is_a_product_is_the_label(tmp_path: Path) -> None:
    put(tmp_path / "red_disc" / "1.png", 1)
    put(tmp_path / "red_disc" / "crack" / "deep" / "2.PNG", 2)
    put(tmp_path / "blue_bar" / "green_square" / "3.jpg", 3)
    put(tmp_path / "elsewhere" / "4.png", 4)
    put(tmp_path / "unknown" / "red_disc" / "5.png", 5)
    put(tmp_path / "red_disc" / "train" / "good" / "6.png", 6)
    put(tmp_path / "red_disc" / "ground_truth" / "crack" / "7.png", 7)
    (tmp_path / "red_disc" / "notes.txt").write_text("no image")
    assert labels(tmp_path) == {
        "blue_bar/green_square/3.jpg": "green_square",
        "red_disc/1.png": "red_disc",
        "red_disc/crack/deep/2.PNG": "red_disc",
        "unknown/red_disc/5.png": None,
    }
    assert find_images(tmp_path, PRODUCTS).left_out == {
        Reason.NO_PRODUCT: ("elsewhere/4.png",),
        Reason.TEMPLATE: ("red_disc/train/good/6.png",),
        Reason.MASK: ("red_disc/ground_truth/crack/7.png",),
    }


def test_the_sample_is_read_by_its_question_file(tmp_path: Path) -> None:
    summary = render_small(tmp_path)
    (tmp_path / "DS-MVTec" / "bottle" / "image" / "good" / "000.png").unlink()
    put(tmp_path / "extra" / "bottle" / "good" / "1.png", 1)
    found = find_images(tmp_path, ["bottle", "candle"])
    known = [image for image in found.images if image.product]
    capsule = len([name for name in found.left_out[Reason.NO_PRODUCT] if "capsule" in name])
    assert len(known) == summary.good + summary.defective - capsule
    assert len(found.images) - len(known) == summary.unknown
    assert found.left_out[Reason.NO_FILE] == ("DS-MVTec/bottle/image/good/000.png",)
    assert len(found.left_out[Reason.TEMPLATE]) == summary.templates
    assert len(found.left_out[Reason.MASK]) == summary.defective
    assert {image.product for image in known} == {"bottle", "candle"}


def test_the_same_bytes_count_once(tmp_path: Path) -> None:
    put(tmp_path / "red_disc" / "1.png", 1)
    put(tmp_path / "red_disc" / "2.png", 1)
    found = find_images(tmp_path, PRODUCTS)
    assert [image.name for image in found.images] == ["red_disc/1.png"]
    assert found.left_out == {Reason.TWICE: ("red_disc/2.png",)}


@pytest.mark.parametrize("other", ["blue_bar", "unknown"])
def test_two_labels_for_the_same_bytes_are_refused(tmp_path: Path, other: str) -> None:
    put(tmp_path / "red_disc" / "1.png", 1)
    put(tmp_path / other / "2.png", 1)
    with pytest.raises(DataError, match=rf"same bytes, but one is labelled .*{other}.*remove the wrong one"):
        find_images(tmp_path, PRODUCTS)


def test_a_folder_without_known_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder of labelled images at"):
        find_images(tmp_path / "absent", PRODUCTS)
    with pytest.raises(DataError, match=r"no image to measure on .* blue_bar, green_square, red_disc"):
        find_images(tmp_path, PRODUCTS)
    put(tmp_path / "unknown" / "1.png", 1)
    with pytest.raises(DataError, match=r"holds 1 image\(s\) of unknown things and none of a product"):
        find_images(tmp_path, PRODUCTS)


def test_links_out_of_the_folder_are_followed_and_what_is_no_file_is_passed_over(tmp_path: Path) -> None:
    data = tmp_path / "data"
    put(data / "red_disc" / "1.png", 1)
    put(tmp_path / "outside.png", 2)
    (data / "red_disc" / "2.png").symlink_to(tmp_path / "outside.png")
    (data / "red_disc" / "3.png").mkdir()
    found = find_images(data, PRODUCTS)
    assert [image.name for image in found.images] == ["red_disc/1.png", "red_disc/2.png"]
    assert found.left_out == {}


@needs_shared
@pytest.mark.shared
@pytest.mark.slow
def test_the_real_data_has_as_many_queries_as_its_readme_says() -> None:
    catalogue = {path.stem for path in (ROOT / "knowledge").glob("*.yaml")}
    found = find_images(MMAD, catalogue)
    questions = set(json.loads((MMAD / "mmad.json").read_text()))
    assert sum(image.name in questions for image in found.images) == 125
    assert sum(image.name.startswith("extra/") for image in found.images) == 13
    assert sum(image.product is None for image in found.images) == 32
    assert len(found.left_out[Reason.TEMPLATE]) == 13


def tower_of(encoder: Encoder) -> ColourTower:
    assert isinstance(encoder.images, ColourTower)
    return encoder.images


def test_each_changed_picture_is_embedded_once(tmp_path: Path) -> None:
    for shade in range(40):
        put(tmp_path / "red_disc" / f"{shade:02d}.png", shade)
    encoder = colour_encoder()
    found = find_images(tmp_path, PRODUCTS)
    cache = VectorCache(encoder.fingerprint, 0)
    steps: list[tuple[int, int]] = []
    first = embed_changes(
        found, ("none", "greyscale"), encoder, cache, lambda _, done, total: steps.append((done, total))
    )
    assert (first.embedded, tower_of(encoder).images_seen) == (80, 80)
    assert steps == [(32, 80), (64, 80), (80, 80)]
    assert first.vectors["none"].shape == (40, 3)
    shown = view_of(open_image(found.images[7].path), WHOLE)
    assert np.array_equal(first.vectors["none"][7], tower_of(colour_encoder()).encode_images([shown])[0])
    assert first.vectors["greyscale"][0] == pytest.approx([3**-0.5] * 3, abs=0.01)
    again = embed_changes(found, ("greyscale", "none", "crop"), encoder, cache)
    assert (again.embedded, tower_of(encoder).images_seen) == (40, 120)
    assert np.array_equal(again.vectors["none"], first.vectors["none"])


def test_a_picture_that_cannot_be_decoded_is_left_out_of_all_changes(tmp_path: Path) -> None:
    put(tmp_path / "red_disc" / "1.png", 1)
    (tmp_path / "red_disc" / "2.png").write_bytes(png(COLOURS["red"], shade=2)[:40])
    encoder = colour_encoder()
    found = find_images(tmp_path, PRODUCTS)
    embedded = embed_changes(found, tuple(CHANGES), encoder, VectorCache(encoder.fingerprint, 0))
    assert [image.name for image in embedded.found.images] == ["red_disc/1.png"]
    assert embedded.found.left_out == {Reason.UNREADABLE: ("red_disc/2.png",)}
    assert {rows.shape for rows in embedded.vectors.values()} == {(1, 3)}


def test_an_encoder_of_texts_alone_is_refused(tmp_path: Path) -> None:
    put(tmp_path / "red_disc" / "1.png", 1)
    blind = colour_encoder(images=False)
    with pytest.raises(EncoderError, match="has no image tower"):
        embed_changes(find_images(tmp_path, PRODUCTS), ("none",), blind, VectorCache("x", 0))


def filled() -> VectorCache:
    rows = np.eye(3, dtype=np.float32)
    keys = (VectorKey("1" * 64, "none"), VectorKey("1" * 64, "blur"), VectorKey("2" * 64, "none"))
    return VectorCache("print", 4, dict(zip(keys, rows, strict=True)))


def test_vectors_come_back_from_disk_as_they_were(tmp_path: Path) -> None:
    cache = filled()
    cache.save(tmp_path / "new" / "folder")
    found = VectorCache.load(tmp_path / "new" / "folder", encoder="print", seed=4)
    assert list(found.vectors) == list(cache.vectors)
    assert all(np.array_equal(found.vectors[key], cache.vectors[key]) for key in cache.vectors)


@pytest.mark.parametrize(("encoder", "seed"), [("other", 4), ("print", 5)])
def test_vectors_of_another_encoder_or_seed_are_not_used(tmp_path: Path, encoder: str, seed: int) -> None:
    filled().save(tmp_path)
    assert VectorCache.load(tmp_path, encoder=encoder, seed=seed).vectors == {}


@pytest.mark.parametrize("name", [ABOUT, VECTORS])
def test_damaged_vectors_are_not_used(tmp_path: Path, name: str) -> None:
    """Cut at any tenth of its length, the cache is empty and raises nothing."""
    filled().save(tmp_path)
    whole = (tmp_path / name).read_bytes()
    for tenth in range(10):
        (tmp_path / name).write_bytes(whole[: len(whole) * tenth // 10])
        assert VectorCache.load(tmp_path, encoder="print", seed=4).vectors == {}
    (tmp_path / name).unlink()
    assert VectorCache.load(tmp_path, encoder="print", seed=4).vectors == {}


def test_a_cache_with_fewer_names_than_vectors_is_not_used(tmp_path: Path) -> None:
    filled().save(tmp_path)
    about = json.loads((tmp_path / ABOUT).read_text())
    (tmp_path / ABOUT).write_text(json.dumps(about | {"keys": about["keys"][:2]}))
    assert VectorCache.load(tmp_path, encoder="print", seed=4).vectors == {}


def test_an_empty_cache_writes_nothing_and_a_bad_folder_is_named(tmp_path: Path) -> None:
    VectorCache("print", 4).save(tmp_path / "x")
    assert not (tmp_path / "x").exists()
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"file cannot be written to .* name another folder"):
        filled().save(tmp_path / "file")
