"""Identify an encoder by everything that can change its vectors."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from mmad_rag.records import JsonValue

if TYPE_CHECKING:
    import torch


def fingerprint(model: torch.nn.Module, description: JsonValue) -> str:
    """SHA-256 (hex) over a model's tensors and a description of everything else that changes its vectors.

    The file format of the weights does not matter: the same weights in a .pt and in a .safetensors file have
    one fingerprint.

    Args:
        model: the model, whose state dict is hashed by name, shape, type and bytes, sorted by name.
        description: architecture, preprocessing, tokenizer, and the version of our own pooling.
    """
    import torch

    digest = hashlib.sha256(json.dumps(description, sort_keys=True).encode())
    for name, tensor in sorted(model.state_dict().items()):
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(f"\n{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()


def text_digest(text: str) -> str:
    """SHA-256 (hex) of a long description, such as a tokenizer's vocabulary."""
    return hashlib.sha256(text.encode()).hexdigest()
