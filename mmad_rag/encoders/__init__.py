"""Turn images and texts into unit vectors."""

from mmad_rag.encoders.load import DEFAULT_ENCODER, load_encoder
from mmad_rag.encoders.protocol import Encoder, EncoderLoader, ImageTower, TextTower
from mmad_rag.encoders.spec import EncoderSpec

__all__ = [
    "DEFAULT_ENCODER",
    "Encoder",
    "EncoderLoader",
    "EncoderSpec",
    "ImageTower",
    "TextTower",
    "load_encoder",
]
