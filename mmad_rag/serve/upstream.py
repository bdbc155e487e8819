"""The endpoint that requests are forwarded to."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from mmad_rag.errors import SpecError
from mmad_rag.models.openai.endpoint import find_endpoint
from mmad_rag.network import certificate_fault, proxy_fault, proxy_setting
from mmad_rag.serve.errors import RefusalError
from mmad_rag.serve.limits import Limits

_LARGE = 512 * 1024
_IDLE_S = 2.0
"""Seconds to keep idle connections, fewer than servers do (uvicorn and Node: 5 s), so that a server does not
close a connection that is about to be used."""


class Upstream:
    """Forwards each request once; retries are the client's decision.

    Args:
        base_url: The base URL, e.g. `http://localhost:8000/v1`.
        key: API key to send as `Authorization` if the client sends none of its own.
        limits: Limits on times.

    Raises:
        SpecError: the base URL, or the environment's proxy for it, cannot be used.
    """

    def __init__(self, base_url: str, *, key: str | None = None, limits: Limits) -> None:
        if not base_url.strip():
            raise SpecError("the upstream is empty; give an address such as http://localhost:8000/v1")
        if "@" in base_url.partition("://")[2].partition("/")[0]:
            raise SpecError(
                "the upstream's address holds a user name or password; give the key in MMAD_RAG_UPSTREAM_KEY"
            )
        endpoint = find_endpoint(base_url, key or "none")
        self.place = endpoint.place
        """Host, port and path of the endpoint, for messages."""
        self._base = _quoted(endpoint.url)
        self._key = key
        self._limits = limits
        self._proxy = _proxy_for(endpoint.url)
        if self._base.startswith("https:") and (fault := certificate_fault()):
            raise SpecError(f"the upstream's certificate cannot be checked: {fault}")
        way = urlsplit(self._proxy or "")
        self._by = f" by the proxy {way.hostname}:{way.port or 80}" if self._proxy else ""
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Open the session for connections; call it in the event loop that will use them."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE_S),
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=self._limits.connect_s, sock_read=self._limits.timeout_s
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Content-Type", "Accept"),
        )

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    @asynccontextmanager
    async def ask(
        self, method: str, path: str, headers: Sequence[tuple[str, str]], data: bytes
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request and yield the beginning of its answer.

        Leaving the context early, or cancelling, closes the connection.

        Args:
            method: HTTP method, GET or POST.
            path: Path below the base URL, e.g. `/chat/completions`, quoted where necessary.
            headers: Headers as `proxy.to_upstream` returns them.
            data: The body; may be empty.

        Raises:
            RefusalError: 502 if the upstream cannot be reached, 504 if it is silent for too long.
        """
        assert self._session is not None, "open() comes first"  # noqa: S101 - for the type checker
        sent = [*headers, ("accept-encoding", "identity")]
        if self._key and not any(name == "authorization" for name, _ in headers):
            sent.append(("authorization", f"Bearer {self._key}"))
        try:
            reply = await self._session.request(
                method,
                URL(f"{self._base}{path}", encoded=True),  # as it is: a quoted `/` stays quoted
                headers=sent,
                data=_payload(data),
                allow_redirects=False,
                proxy=self._proxy,
            )
        except aiohttp.ConnectionTimeoutError:
            raise self._unreached(f"no connection within {self._limits.connect_s:g} s") from None
        except TimeoutError:
            raise self.silent() from None
        except aiohttp.ClientConnectorError as error:
            raise self._unreached(str(error.os_error)) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise RefusalError(
                502,
                f"the upstream {self.place} broke off before it answered ({type(error).__name__}); ask again",
                code="upstream_disconnected",
            ) from None
        async with reply:
            yield reply

    def silent(self) -> RefusalError:
        """The refusal, 504, for an upstream that was silent for too long."""
        return RefusalError(
            504,
            f"the upstream {self.place} was silent for {self._limits.timeout_s:g} s; ask again, "
            "or start the server with a larger --timeout",
            code="upstream_timeout",
        )

    def _unreached(self, why: str) -> RefusalError:
        return RefusalError(
            502,
            f"the upstream {self.place} cannot be reached{self._by} ({why}); "
            "check that it runs, and --upstream",
            code="upstream_unreachable",
        )


def _quoted(url: str) -> str:
    """The base URL as it is sent, without a slash at its end."""
    try:
        return str(URL(url)).rstrip("/")
    except ValueError as error:
        raise SpecError(f"the upstream's address cannot be used ({error}); correct --upstream") from None


def _payload(data: bytes) -> bytes | io.BytesIO | None:
    """The body to send; a large one is a stream, written in pieces so that other requests can proceed."""
    if len(data) > _LARGE:
        return io.BytesIO(data)
    return data or None


def _proxy_for(url: str) -> str | None:
    """The environment's proxy for an address, with its user and password; it is looked up once.

    aiohttp's option `trust_env` would look it up in a thread at every request, and also read keys from
    `.netrc`.
    """
    found = proxy_setting(url)
    if found is None:
        return None
    name, proxy = found
    if fault := proxy_fault(name, socks=False):
        raise SpecError(
            f"the environment's proxy for {urlsplit(url).scheme}: addresses is not an http address with a "
            f"port: {fault}, or name the upstream's host in NO_PROXY"
        )
    return proxy
