"""Load an encoder by its spec."""

from __future__ import annotations

import importlib
from typing import Protocol, cast

from mmad_rag.encoders.protocol import Encoder
from mmad_rag.encoders.spec import EncoderSpec, parse_spec, spec_error
from mmad_rag.errors import EncoderError, InputError
from mmad_rag.files import first_line

DEFAULT_ENCODER = "open_clip:ViT-B-32-256/datacomp_s34b_b86k"
"""A ViT-B/32 at 256 px trained on DataComp: good on textures, fast enough for a CPU, 600 MB to download."""

_PROVIDERS = {
    "open_clip": "mmad_rag.encoders.open_clip_encoder",
    "sentence_transformers": "mmad_rag.encoders.sentence_transformers_encoder",
    "timm": "mmad_rag.encoders.timm_encoder",
    "builtin": "mmad_rag.encoders.builtin_encoder",
}


class _ProviderModule(Protocol):
    """A module of the table above."""

    def load(self, spec: EncoderSpec, *, device: str, batch_size: int) -> Encoder: ...


def load_encoder(spec: str, *, device: str = "cpu", batch_size: int = 16) -> Encoder:
    """Load an encoder; weights named by a hub tag are downloaded once and cached.

    Args:
        spec: one of the forms in `mmad_rag.encoders.spec.FORMS`.
        device: a torch device, e.g. `cpu`, `cuda` or `cuda:1`.
        batch_size: images or texts per forward pass, at least 1; it changes speed and memory, not results.

    Raises:
        SpecError: the spec is unknown or incomplete.
        EncoderError: a file is missing or does not fit, a download failed, or the device cannot be used.
        InputError: the batch size is below 1.
    """
    parsed = parse_spec(spec)
    if parsed.provider not in _PROVIDERS:
        raise spec_error(spec, f"names an unknown provider {parsed.provider!r}")
    if batch_size < 1:
        raise InputError(f"the batch size is {batch_size}; give 1 or more")
    _check_device(device)
    provider = cast(_ProviderModule, importlib.import_module(_PROVIDERS[parsed.provider]))
    return provider.load(parsed, device=device, batch_size=batch_size)


def _check_device(device: str) -> None:
    import torch

    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:  # torch without CUDA asserts
        reason = first_line(error)
        raise EncoderError(f"the device {device!r} cannot be used ({reason}); give `cpu`") from error
