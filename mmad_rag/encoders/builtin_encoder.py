"""Load the encoder that is shipped with the library."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mmad_rag.encoders import open_clip_encoder
from mmad_rag.encoders.protocol import Encoder
from mmad_rag.encoders.spec import EncoderSpec, spec_error

_FOLDER = Path(__file__).parent / "tiny"


def load(spec: EncoderSpec, *, device: str, batch_size: int) -> Encoder:
    """Load `builtin:tiny`, a small CLIP in open_clip's architecture; its model card lies beside its weights.

    It was trained on drawings that the project renders itself. It needs no download, it serves the
    demo, the tests and a first look, and it knows nothing of real images.

    Raises:
        SpecError: another name than `tiny`, or a path.
    """
    if spec.name != "tiny" or spec.path is not None:
        raise spec_error(spec.text, "names no built-in encoder")
    inner = replace(spec, name=str(_FOLDER / "config.json"), path=_FOLDER / "weights.safetensors")
    return open_clip_encoder.load(inner, device=device, batch_size=batch_size)
