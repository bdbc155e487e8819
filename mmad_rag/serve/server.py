"""Serve an application on an address until a signal stops it, and finish requests in flight."""

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
from mmad_rag.serve.connections import guarded
from mmad_rag.serve.fetch import is_loopback
from mmad_rag.serve.limits import Limits
from mmad_rag.serve.token import VARIABLE, Token


def listen(host: str, port: int, *, token: Token | None) -> socket.socket:
    """Open a listening socket; connections wait until `run` answers them.

    Args:
        host: A name or address of this machine.
        port: The port; 0 takes a free one.
        token: The token that clients must send.

    Raises:
        InputError: the address is open to other machines and there is no token, or it cannot be used.
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
    """The base URL for clients."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/v1"


def run(app: Starlette, listener: socket.socket, *, grace_s: float, limits: Limits | None = None) -> None:
    """Serve until SIGINT or SIGTERM, then let requests in flight finish.

    Args:
        app: The application that `make_app` makes.
        listener: The socket that `listen` opens; it is closed at the end.
        grace_s: Time in seconds for requests in flight to finish before they are cancelled.
        limits: Limits on connections and the heads of requests; None takes the defaults.
    """
    config = uvicorn.Config(
        app,
        http=guarded(limits if limits is not None else Limits()),
        ws="none",
        access_log=False,  # the gate logs requests without queries, which may hold keys
        log_level="critical",  # a stream that breaks off is not an error of this server
        server_header=False,
        proxy_headers=False,  # the client's address is not used
        timeout_graceful_shutdown=max(1, round(grace_s)),
        lifespan="on",
    )
    # Everything loaded so far stays: scanning it for garbage would delay requests.
    gc.collect()
    gc.freeze()
    try:
        with _quiet_signals():
            asyncio.run(uvicorn.Server(config).serve([listener]))
    finally:
        gc.unfreeze()


@contextlib.contextmanager
def _quiet_signals() -> Iterator[None]:
    """Handle the signal that uvicorn raises again when it has stopped, which must not look like a crash."""

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
    """Raised when a signal asks the process to stop."""
