"""Published weights of open_clip, from the cache of the model hub or not to be had."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mmad_rag.encoders import DEFAULT_ENCODER, Encoder, load_encoder
from mmad_rag.encoders.hub import quick_hub
from mmad_rag.encoders.repair import import_torchvision
from mmad_rag.errors import EncoderError, SpecError
from tests.encoders import encoder_models as models
from tests.encoders.encoder_models import CLOSE, ClipFiles, images_of, texts_of


@pytest.fixture
def registered(clip_files: ClipFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ClipFiles:
    """The small model as if it were one of open_clip's own architectures, with two tags."""
    import_torchvision()
    import open_clip
    from open_clip import factory, pretrained

    monkeypatch.setattr(factory, "_MODEL_CONFIG_PATHS", list(factory._MODEL_CONFIG_PATHS))
    monkeypatch.setattr(factory, "_MODEL_CONFIGS", dict(factory._MODEL_CONFIGS))
    (tmp_path / "Test-T-8.json").write_text(json.dumps(models.OPEN_CLIP))
    open_clip.add_model_config(tmp_path / "Test-T-8.json")
    tags = {
        "squashed": {
            "file": str(clip_files.torch),
            "resize_mode": "squash",
            "mean": (0.5,) * 3,
            "std": (0.25,) * 3,
        },
        "quick": {"file": str(clip_files.safetensors), "quick_gelu": True},
    }
    monkeypatch.setitem(pretrained._PRETRAINED, "Test-T-8", tags)
    return clip_files


def test_a_tag_gives_weights_and_the_preprocessing_they_were_trained_with(
    registered: ClipFiles, clip: Encoder
) -> None:
    encoder = load_encoder("open_clip:Test-T-8/squashed")
    assert encoder.spec == "open_clip:Test-T-8/squashed"
    assert np.allclose(images_of(encoder, 3), images_of(clip, 3), atol=CLOSE)
    assert encoder.fingerprint == clip.fingerprint


def test_a_tag_gives_the_activation_that_it_was_trained_with(registered: ClipFiles, clip: Encoder) -> None:
    quick = load_encoder("open_clip:Test-T/8/quick")
    plain = load_encoder(f"open_clip:Test-T-8/squashed@{registered.safetensors}")
    assert not np.allclose(texts_of(quick, "nut"), texts_of(clip, "nut"), atol=1e-4)
    assert np.allclose(texts_of(plain, "nut"), texts_of(clip, "nut"), atol=CLOSE)


def test_a_local_checkpoint_needs_a_tag_where_the_tags_disagree(registered: ClipFiles) -> None:
    with pytest.raises(SpecError, match="Test-T-8 has been trained with 2; put the tag"):
        load_encoder(f"open_clip:Test-T-8@{registered.torch}")


def test_a_damaged_download_says_which_file_to_delete(
    registered: ClipFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from open_clip import pretrained

    (tmp_path / "cut.safetensors").write_bytes(registered.safetensors.read_bytes()[:500])
    cut = {"cut": {"file": str(tmp_path / "cut.safetensors")}}
    monkeypatch.setitem(pretrained._PRETRAINED, "Test-T-8", cut)
    with pytest.raises(EncoderError, match=r"cut\.safetensors cannot be loaded .*; delete the file"):
        load_encoder("open_clip:Test-T-8/cut")


# ------------------------------------------------------------------------------------ without a network


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A hub that refuses connections, an empty cache, no proxy."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("no_hub")
@pytest.mark.parametrize(
    ("spec", "advice"),
    [
        (DEFAULT_ENCODER, "open_clip:ViT-B-32-256/datacomp_s34b_b86k@CHECKPOINT, or use builtin:tiny"),
        ("timm:resnet10t.c3_in1k", "timm:resnet10t.c3_in1k@CHECKPOINT"),
        ("sentence_transformers:nobody/nothing", "sentence_transformers:@FOLDER"),
    ],
)
def test_a_download_without_a_network_fails_soon_and_says_what_to_do(spec: str, advice: str) -> None:
    with pytest.raises(EncoderError, match="a download needs a network") as caught:
        load_encoder(spec)
    assert advice in str(caught.value)


@pytest.mark.usefixtures("no_hub")
def test_an_unreachable_hub_is_offline_for_one_block_only() -> None:
    from huggingface_hub import constants

    with quick_hub():
        assert constants.HF_HUB_OFFLINE
    assert not constants.HF_HUB_OFFLINE


@pytest.mark.usefixtures("no_hub")
@pytest.mark.parametrize("scheme", ["listening", "proxy"])
def test_a_reachable_hub_or_a_proxy_is_left_to_the_client(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    import socket

    from huggingface_hub import constants

    with socket.create_server(("127.0.0.1", 0)) as server:
        if scheme == "proxy":
            monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
        else:
            monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        with quick_hub():
            assert not constants.HF_HUB_OFFLINE
