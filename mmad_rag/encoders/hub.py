"""Use the model hub, or only its cache when the hub cannot be reached."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit
from urllib.request import getproxies

_CONNECT_TIMEOUT_S = 5.0


@contextlib.contextmanager
def quick_hub() -> Iterator[None]:
    """Prevent repeated requests to a hub that cannot be reached, inside this block.

    The hub's client retries every file for half a minute even when everything is cached. One connection
    attempt decides instead; without a connection the client is put into its own offline mode, for this
    block only.
    """
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE or _reachable(constants.ENDPOINT):
        yield
        return
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = False


def _reachable(endpoint: str) -> bool:
    """Whether a connection can be opened; behind a proxy only the client itself can tell."""
    if getproxies():
        return True
    address = urlsplit(endpoint)
    port = address.port or (80 if address.scheme == "http" else 443)
    try:
        socket.create_connection((address.hostname or "", port), timeout=_CONNECT_TIMEOUT_S).close()
    except OSError:
        return False
    return True
