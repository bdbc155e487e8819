"""Encoders: specs, vectors, and the backbones of timm."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmad_rag.encoders import DEFAULT_ENCODER, load_encoder
from mmad_rag.encoders.repair import import_torchvision
from mmad_rag.encoders.spec import FORMS, parse_spec
from mmad_rag.encoders.vectors import unit_vectors
from mmad_rag.errors import EncoderError, InputError, SpecError
from mmad_rag.images import open_image, to_rgb
from tests.encoders import encoder_models as models
from tests.encoders.encoder_models import CLOSE, images_of
from tests.support.shared import MMAD, VIT_TINY, needs_shared


@pytest.fixture(scope="session")
def resnet_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models.write_timm(tmp_path_factory.mktemp("timm") / "resnet.safetensors", "test_resnet")


# ---------------------------------------------------------------------------------------------- specs


def test_a_spec_is_taken_apart() -> None:
    spec = parse_spec("open_clip:ViT-B-32/openai@~/weights.pt")
    assert (spec.provider, spec.name) == ("open_clip", "ViT-B-32/openai")
    assert spec.path == Path.home() / "weights.pt"


@given(st.text(alphabet="abc:/@.~ ", max_size=12))
def test_any_text_is_either_taken_apart_or_refused(text: str) -> None:
    provider, colon, rest = text.partition(":")
    if provider and colon and rest and not rest.startswith("@@") and rest[-1] != "@":
        spec = parse_spec(text)
        assert (spec.text, spec.provider) == (text, provider)
        assert spec.name or spec.path is not None
    elif not rest or not provider:
        with pytest.raises(SpecError, match="is incomplete"):
            parse_spec(text)


@pytest.mark.parametrize("spec", ["", "open_clip", "open_clip:", "open_clip:@", "timm:x@", ":x"])
def test_an_incomplete_spec_names_every_valid_form(spec: str) -> None:
    with pytest.raises(SpecError, match="is incomplete; the valid forms are\n") as caught:
        load_encoder(spec)
    assert all(form in str(caught.value) for form in FORMS)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("clip:ViT-B-32", "unknown provider 'clip'"),
        ("builtin:huge", "no built-in encoder"),
        ("builtin:tiny@x.pt", "no built-in encoder"),
        ("open_clip:ViT-B-32", "names no weights; its tags are openai"),
        ("open_clip:ViT-B/32", "names no weights; its tags are openai"),
        ("open_clip:ViT-B-32/", "names no weights; its tags are openai"),
        ("open_clip:ViT-B-33/openai", "did you mean ViT-B-32"),
        ("open_clip:nothing", "names no architecture"),
        ("open_clip:ViT-B-32/openaj", "names no weights of ViT-B-32; its tags are openai"),
        ("open_clip:ViT-S-32-alt", "no published weights: add @CHECKPOINT"),
        ("open_clip:config.json", "add @CHECKPOINT"),
        ("open_clip:ViT-L-14@x.pt", "leaves the preprocessing open"),
        ("timm:vit_tiny_patch16_244", "did you mean vit_tiny_patch16_2"),
        ("timm:", "is incomplete"),
        ("timm:@weights.pt", "names no architecture of timm"),
    ],
)
def test_a_wrong_spec_says_what_is_wrong(spec: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        load_encoder(spec)
    assert message in str(caught.value)


def test_the_default_encoder_is_a_published_one() -> None:
    spec = parse_spec(DEFAULT_ENCODER)
    assert spec.provider == "open_clip"
    import_torchvision()
    import open_clip

    arch, _, tag = spec.name.partition("/")
    assert tag in open_clip.list_pretrained_tags_by_model(arch)


def test_a_batch_size_below_one_is_refused() -> None:
    with pytest.raises(InputError, match="batch size is 0"):
        load_encoder("builtin:tiny", batch_size=0)


@pytest.mark.parametrize("device", ["cuda:99", "nonsense"])
def test_a_device_that_is_not_there_is_refused(device: str) -> None:
    with pytest.raises(EncoderError, match=f"the device '{device}' cannot be used.*give `cpu`"):
        load_encoder("builtin:tiny", device=device)


def test_importing_the_room_loads_nothing_heavy() -> None:
    code = (
        "import sys, mmad_rag.encoders as e, mmad_rag.encoders.open_clip_encoder, "
        "mmad_rag.encoders.timm_encoder, mmad_rag.encoders.sentence_transformers_encoder; "
        "print({'torch', 'open_clip', 'timm', 'sentence_transformers', 'PIL'} & set(sys.modules))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"


# -------------------------------------------------------------------------------------------- vectors


def test_rows_come_back_in_order_at_unit_length() -> None:
    import torch

    rows = unit_vectors(
        [3, 4, 12], lambda batch: torch.tensor([[n, 4.0] for n in batch]), dim=2, batch_size=2
    )
    expected = np.array([[0.6, 0.8], [2**-0.5, 2**-0.5], [12 / 160**0.5, 4 / 160**0.5]])
    assert rows.dtype == np.float32
    assert np.allclose(rows, expected, atol=1e-7)


@pytest.mark.parametrize("bad", [0.0, float("nan"), float("inf")])
def test_a_vector_without_a_direction_is_an_error(bad: float) -> None:
    import torch

    with pytest.raises(EncoderError, match="weights are damaged"):
        unit_vectors(["x"], lambda _: torch.tensor([[bad, 0.0]]), dim=2, batch_size=1)


# ------------------------------------------------------------------------------------------------ timm


def test_a_convolutional_backbone_gives_its_pooled_features(resnet_file: Path) -> None:
    import timm
    import torch
    from safetensors.torch import load_file

    encoder = load_encoder(f"timm:test_resnet@{resnet_file}")
    assert (encoder.dim, encoder.texts, encoder.context) == (96, None, None)
    model = timm.create_model("test_resnet", pretrained=False).eval()
    model.load_state_dict(load_file(resnet_file))
    config = timm.data.resolve_model_data_config(model)
    transform = timm.data.create_transform(**config, is_training=False)
    pixels = torch.stack([transform(to_rgb(image)) for image in models.pictures(2)])
    with torch.no_grad():
        pooled = model.forward_features(pixels).mean(dim=(2, 3))
    by_hand = torch.nn.functional.normalize(pooled, dim=1).numpy()
    assert np.allclose(images_of(encoder, 2), by_hand, atol=CLOSE)


def test_a_vision_transformer_gives_class_token_and_mean_patch_in_equal_parts(tmp_path: Path) -> None:
    import timm
    import torch

    path = models.write_timm(tmp_path / "vit.pt", "test_vit", classes=7)
    encoder = load_encoder(f"timm:test_vit@{path}", batch_size=2)
    rows = images_of(encoder, 3)
    assert encoder.dim == 128
    assert np.allclose(np.linalg.norm(rows[:, :64], axis=1), 0.5**0.5, atol=1e-6)
    model = timm.create_model("test_vit", pretrained=False, num_classes=7).eval()
    model.load_state_dict(torch.load(path, weights_only=True))
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model), is_training=False)
    pixels = torch.stack([transform(to_rgb(image)) for image in models.pictures(3)])
    with torch.no_grad():
        tokens = model.forward_features(pixels).numpy()
    assert tokens.shape == (3, 101, 64)
    for row, own in zip(rows, tokens, strict=True):
        parts = [own[0] / np.linalg.norm(own[0]), own[1:].mean(0) / np.linalg.norm(own[1:].mean(0))]
        assert np.allclose(row, np.concatenate(parts) / 2**0.5, atol=CLOSE)


def test_weights_of_another_backbone_are_refused(resnet_file: Path) -> None:
    with pytest.raises(EncoderError, match="belongs to another architecture: cls_token is missing"):
        load_encoder(f"timm:test_vit@{resnet_file}")


@needs_shared
@pytest.mark.shared
@pytest.mark.slow
def test_a_pretrained_backbone_routes_real_pictures_by_their_nearest_neighbour() -> None:
    """Every query image of 15 products against all others: at least 98 % of 125 find their own product."""
    paths = sorted((MMAD / "DS-MVTec").glob("*/image/*/*.png"))
    products = np.array([path.relative_to(MMAD / "DS-MVTec").parts[0] for path in paths])
    encoder = load_encoder(f"timm:vit_tiny_patch16_224@{VIT_TINY}")
    assert encoder.images is not None
    rows = encoder.images.encode_images([open_image(path) for path in paths])
    scores = rows @ rows.T
    np.fill_diagonal(scores, -1)
    assert len(paths) == 125
    assert (products[scores.argmax(axis=1)] == products).mean() >= 0.98
