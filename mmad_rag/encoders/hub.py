"""Use the model hub, or only its cache when the hub cannot be reached."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

from mmad_rag.errors import EncoderError
from mmad_rag.network import settings_fault

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
        with _named_setting():
            yield
        return
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = False


@contextlib.contextmanager
def only_cached() -> Iterator[None]:
    """Prevent every download inside this block; what is in the hub's cache can be loaded."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def refuse_fetching(url: str, cached: Path) -> None:
    """Refuse a download from elsewhere than the hub where the hub's client may not download either.

    Args:
        url: The address.
        cached: The file that an earlier download would have left.

    Raises:
        EncoderError: there is no such file, and nothing may be fetched.
    """
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE and not cached.is_file():
        raise EncoderError(f"{cached.name} is not on this machine, and nothing may be fetched from {url}")


@contextlib.contextmanager
def _named_setting() -> Iterator[None]:
    """Add the environment's setting that cannot be used, if there is one, to an error of the hub's client."""
    try:
        yield
    except Exception as error:
        fault = settings_fault()
        if fault is None:
            raise
        raise EncoderError(f"{fault} ({type(error).__name__})") from error


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
