"""Open, check and encode pictures."""

from mmad_rag.images.open import (
    MAX_BYTES,
    MAX_PIXELS,
    PictureSource,
    data_url,
    open_picture,
    to_rgb,
)

__all__ = ["MAX_BYTES", "MAX_PIXELS", "PictureSource", "data_url", "open_picture", "to_rgb"]
