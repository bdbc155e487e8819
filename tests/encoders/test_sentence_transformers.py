"""Encoders of sentence_transformers: CLIP folders and text-only models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmad_rag.encoders import load_encoder
from mmad_rag.errors import EncoderError
from mmad_rag.images import to_rgb
from tests.encoders import encoder_models as models
from tests.encoders.encoder_models import CLOSE, count_of, images_of, texts_of


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models.write_clip_folder(tmp_path_factory.mktemp("clip_folder"))


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
