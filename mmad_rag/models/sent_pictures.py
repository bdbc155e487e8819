"""Pictures as an endpoint is sent them."""

from __future__ import annotations

import threading
from collections import OrderedDict

from mmad_rag.images.encode import reencoded
from mmad_rag.models.options import ModelOptions
from mmad_rag.records import Picture

_KEPT = 64


class SentPictures:
    """Scales pictures down and encodes them as the options say, each once while it is in use.

    The arms of a run show the same picture one right after the other, and a normal example comes back with
    many questions. Safe to use from several threads.

    Args:
        options: of them count `image_size`, `image_format` and `image_quality`.
    """

    def __init__(self, options: ModelOptions) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._ready: OrderedDict[tuple[str, int, int], Picture] = OrderedDict()

    @property
    def change_nothing(self) -> bool:
        """Whether every picture is sent as it is."""
        return self._options.image_size is None and self._options.media_type is None

    def prepared(self, picture: Picture) -> Picture:
        """The picture to send, its media type that of its bytes."""
        key = (picture.digest, picture.width, picture.height)
        with self._lock:
            ready = self._ready.get(key)
            if ready is not None:
                self._ready.move_to_end(key)
                return ready
        ready = reencoded(
            picture,
            longest=self._options.image_size,
            media_type=self._options.media_type,
            quality=self._options.image_quality,
        )
        with self._lock:
            self._ready[key] = ready
            if len(self._ready) > _KEPT:
                self._ready.popitem(last=False)
        return ready
