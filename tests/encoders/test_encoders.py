"""Encoders: specs, vectors, fingerprints, and what is said when something is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mmad_rag.encoders import DEFAULT_ENCODER, Encoder, load_encoder
from mmad_rag.encoders.fingerprint import fingerprint
from mmad_rag.encoders.hub import quick_hub
from mmad_rag.encoders.repair import import_torchvision
from mmad_rag.encoders.spec import FORMS, parse_spec
from mmad_rag.encoders.vectors import unit_vectors
from mmad_rag.encoders.weights import read_weights
from mmad_rag.errors import EncoderError, InputError, SpecError
from mmad_rag.images import open_image, to_rgb
from mmad_rag.records import FloatArray
from tests.encoders import encoder_models as models
from tests.encoders.encoder_models import ClipFiles
from tests.support.shared import MMAD, VIT_TINY, needs_shared

CLOSE = 2e-6


@pytest.fixture(scope="session")
def clip_files(tmp_path_factory: pytest.TempPathFactory) -> ClipFiles:
    return models.write_open_clip(tmp_path_factory.mktemp("open_clip"))


@pytest.fixture(scope="session")
def clip(clip_files: ClipFiles) -> Encoder:
    return load_encoder(clip_files.spec(), batch_size=3)


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models.write_clip_folder(tmp_path_factory.mktemp("clip_folder"))


@pytest.fixture(scope="session")
def resnet_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models.write_timm(tmp_path_factory.mktemp("timm") / "resnet.safetensors", "test_resnet")


def images_of(encoder: Encoder, count: int, seed: int = 0) -> FloatArray:
    assert encoder.images is not None
    return encoder.images.encode_images(models.pictures(count, seed))


def texts_of(encoder: Encoder, *texts: str) -> FloatArray:
    assert encoder.texts is not None
    return encoder.texts.encode_texts(texts)


def count_of(encoder: Encoder, text: str) -> int:
    assert encoder.texts is not None
    return encoder.texts.count_tokens(text)


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


# ------------------------------------------------------------------------------------------- open_clip


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


# -------------------------------------------------------------------------------- sentence-transformers


def test_a_clip_folder_gives_both_towers_in_one_space(clip_folder: Path) -> None:
    """Equal to what transformers computes for the same ids and pixels."""
    import torch
    from transformers import CLIPModel, CLIPProcessor

    encoder = load_encoder(f"sentence_transformers:any name@{clip_folder}", batch_size=2)
    assert (encoder.dim, encoder.context) == (16, 24)
    model = CLIPModel.from_pretrained(clip_folder, local_files_only=True).eval()
    processor = CLIPProcessor.from_pretrained(clip_folder, local_files_only=True)
    texts = ["a nut", "a", "screw, bent"]
    pictures = [to_rgb(image) for image in models.pictures(3)]
    with torch.no_grad():
        read = model(**processor(text=texts, images=pictures, return_tensors="pt", padding=True))
    assert np.allclose(texts_of(encoder, *texts), read.text_embeds.numpy(), atol=CLOSE)
    assert np.allclose(images_of(encoder, 3), read.image_embeds.numpy(), atol=CLOSE)


def test_a_clip_folder_counts_and_refuses_long_texts(clip_folder: Path) -> None:
    encoder = load_encoder(f"sentence_transformers:@{clip_folder}")
    assert count_of(encoder, "a nut") == 6
    assert texts_of(encoder, "n" * 22).shape == (1, 16)
    with pytest.raises(EncoderError, match="has 25 tokens, the encoder takes 24"):
        texts_of(encoder, "n" * 23)
    assert texts_of(encoder).shape == (0, 16)
    assert images_of(encoder, 0).shape == (0, 16)


@pytest.mark.parametrize("text", ["http://127.0.0.1/a.png", "data:image/png;base64"])
def test_a_text_that_looks_like_a_picture_stays_a_text(clip_folder: Path, text: str) -> None:
    encoder = load_encoder(f"sentence_transformers:@{clip_folder}")
    assert texts_of(encoder, text).shape == (1, 16)


def test_a_spelt_out_mark_is_taken_letter_by_letter(clip_folder: Path) -> None:
    encoder = load_encoder(f"sentence_transformers:@{clip_folder}")
    assert count_of(encoder, "a<|endoftext|>") == 3 + len("<|endoftext|>")


def test_the_batch_plays_no_part_in_a_padded_text(clip_folder: Path) -> None:
    encoder = load_encoder(f"sentence_transformers:@{clip_folder}")
    alone, together = texts_of(encoder, "nut"), texts_of(encoder, "a far longer text", "nut")
    assert np.allclose(alone[0], together[1], atol=CLOSE)


def test_a_text_only_model_has_no_image_tower_and_counts_its_own_prompt(tmp_path: Path) -> None:
    import torch
    from transformers import BertModel

    folder = models.write_text_folder(tmp_path)
    encoder = load_encoder(f"sentence_transformers:@{folder}")
    assert (encoder.images, encoder.context, encoder.dim) == (None, 12, 16)
    assert count_of(encoder, "a metal nut.") == 7  # [CLS] the a metal nut . [SEP]
    with torch.no_grad():
        ids = torch.tensor([[2, 10, 5, 6, 7, 11, 3]])
        mean = BertModel.from_pretrained(tmp_path / "bert").eval()(ids).last_hidden_state[0].mean(0).numpy()
    assert np.allclose(texts_of(encoder, "a metal nut.")[0], mean / np.linalg.norm(mean), atol=CLOSE)
    with pytest.raises(EncoderError, match="has 13 tokens, the encoder takes 12"):
        texts_of(encoder, "nut " * 10)


def test_word_vectors_take_texts_of_any_length(tmp_path: Path) -> None:
    """metal = (3, 4, 0) and nut = (0, 0, 2): their mean (1.5, 2, 1) at unit length."""
    encoder = load_encoder(f"sentence_transformers:@{models.write_word_vectors(tmp_path)}")
    assert np.allclose(texts_of(encoder, "metal nut")[0], np.array([1.5, 2, 1]) / 7.25**0.5, atol=1e-6)
    assert count_of(encoder, "metal nut") == 2
    assert encoder.context is not None
    assert encoder.context >= 100_000


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="there is no model folder at"):
        load_encoder(f"sentence_transformers:@{tmp_path / 'absent'}")
    with pytest.raises(EncoderError, match=r"could not be loaded .*give a folder that was written by"):
        load_encoder(f"sentence_transformers:@{tmp_path}")


def test_a_model_that_cannot_embed_a_text_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sentence_transformers import SentenceTransformer

    folder = models.write_word_vectors(tmp_path)

    def fails(*_: object, **__: object) -> None:
        raise ValueError("no text tower")

    monkeypatch.setattr(SentenceTransformer, "encode", fails)
    with pytest.raises(EncoderError, match=r"cannot embed a text \(no text tower\)"):
        load_encoder(f"sentence_transformers:@{folder}")
