"""Open, check and encode images."""

from mmad_rag.images.open import (
    MAX_BYTES,
    MAX_PIXELS,
    ImageSource,
    data_url,
    open_image,
    to_rgb,
)

__all__ = ["MAX_BYTES", "MAX_PIXELS", "ImageSource", "data_url", "open_image", "to_rgb"]
