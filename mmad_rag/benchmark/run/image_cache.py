"""Open each image of a run once while it is in use."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from pathlib import Path

from mmad_rag.images import open_image
from mmad_rag.images.encode import scaled_down
from mmad_rag.records import EncodedImage


class ImageCache:
    """The images last opened, shared between the tasks of one event loop.

    Args:
        kept: Images held in memory, at least 1.
        size: Longest side that images are scaled down to, see `scaled_down`; None leaves them as they are.
    """

    def __init__(self, kept: int = 64, *, size: int | None = None) -> None:
        self._kept = kept
        self._size = size
        self._images: OrderedDict[Path, asyncio.Task[EncodedImage]] = OrderedDict()

    async def open(self, path: Path) -> EncodedImage:
        """Open an image in a thread, or take it from the cache; an error is kept like an image.

        Raises:
            ImageError: the image cannot be read.
        """
        task = self._images.get(path)
        if task is None:
            task = asyncio.create_task(asyncio.to_thread(self._opened, path))
            self._images[path] = task
            if len(self._images) > self._kept:
                self._images.popitem(last=False)
        self._images.move_to_end(path)
        return await asyncio.shield(task)

    def _opened(self, path: Path) -> EncodedImage:
        image = open_image(path)
        return image if self._size is None else scaled_down(image, self._size)
