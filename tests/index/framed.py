"""A bright image whose middle has another colour."""

from __future__ import annotations

import numpy as np

from mmad_rag.images import open_image
from mmad_rag.records import EncodedImage
from tests.support.world import COLOURS

YELLOW = (240, 230, 60)


def framed(width: int, height: int) -> EncodedImage:
    """A yellow image whose middle, three fifths as wide and as high, is blue."""
    image = np.full((height, width, 3), YELLOW, np.uint8)
    wide, high = width * 3 // 5, height * 3 // 5
    left, top = (width - wide) // 2, (height - high) // 2
    image[top : top + high, left : left + wide] = COLOURS["blue"]
    return open_image(image)
