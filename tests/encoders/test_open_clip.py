"""Encoders of open_clip give the vectors that open_clip itself gives."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmad_rag.encoders import Encoder, load_encoder
from mmad_rag.errors import EncoderError
from mmad_rag.images import open_image, to_rgb
from tests.encoders import encoder_models as models
from tests.encoders.encoder_models import CLOSE, ClipFiles, count_of, images_of, texts_of


def test_pictures_are_embedded_as_open_clip_itself_does(clip: Encoder) -> None:
    """Squashed to 32 x 32 with bicubic filtering, scaled by the config's mean and deviation."""
    import torch

    pictures = models.pictures(4)
    pixels = []
    for image in pictures:
        small = to_rgb(image).resize((32, 32), Image.Resampling.BICUBIC)
        scaled = (np.asarray(small, np.float32) / 255 - 0.5) / 0.25
        pixels.append(torch.from_numpy(scaled.transpose(2, 0, 1)))
    with torch.no_grad():
        by_hand = models.build_open_clip(models.OPEN_CLIP).encode_image(torch.stack(pixels), normalize=True)
    assert np.allclose(images_of(clip, 4), by_hand.numpy(), atol=CLOSE)


def test_texts_are_embedded_as_open_clip_itself_does(clip: Encoder) -> None:
    import open_clip
    import torch

    texts = ["a metal nut", "", "Zähne – 金 🔩", "&lt;b&gt; screw"]
    tokens = open_clip.SimpleTokenizer(context_length=16)(texts)
    with torch.no_grad():
        by_hand = models.build_open_clip(models.OPEN_CLIP).encode_text(tokens, normalize=True)
    assert np.allclose(texts_of(clip, *texts), by_hand.numpy(), atol=CLOSE)


def test_nothing_in_gives_nothing_out(clip: Encoder) -> None:
    assert images_of(clip, 0).shape == (0, 16)
    assert texts_of(clip).shape == (0, 16)


@pytest.mark.parametrize("batch_size", [1, 2, 7, 50])
def test_the_batch_size_changes_nothing(clip: Encoder, clip_files: ClipFiles, batch_size: int) -> None:
    other = load_encoder(clip_files.spec(), batch_size=batch_size)
    words = [f"{'metal ' * (n % 9)}nut {n}" for n in range(7)]
    assert np.allclose(images_of(clip, 7), images_of(other, 7), atol=CLOSE)
    assert np.allclose(texts_of(clip, *words), texts_of(other, *words), atol=CLOSE)
    assert other.fingerprint == clip.fingerprint


def test_the_same_call_gives_the_same_bytes_and_unit_rows(clip: Encoder) -> None:
    first, second = images_of(clip, 5), images_of(clip, 5)
    assert first.tobytes() == second.tobytes()
    assert first.dtype == np.float32
    assert np.abs(np.linalg.norm(first, axis=1) - 1).max() < 1e-5


# ------------------------------------------------------------------------------------- counting tokens


def test_tokens_are_counted_with_marks_and_without_cutting(clip: Encoder) -> None:
    assert clip.context == 16
    assert count_of(clip, "") == 2
    assert count_of(clip, "a metal nut") == 5
    assert count_of(clip, "nut " * 100) == 102


def test_a_text_that_fills_the_context_is_taken_and_one_more_token_refused(clip: Encoder) -> None:
    full = "nut " * 14
    assert count_of(clip, full) == 16
    assert texts_of(clip, full).shape == (1, 16)
    with pytest.raises(EncoderError, match=r"has 17 tokens, the encoder takes 16; split it"):
        texts_of(clip, "short", full + "nut")


@pytest.mark.parametrize("mark", ["<end_of_text>", "<START_OF_TEXT>", "&lt;end_of_text&gt;"])
def test_a_spelt_out_mark_does_not_end_a_text(clip: Encoder, mark: str) -> None:
    assert count_of(clip, f"metal {mark} nut") == 4
    assert np.allclose(texts_of(clip, f"metal {mark} nut"), texts_of(clip, "metal nut"), atol=CLOSE)


def test_weights_of_another_architecture_are_refused(clip_files: ClipFiles, tmp_path: Path) -> None:
    """Nothing is resized to fit: weights for 32-pixel images do not load into a 64-pixel model."""
    larger = {**models.OPEN_CLIP, "vision_cfg": {**models.OPEN_CLIP["vision_cfg"], "image_size": 64}}
    (tmp_path / "larger.json").write_text(json.dumps(larger))
    with pytest.raises(EncoderError) as caught:
        load_encoder(f"open_clip:{tmp_path / 'larger.json'}@{clip_files.safetensors}")
    assert "visual.positional_embedding has shape (17, 64) instead of (65, 64)" in str(caught.value)
    deeper = {**models.OPEN_CLIP, "text_cfg": {**models.OPEN_CLIP["text_cfg"], "layers": 1}}
    (tmp_path / "shallower.json").write_text(json.dumps(deeper))
    with pytest.raises(EncoderError, match=r"is not part of the architecture.* and 9 more; name the archi"):
        load_encoder(f"open_clip:{tmp_path / 'shallower.json'}@{clip_files.safetensors}")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file"),
        ("{", "Expecting property name"),
        ("[]", "has no attribute"),
        ('{"embed_dim": 4}', "lacks embed_dim, vision_cfg or text_cfg"),
        (json.dumps({**models.OPEN_CLIP, "speed": 3}), "unexpected keyword argument 'speed'"),
    ],
)
def test_a_wrong_model_config_is_named(
    clip_files: ClipFiles, tmp_path: Path, content: str | None, message: str
) -> None:
    path = tmp_path / "config.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(EncoderError) as caught:
        load_encoder(f"open_clip:{path}@{clip_files.safetensors}")
    assert message in str(caught.value)


