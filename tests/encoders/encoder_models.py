"""Small encoders with random weights, written to disk in the formats that real ones come in."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mmad_rag.encoders import Encoder
from mmad_rag.encoders.repair import import_torchvision
from mmad_rag.images import open_image
from mmad_rag.records import EncodedImage, FloatArray, Json

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

OPEN_CLIP: Json = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 8},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2},
}
"""An open_clip architecture with the packaged tokenizer."""
PREPROCESS: Json = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25], "resize_mode": "squash"}


@dataclass(frozen=True)
class ClipFiles:
    """One open_clip model on disk."""

    config: Path
    torch: Path
    safetensors: Path

    def spec(self) -> str:
        return f"open_clip:{self.config}@{self.safetensors}"


def pictures(count: int, seed: int = 0) -> list[EncodedImage]:
    """Noise of different sizes and shapes."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(20, 60, (count, 2))
    return [open_image(rng.integers(0, 255, (h, w, 3), dtype=np.uint8)) for h, w in sizes]


def build_open_clip(config: Json, seed: int = 0) -> torch.nn.Module:
    """The architecture with random weights, in evaluation mode."""
    import_torchvision()
    import open_clip
    import torch

    torch.manual_seed(seed)
    config = dict(config)
    kind = open_clip.CustomTextCLIP if config.pop("custom_text", False) else open_clip.CLIP
    return kind(**config).eval()


def write_open_clip(folder: Path, config: Json | None = None, preprocess: Json | None = None) -> ClipFiles:
    """Save an architecture's config with random weights as .pt and .safetensors."""
    import torch
    from safetensors.torch import save_file

    config = config or OPEN_CLIP
    folder.mkdir(parents=True, exist_ok=True)
    files = ClipFiles(folder / "config.json", folder / "weights.pt", folder / "weights.safetensors")
    files.config.write_text(json.dumps({"model_cfg": config, "preprocess_cfg": preprocess or PREPROCESS}))
    state = build_open_clip(config).state_dict()
    torch.save(
        {"epoch": 3, "state_dict": {f"module.{key}": value for key, value in state.items()}}, files.torch
    )
    save_file(state, files.safetensors)
    return files


def write_clip_folder(folder: Path) -> Path:
    """Save a CLIP of transformers with its own letter-by-letter tokenizer."""
    import_torchvision()
    import torch
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor

    tokenizer = letter_tokenizer(context=24)
    end = tokenizer.eos_token_id
    tower = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = {
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 24,
        "eos_token_id": end,
        "pad_token_id": end,
    }
    torch.manual_seed(0)
    config = CLIPConfig(
        text_config={**tower, **text, "bos_token_id": tokenizer.bos_token_id},
        vision_config={**tower, "image_size": 32, "patch_size": 8},
        projection_dim=16,
    )
    CLIPModel(config).save_pretrained(folder)
    images = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    CLIPProcessor(image_processor=images, tokenizer=tokenizer).save_pretrained(folder)
    return folder


def letter_tokenizer(context: int) -> PreTrainedTokenizerBase:
    """A CLIP tokenizer without merges: one token a letter, and two marks."""
    from transformers import CLIPTokenizer

    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,<>|_-"
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    return CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=context)


def write_text_folder(folder: Path) -> Path:
    """Save a text-only sentence-transformers model: a small BERT and mean pooling."""
    import_torchvision()
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizer

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "metal", "nut", "scratch", "on", "the", "."]
    bert = folder / "bert"
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=12,
    )
    BertModel(config).save_pretrained(bert)
    BertTokenizer(vocab={word: number for number, word in enumerate(words)}).save_pretrained(bert)
    inner = Transformer(str(bert))
    model = SentenceTransformer(
        modules=[inner, Pooling(16)], device="cpu", prompts={"query": "the "}, default_prompt_name="query"
    )
    model.save(str(folder / "model"))
    return folder / "model"


def write_word_vectors(folder: Path) -> Path:
    """Save a sentence-transformers model without a position table: one vector a word."""
    import_torchvision()
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = {"metal": 0, "nut": 1, "[UNK]": 2}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))  # noqa: S106 (no password)
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    vectors = np.array([[3, 4, 0], [0, 0, 2], [1, 0, 0]], dtype=np.float32)
    model = SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=vectors)], device="cpu")
    model.save(str(folder))
    return folder


def write_timm(path: Path, name: str, classes: int = 1000) -> Path:
    """Save a timm architecture's random weights, classifier included."""
    import_torchvision()
    import timm
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    state = timm.create_model(name, pretrained=False, num_classes=classes).state_dict()
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)
    return path


CLOSE = 2e-6
"""Largest difference of two numbers of equal vectors."""


def images_of(encoder: Encoder, count: int, seed: int = 0) -> FloatArray:
    assert encoder.images is not None
    return encoder.images.encode_images(pictures(count, seed))


def texts_of(encoder: Encoder, *texts: str) -> FloatArray:
    assert encoder.texts is not None
    return encoder.texts.encode_texts(texts)


def count_of(encoder: Encoder, text: str) -> int:
    assert encoder.texts is not None
    return encoder.texts.count_tokens(text)
