"""Weight files: fingerprints over what they hold, and what is refused in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmad_rag.encoders import Encoder, load_encoder
from mmad_rag.encoders.fingerprint import fingerprint
from mmad_rag.encoders.weights import read_weights
from mmad_rag.errors import EncoderError
from tests.encoders import encoder_models as models
from tests.encoders.encoder_models import CLOSE, ClipFiles, images_of

# ---------------------------------------------------------------------------------------- fingerprints


def test_a_fingerprint_is_of_the_weights_and_not_of_their_file(clip: Encoder, clip_files: ClipFiles) -> None:
    other = load_encoder(f"open_clip:{clip_files.config}@{clip_files.torch}")
    assert other.fingerprint == clip.fingerprint
    assert len(clip.fingerprint) == 64
    assert np.allclose(images_of(other, 2), images_of(clip, 2), atol=CLOSE)


def test_a_fingerprint_changes_with_weights_preprocessing_architecture_and_tokenizer(
    clip: Encoder, clip_files: ClipFiles, tmp_path: Path
) -> None:
    import gzip

    from safetensors.torch import load_file, save_file

    state = load_file(clip_files.safetensors)
    state["logit_scale"] = state["logit_scale"] + 1e-6
    save_file(state, tmp_path / "other.safetensors")
    config = json.loads(clip_files.config.read_text())
    found = {
        clip.fingerprint,
        load_encoder(f"open_clip:{clip_files.config}@{tmp_path}/other.safetensors").fingerprint,
    }
    (tmp_path / "merges.gz").write_bytes(gzip.compress(b"heading\nn u\nnu t</w>"))
    changes = {
        "mean": {**config, "preprocess_cfg": {**models.PREPROCESS, "mean": [0.4, 0.5, 0.5]}},
        "activation": {**config, "model_cfg": {**models.OPEN_CLIP, "quick_gelu": True}},
        "tokenizer": {
            **config,
            "model_cfg": {
                **models.OPEN_CLIP,
                "text_cfg": {**models.OPEN_CLIP["text_cfg"], "tokenizer_kwargs": {"bpe_path": "merges.gz"}},
            },
        },
    }
    for name, changed in changes.items():
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(changed))
        found.add(load_encoder(f"open_clip:{path}@{clip_files.safetensors}").fingerprint)
    assert len(found) == 5


def test_a_fingerprint_covers_names_shapes_types_and_values() -> None:
    import torch

    def of(name: str, tensor: torch.Tensor) -> str:
        module = torch.nn.Module()
        module.register_buffer(name, tensor)
        return fingerprint(module, {"pooling": "x"})

    zeros = torch.zeros(2, 3)
    variants = [
        of("a", zeros),
        of("b", zeros),
        of("a", zeros.reshape(3, 2)),
        of("a", zeros.int()),
        of("a", torch.tensor(0.0)),
        of("a", zeros.to(torch.bfloat16)),
    ]
    assert len(set(variants)) == len(variants)
    assert of("a", torch.zeros(2, 3)) == variants[0]


# --------------------------------------------------------------------------------------- weight files


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.pt", None, "there is no checkpoint at"),
        ("model.ckpt", b"x", "ends in '.ckpt'; give one of .safetensors, .pt"),
        ("broken.safetensors", b"not a tensor file", "cannot be read as plain weights"),
        ("broken.pt", b"not a tensor file", "cannot be read as plain weights"),
        ("empty.bin", b"", "cannot be read as plain weights"),
    ],
)
def test_a_bad_weight_file_is_named(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(EncoderError) as caught:
        read_weights(tmp_path / name)
    assert message in str(caught.value)
    assert str(tmp_path / name) in str(caught.value)


def test_code_in_a_weight_file_is_never_run(tmp_path: Path) -> None:
    """A pickle that would write a file is refused, and nothing is written."""
    import torch

    class Attack:
        def __reduce__(self) -> tuple[Any, tuple[str, ...]]:
            return Path.touch, (tmp_path / "harm",)  # type: ignore[return-value]

    torch.save({"weight": Attack()}, tmp_path / "attack.pt")
    with pytest.raises(EncoderError, match="cannot be read as plain weights"):
        read_weights(tmp_path / "attack.pt")
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("content", [[1, 2], {}, {"a": 1}, {1: "a"}, {"state_dict": {"a": "b"}}])
def test_a_file_without_a_state_dict_is_refused(tmp_path: Path, content: object) -> None:
    import torch

    torch.save(content, tmp_path / "weights.pt")
    with pytest.raises(EncoderError, match="holds no state dict"):
        read_weights(tmp_path / "weights.pt")


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model", "model_state_dict"])
def test_what_training_wraps_around_weights_is_taken_off(tmp_path: Path, wrapper: str | None) -> None:
    import torch

    state: Any = {"module.a": torch.ones(2), "module.b": torch.zeros(1)}
    torch.save(state if wrapper is None else {wrapper: state, "epoch": 1}, tmp_path / "w.pth")
    weights = read_weights(tmp_path / "w.pth")
    assert sorted(weights) == ["a", "b"]
    assert weights["a"].tolist() == [1.0, 1.0]
