"""Turn images and texts into unit vectors."""

from mmad_rag.encoders.load import DEFAULT_ENCODER, load_encoder
from mmad_rag.encoders.protocol import Encoder, ImageTower, TextTower

__all__ = ["DEFAULT_ENCODER", "Encoder", "ImageTower", "TextTower", "load_encoder"]
