"""The encoder that is shipped: what it can do on drawings it never saw, and that its card tells the truth."""

from __future__ import annotations

import hashlib
import importlib
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mmad_rag.encoders
from mmad_rag.benchmark.sample.catalogue import CATALOGUE, UNKNOWN_PRODUCTS
from mmad_rag.benchmark.sample.draw import draw
from mmad_rag.encoders import Encoder, load_encoder
from mmad_rag.encoders.repair import import_torchvision
from mmad_rag.errors import EncoderError
from mmad_rag.images import open_image
from mmad_rag.index.build.embed import KEY_TEMPLATES, embed_keys
from mmad_rag.knowledge import load_knowledge, visual_keys
from mmad_rag.records import EncodedImage, FloatArray
from tests.support.paths import ROOT

FOLDER = Path(mmad_rag.encoders.__file__).parent / "tiny"
DRAWN = [product.name for product in CATALOGUE]


@pytest.fixture(scope="module")
def tiny() -> Encoder:
    return load_encoder("builtin:tiny", batch_size=32)


@pytest.fixture(scope="module")
def keys(tiny: Encoder) -> dict[str, FloatArray]:
    """Per product of the knowledge base one unit vector: the mean over its keys of the prompt ensemble."""
    means = {
        product.product: embed_keys(visual_keys(product), KEY_TEMPLATES, tiny).mean(axis=0)
        for product in load_knowledge(ROOT / "knowledge").products
    }
    return {name: (mean / np.linalg.norm(mean)).astype(np.float32) for name, mean in means.items()}


def drawing(product: str, label: str, number: int) -> EncodedImage:
    """An image from a stream that neither the training nor the sample uses."""
    rng = np.random.default_rng([31_337, number, *product.encode(), *label.encode()])
    return open_image(draw(product, label, rng, 224).image)


def seen(tiny: Encoder, pictures: list[EncodedImage]) -> FloatArray:
    assert tiny.images is not None
    return tiny.images.encode_images(pictures)


@pytest.fixture(scope="module")
def queries(tiny: Encoder) -> tuple[npt.NDArray[np.str_], FloatArray]:
    """One image of every label of every drawn product, with its product."""
    wanted = [(product.name, label) for product in CATALOGUE for label in product.labels]
    vectors = seen(tiny, [drawing(name, label, 0) for name, label in wanted])
    return np.array([name for name, _ in wanted]), vectors


def test_it_loads_from_the_package_and_is_small(tiny: Encoder) -> None:
    assert tiny.spec == "builtin:tiny"
    assert (tiny.dim, tiny.context) == (128, 77)
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 10_000_000
    assert {path.name for path in FOLDER.iterdir()} == {
        "README.md",
        "config.json",
        "merges.txt.gz",
        "weights.safetensors",
    }


def test_it_is_an_ordinary_open_clip_model(tiny: Encoder) -> None:
    """The general door gives the same vectors as the short name."""
    same = load_encoder(f"open_clip:{FOLDER / 'config.json'}@{FOLDER / 'weights.safetensors'}")
    assert same.fingerprint == tiny.fingerprint


def test_its_card_gives_the_true_figures() -> None:
    from safetensors import safe_open

    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    digest = hashlib.sha256((FOLDER / "weights.safetensors").read_bytes()).hexdigest()
    assert digest in card
    buffers = ("running_mean", "running_var", "num_batches_tracked")
    with safe_open(FOLDER / "weights.safetensors", framework="numpy") as file:
        sizes = [np.prod(file.get_slice(n).get_shape()) for n in file.keys() if not n.endswith(buffers)]  # noqa: SIM118
    assert f"{int(sum(sizes)):,} parameters" in card
    assert "not for real parts" in card.lower()


def test_texts_alone_route_held_out_drawings_among_all_products(
    keys: dict[str, FloatArray], queries: tuple[npt.NDArray[np.str_], FloatArray]
) -> None:
    """At least 95 % of the defective and good drawings, with every product of the base as a candidate."""
    truth, vectors = queries
    names = np.array(list(keys))
    best = names[(vectors @ np.stack(list(keys.values())).T).argmax(axis=1)]
    assert set(DRAWN) <= set(names)
    assert (best == truth).mean() >= 0.95


@pytest.mark.parametrize("pair", [("capsule", "capsules"), ("macaroni1", "macaroni2")])
def test_texts_tell_look_alikes_apart(
    tiny: Encoder, keys: dict[str, FloatArray], pair: tuple[str, str]
) -> None:
    columns = np.stack([keys[name] for name in pair]).T
    for right, name in enumerate(pair):
        vectors = seen(tiny, [drawing(name, "good", number) for number in range(1, 11)])
        assert ((vectors @ columns).argmax(axis=1) == right).mean() >= 0.9


def test_references_route_held_out_drawings(
    tiny: Encoder, queries: tuple[npt.NDArray[np.str_], FloatArray]
) -> None:
    """Two good images of each product; the nearest one names the product, for at least 97 %."""
    truth, vectors = queries
    references = seen(tiny, [drawing(name, "good", number) for name in DRAWN for number in (50, 51)])
    owners = np.repeat(DRAWN, 2)
    assert (owners[(vectors @ references.T).argmax(axis=1)] == truth).mean() >= 0.97


def test_products_outside_the_catalogue_score_lower(
    tiny: Encoder, keys: dict[str, FloatArray], queries: tuple[npt.NDArray[np.str_], FloatArray]
) -> None:
    """A known image's best text score is above an unknown one's in at least 90 % of the pairs."""
    _, vectors = queries
    strangers = seen(
        tiny, [drawing(product.name, "good", n) for product in UNKNOWN_PRODUCTS for n in range(8)]
    )
    columns = np.stack(list(keys.values())).T
    known, unknown = (vectors @ columns).max(axis=1), (strangers @ columns).max(axis=1)
    assert (known[:, None] > unknown[None, :]).mean() >= 0.9


