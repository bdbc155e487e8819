"""Parse an encoder spec."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from mmad_rag.errors import SpecError
from mmad_rag.installed import ENCODERS, installed_forms


@dataclass(frozen=True, slots=True)
class Provider:
    """A built-in provider of encoders."""

    module: str
    """The module whose `load` is an `EncoderLoader`; imported when it is used."""
    forms: tuple[str, ...]
    """Every valid form of its specs."""


PROVIDERS: Mapping[str, Provider] = MappingProxyType(
    {
        "open_clip": Provider(
            "mmad_rag.encoders.open_clip_encoder",
            (
                "open_clip:ARCH/TAG",
                "open_clip:ARCH@CHECKPOINT",
                "open_clip:ARCH/TAG@CHECKPOINT",
                "open_clip:CONFIG.json@CHECKPOINT",
            ),
        ),
        "sentence_transformers": Provider(
            "mmad_rag.encoders.sentence_transformers_encoder",
            ("sentence_transformers:NAME", "sentence_transformers:@FOLDER"),
        ),
        "timm": Provider("mmad_rag.encoders.timm_encoder", ("timm:ARCH", "timm:ARCH@CHECKPOINT")),
        "builtin": Provider("mmad_rag.encoders.builtin_encoder", ("builtin:tiny",)),
    }
)
"""Prefix of a built-in spec -> its provider."""

FORMS = tuple(form for provider in PROVIDERS.values() for form in provider.forms)
"""Every valid form of a built-in spec; CHECKPOINT is a .safetensors, .pt, .pth or .bin file."""


@dataclass(frozen=True, slots=True)
class EncoderSpec:
    """A parsed encoder spec."""

    text: str
    """The spec as it was given."""
    provider: str
    """The part before the colon."""
    name: str
    """The part between the colon and the `@`; may be empty."""
    path: Path | None
    """The part after the `@`, with `~` expanded; None without an `@`."""


def parse_spec(text: str) -> EncoderSpec:
    """Parse `provider:name@path`; the provider decides later whether the name exists.

    Raises:
        SpecError: there is no provider, or neither a name nor a path.

    Example:
        >>> parse_spec("timm:resnet18@weights.pt").path
        PosixPath('weights.pt')
    """
    provider, _, rest = text.partition(":")
    name, at, path = rest.partition("@")
    if not provider or not (name or path) or (at and not path):
        raise spec_error(text, "is incomplete")
    return EncoderSpec(text, provider, name, expand(path) if at else None)


def expand(path: str) -> Path:
    """The path with a leading `~` replaced by the home folder, if there is one."""
    try:
        return Path(path).expanduser()
    except RuntimeError:  # `~name` without such a user is an ordinary file name
        return Path(path)


def spec_error(text: str, problem: str) -> SpecError:
    """The error for an invalid spec, with every valid form, those of installed packages too."""
    forms = "\n".join([*(f"  {form}" for form in FORMS), *installed_forms(ENCODERS, PROVIDERS)])
    return SpecError(f"the encoder spec {text!r} {problem}; the valid forms are\n{forms}")
