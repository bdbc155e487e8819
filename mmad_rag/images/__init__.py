"""Open, check and encode images."""

from mmad_rag.images.open import (
    MAX_BYTES,
    MAX_PIXELS,
    ImageSource,
    data_url,
    is_as_given,
    of_pixels,
    open_image,
    to_rgb,
)

__all__ = [
    "MAX_BYTES",
    "MAX_PIXELS",
    "ImageSource",
    "data_url",
    "is_as_given",
    "of_pixels",
    "open_image",
    "to_rgb",
]


def __getattr__(name: str) -> object:
    """The older name of `open_image`."""
    if name == "open_picture":
        import warnings

        warnings.warn("open_picture is called open_image now", DeprecationWarning, stacklevel=2)
        return open_image
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
