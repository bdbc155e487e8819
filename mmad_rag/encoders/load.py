"""Load an encoder by its spec."""

from __future__ import annotations

import functools
import importlib
import os
from typing import cast

from mmad_rag.encoders.protocol import Encoder, EncoderLoader
from mmad_rag.encoders.spec import PROVIDERS, EncoderSpec, parse_spec, spec_error
from mmad_rag.errors import EncoderError, InputError
from mmad_rag.files import first_line
from mmad_rag.installed import ENCODERS, make_installed

DEFAULT_ENCODER = "open_clip:ViT-B-32-256/datacomp_s34b_b86k"
"""Spec of the default encoder: a ViT-B/32 at 256 px trained on DataComp, good on textures, fast enough for a
CPU, 600 MB to download."""


def load_encoder(spec: str, *, device: str = "cpu", batch_size: int = 16) -> Encoder:
    """Load an encoder; weights named by a hub tag are downloaded once and cached.

    Args:
        spec: one of the forms in `mmad_rag.encoders.spec.FORMS`, or of a prefix that an installed package
            brings by an entry point of the group `mmad_rag.encoders`.
        device: a torch device, e.g. `cpu`, `cuda` or `cuda:1`.
        batch_size: images or texts per forward pass, at least 1; it changes speed and memory, not results.

    Raises:
        SpecError: the spec is unknown or incomplete.
        EncoderError: a file is missing or does not fit, a download failed, the device cannot be used, or the
            installed package that brings the prefix fails.
        InputError: the batch size is below 1.
    """
    parsed = parse_spec(spec)
    if batch_size < 1:
        raise InputError(f"the batch size is {batch_size}; give 1 or more")
    loaded = _load(parsed, device=device, batch_size=batch_size)
    _loaded.add(spec)
    return loaded


def was_loaded(spec: str) -> bool:
    """Whether this process has loaded an encoder by this spec."""
    return spec in _loaded


_loaded: set[str] = set()


def _load(parsed: EncoderSpec, *, device: str, batch_size: int) -> Encoder:
    if parsed.provider not in PROVIDERS:
        return _load_installed(parsed, device=device, batch_size=batch_size)
    _check_device(device)
    _mind_forks()
    load = cast(EncoderLoader, importlib.import_module(PROVIDERS[parsed.provider].module).load)
    return load(parsed, device=device, batch_size=batch_size)


def _load_installed(spec: EncoderSpec, *, device: str, batch_size: int) -> Encoder:
    made = make_installed(
        ENCODERS,
        spec.text,
        Encoder,
        lambda load: load(spec, device=device, batch_size=batch_size),
        EncoderError,
    )
    if made is None:
        raise spec_error(spec.text, f"names an unknown provider {spec.provider!r}")
    return made


@functools.cache
def _mind_forks() -> None:
    """Let torch compute with one thread in forked processes.

    Its threads stay with the process that was forked, and in the new one it would wait for them for ever. A
    model on a GPU cannot be used after a fork at all; torch says so.
    """
    import torch

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))


def _check_device(device: str) -> None:
    import torch

    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:  # torch without CUDA asserts
        reason = first_line(error)
        raise EncoderError(f"the device {device!r} cannot be used ({reason}); give `cpu`") from error
