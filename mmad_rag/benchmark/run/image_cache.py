"""Open each picture of a run once while it is in use."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from pathlib import Path

from mmad_rag.images import open_picture
from mmad_rag.images.encode import scaled_down
from mmad_rag.records import Picture


class PictureCache:
    """The pictures last opened, shared between the tasks of one event loop.

    Args:
        kept: Pictures held in memory, at least 1.
        size: Longest side that pictures are scaled down to, see `scaled_down`; None leaves them as they are.
    """

    def __init__(self, kept: int = 64, *, size: int | None = None) -> None:
        self._kept = kept
        self._size = size
        self._pictures: OrderedDict[Path, asyncio.Task[Picture]] = OrderedDict()

    async def open(self, path: Path) -> Picture:
        """Open a picture in a thread, or take it from the cache; an error is kept like a picture.

        Raises:
            PictureError: the picture cannot be read.
        """
        task = self._pictures.get(path)
        if task is None:
            task = asyncio.create_task(asyncio.to_thread(self._opened, path))
            self._pictures[path] = task
            if len(self._pictures) > self._kept:
                self._pictures.popitem(last=False)
        self._pictures.move_to_end(path)
        return await asyncio.shield(task)

    def _opened(self, path: Path) -> Picture:
        picture = open_picture(path)
        return picture if self._size is None else scaled_down(picture, self._size)
