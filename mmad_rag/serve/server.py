"""Listen on an address until told to stop, and finish what is in flight."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
from collections.abc import Iterator
from types import FrameType

import uvicorn
from starlette.applications import Starlette

from mmad_rag.errors import InputError
from mmad_rag.serve.fetch import is_loopback
from mmad_rag.serve.token import VARIABLE, Token


def listen(host: str, port: int, *, token: Token | None) -> socket.socket:
    """A socket that listens already; connections wait until `run` answers them.

    Args:
        host: A name or address of this machine.
        port: 0 takes a free one.
        token: What clients will have to show.

    Raises:
        InputError: the address is open to others and there is no token, or it cannot be listened on.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        if token is None and not is_loopback(str(address[0])):
            raise InputError(
                f"{host} can be reached from other machines, so a token is needed; "
                f"set {VARIABLE} or give --token-file, or listen on 127.0.0.1"
            )
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(1024)
        except OSError:
            listener.close()
            raise
    except (OSError, OverflowError) as error:
        raise InputError(
            f"cannot listen on {host}:{port} ({error}); choose another --host or --port"
        ) from None
    return listener


def address_of(listener: socket.socket) -> str:
    """The base URL that clients are given."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/v1"


def run(app: Starlette, listener: socket.socket, *, grace_s: float) -> None:
    """Serve until SIGINT or SIGTERM, then let requests in flight end.

    Args:
        app: See `make_app`.
        listener: See `listen`; closed at the end.
        grace_s: How long those requests may take before they are cut off.
    """
    config = uvicorn.Config(
        app,
        access_log=False,  # the gate logs, without queries, which may hold keys
        log_level="critical",  # a stream that breaks off is not an error of this server
        server_header=False,
        proxy_headers=False,  # nothing here asks where a client comes from
        timeout_graceful_shutdown=max(1, round(grace_s)),
        lifespan="on",
    )
    # What was loaded until here stays: looking through it for garbage would hold up requests.
    gc.collect()
    gc.freeze()
    try:
        with _quiet_signals():
            asyncio.run(uvicorn.Server(config).serve([listener]))
    finally:
        gc.unfreeze()


@contextlib.contextmanager
def _quiet_signals() -> Iterator[None]:
    """uvicorn raises the signal that stopped it again, which must not look like a crash."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise _Stopped

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with contextlib.suppress(_Stopped):
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Stopped(BaseException):
    """The process was asked to stop."""