def test_a_bare_config_uses_open_clips_own_preprocessing(clip_files: ClipFiles, tmp_path: Path) -> None:
    """Short side to 32, centre crop: the outer columns of a wide image play no part."""
    path = tmp_path / "bare.json"
    path.write_text(json.dumps(models.OPEN_CLIP))
    encoder = load_encoder(f"open_clip:{path}@{clip_files.safetensors}")
    assert encoder.images is not None
    wide = np.full((32, 96, 3), 128, np.uint8)
    marked = wide.copy()
    marked[:, :20] = 255
    rows = encoder.images.encode_images([open_image(wide), open_image(marked)])
    assert np.allclose(rows[0], rows[1], atol=CLOSE)


def test_custom_text_towers_take_the_naming_of_older_checkpoints(
    clip_files: ClipFiles, tmp_path: Path
) -> None:
    """The same tensors, named as an ordinary CLIP's, load into the architecture with a text module."""
    path = tmp_path / "custom.json"
    content = {**models.OPEN_CLIP, "custom_text": True, "nonscalar_logit_scale": True}
    path.write_text(json.dumps({"model_cfg": content, "preprocess_cfg": models.PREPROCESS}))
    plain = load_encoder(clip_files.spec())
    custom = load_encoder(f"open_clip:{path}@{clip_files.safetensors}")
    assert np.allclose(texts_of(custom, "a nut"), texts_of(plain, "a nut"), atol=CLOSE)
    assert np.allclose(images_of(custom, 2), images_of(plain, 2), atol=CLOSE)


@pytest.mark.parametrize("mode", ["", "clips"])
def test_a_tokenizer_of_transformers_is_found_beside_the_config(tmp_path: Path, mode: str) -> None:
    tokenizer = models.letter_tokenizer(context=16)
    if mode:
        tokenizer.add_special_tokens({"cls_token": "<|endoftext|>"})
    tokenizer.save_pretrained(tmp_path)
    text = {
        **models.OPEN_CLIP["text_cfg"],
        "vocab_size": len(tokenizer),
        "hf_tokenizer_name": "nobody/nothing",
        "tokenizer_mode": mode or None,
    }
    files = models.write_open_clip(tmp_path, {**models.OPEN_CLIP, "text_cfg": text})
    encoder = load_encoder(files.spec())
    marks = 3 if mode else 2
    assert count_of(encoder, "a  nut") == 4 + marks
    assert count_of(encoder, "a <|endoftext|> nut") > 12 + marks
    longest = "n" * (16 - marks)
    assert texts_of(encoder, longest, "nut").shape == (2, 16)
    with pytest.raises(EncoderError, match="has 17 tokens, the encoder takes 16"):
        texts_of(encoder, longest + "n")


def test_a_tokenizer_that_cannot_be_had_says_what_to_do(tmp_path: Path) -> None:
    text = {**models.OPEN_CLIP["text_cfg"], "hf_tokenizer_name": "nobody/nothing"}
    files = models.write_open_clip(tmp_path / "hub", {**models.OPEN_CLIP, "text_cfg": text})
    with pytest.raises(
        EncoderError, match=r"tokenizer nobody/nothing could not be loaded .* needs a network"
    ):
        load_encoder(files.spec())
    text = {**models.OPEN_CLIP["text_cfg"], "tokenizer_kwargs": {"bpe_path": "absent.gz"}}
    files = models.write_open_clip(tmp_path / "own", {**models.OPEN_CLIP, "text_cfg": text})
    with pytest.raises(EncoderError, match=r"absent\.gz.*check tokenizer_kwargs"):
        load_encoder(files.spec())


def test_a_text_tower_described_on_the_hub_needs_a_network(clip_files: ClipFiles, tmp_path: Path) -> None:
    text = {"hf_model_name": "nobody/nothing", "hf_tokenizer_name": "nobody/nothing"}
    (tmp_path / "hub.json").write_text(json.dumps({**models.OPEN_CLIP, "text_cfg": text}))
    with pytest.raises(EncoderError, match="the architecture cannot be built"):
        load_encoder(f"open_clip:{tmp_path / 'hub.json'}@{clip_files.safetensors}")


def test_an_image_tower_of_timm_is_built_without_a_download(tmp_path: Path) -> None:
    vision = {"timm_model_name": "test_resnet", "timm_model_pretrained": False, "image_size": 32}
    files = models.write_open_clip(tmp_path, {**models.OPEN_CLIP, "vision_cfg": vision})
    wanting = {**models.OPEN_CLIP, "vision_cfg": {**vision, "timm_model_pretrained": True}}
    (tmp_path / "wanting.json").write_text(json.dumps(wanting))
    encoder = load_encoder(f"open_clip:{tmp_path / 'wanting.json'}@{files.torch}")
    assert images_of(encoder, 2).shape == (2, 16)