def test_descriptions_are_nearest_to_their_own_product(tiny: Encoder, keys: dict[str, FloatArray]) -> None:
    """Text against text: at least 95 % of all one-line descriptions find their product."""
    assert tiny.texts is not None
    lines = [
        (product.product, line)
        for product in load_knowledge(ROOT / "knowledge").products
        for line in product.visual.descriptions
    ]
    scores = tiny.texts.encode_texts([line for _, line in lines]) @ np.stack(list(keys.values())).T
    best = np.array(list(keys))[scores.argmax(axis=1)]
    assert (best == np.array([name for name, _ in lines])).mean() >= 0.95


@settings(deadline=None, max_examples=60)
@given(st.text(max_size=12))
def test_any_text_can_be_read(text: str) -> None:
    """Every Unicode text has tokens for all of its bytes, and a vector."""
    encoder = load_tiny_once()
    assert encoder.texts is not None
    assert encoder.texts.count_tokens(text) >= 2
    if encoder.texts.count_tokens(text) <= 77:
        row = encoder.texts.encode_texts([text])
        assert abs(float(np.linalg.norm(row)) - 1) < 1e-5


_LOADED: list[Encoder] = []


def load_tiny_once() -> Encoder:
    if not _LOADED:
        _LOADED.append(load_encoder("builtin:tiny"))
    return _LOADED[0]


def test_a_text_beyond_its_context_is_refused(tiny: Encoder) -> None:
    assert tiny.texts is not None
    with pytest.raises(EncoderError, match="the encoder takes 77"):
        tiny.texts.encode_texts(["metal nut " * 60])


# ---------------------------------------------------------------------------------------- its training


def training_module(name: str) -> ModuleType:
    import_torchvision()
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        return importlib.import_module(f"tiny_training.{name}")
    finally:
        sys.path.remove(str(ROOT / "scripts"))


def test_merges_are_learnt_most_frequent_first_and_read_by_open_clip(tmp_path: Path) -> None:
    """Of "nut" x 5 and "nib" x 2, ties in alphabetical order; pairs seen once are left alone."""
    bpe = training_module("bpe")
    import open_clip

    texts = ["Nut nut, NUT nut nut.", "nib nib once"]
    merges = bpe.learn_merges(texts, 100)
    assert merges == [("n", "u"), ("nu", "t</w>"), ("i", "b</w>"), ("n", "ib</w>")]
    assert bpe.learn_merges(texts, 3) == merges[:3]
    bpe.write_merges(merges, tmp_path / "m.gz")
    tokenizer = open_clip.SimpleTokenizer(bpe_path=str(tmp_path / "m.gz"))
    assert tokenizer.vocab_size == bpe.vocabulary_size(merges) == 518
    assert len(tokenizer.encode("nut")) == 1
    assert len(tokenizer.encode("once")) == 4
    assert tokenizer.decode(tokenizer.encode("nib nuts")) == "nib nuts "


def test_the_loss_leaves_out_pairs_that_are_neither() -> None:
    """One row, positives at 2 and 1, a negative at 0: (log(1 + e^-2) + log(1 + e^-1)) / 2."""
    losses = training_module("losses")
    import torch

    scores = torch.tensor([[2.0, 1.0, 0.0, 9.0]])
    positive = torch.tensor([[True, True, False, False]])
    negative = torch.tensor([[False, False, True, False]])
    expected = (np.log1p(np.exp(-2)) + np.log1p(np.exp(-1))) / 2
    assert losses.contrast(scores, positive, negative).item() == pytest.approx(expected, rel=1e-6)
    nothing = torch.zeros_like(positive)
    assert losses.contrast(scores, nothing, negative).item() == 0


def test_training_pictures_come_from_streams_of_their_own() -> None:
    """The same numbers without the training's key give other images."""
    pictures = training_module("pictures")

    first, label = pictures._render_one(pictures._Job("pill", "good", 0, 1))
    again, _ = pictures._render_one(pictures._Job("pill", "good", 0, 1))
    plain = np.random.default_rng([1, int.from_bytes(b"pill", "big"), 0])
    size = pictures._SIZES[int(plain.integers(3))]
    other = draw("pill", "good", plain, size).image
    assert label == "good"
    assert first.shape == (128, 128, 3)
    assert np.array_equal(first, again)
    assert other.shape != first.shape or not np.array_equal(other, first)


@pytest.mark.slow
def test_the_training_script_repeats_itself(tmp_path: Path) -> None:
    """Two short trainings with one seed write the same three files; the config fits the weights."""
    for name in ("a", "b"):
        flags = ["--steps", "2", "--per-product", "3", "--distractors", "12", "--no-report", "--threads", "1"]
        script = [sys.executable, str(ROOT / "scripts" / "train_tiny.py"), "--out", str(tmp_path / name)]
        done = subprocess.run([*script, *flags], cwd=ROOT, capture_output=True, text=True, check=True)
        assert re.search(r"[\d,]+ parameters, trained in \d+ s", done.stdout)
    for file in ("config.json", "merges.txt.gz", "weights.safetensors"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    config = json.loads((tmp_path / "a" / "config.json").read_text())
    assert config["model_cfg"]["embed_dim"] == 128
    assert (
        load_encoder(f"open_clip:{tmp_path / 'a/config.json'}@{tmp_path / 'a/weights.safetensors'}").dim
        == 128
    )
