"""Fetch an image from a host that the operator allowed."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Collection
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from mmad_rag.serve.errors import RefusalError
from mmad_rag.serve.images import too_large
from mmad_rag.serve.limits import Limits

_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
"""NAT64: the last 32 bits are an IPv4 address, which may be a private one."""


def is_public(address: str) -> bool:
    """False for private, loopback, link-local, shared, multicast and reserved addresses, wrapped ones too.

    Example:
        >>> is_public("93.184.215.14"), is_public("169.254.169.254"), is_public("::ffff:10.0.0.1")
        (True, False, False)
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        if found in _TRANSLATED:
            return False
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo or (None, None))[1]
        if inner is not None:
            return is_public(str(inner))
    return found.is_global and not (found.is_multicast or found.is_reserved)


def is_loopback(host: str) -> bool:
    """Whether a host name or address, as written in a URL or `Host` header, means this machine only."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


_PORTS = {"http": 80, "https": 443}


class ImageFetcher:
    """Gets images by http(s) from allowed hosts: no redirects, no proxy, no cookies, no private addresses.

    The addresses that were checked are the ones that are connected to; a name cannot change in between.

    Args:
        hosts: `HOST` for ports 80 and 443, or `HOST:PORT`; compared whole, without wildcards.
        limits: Size and time.
        permitted: Which addresses may be connected to.
    """

    def __init__(
        self, hosts: Collection[str], limits: Limits, *, permitted: Callable[[str], bool] = is_public
    ) -> None:
        self._hosts = frozenset(host.lower().rstrip(".") for host in hosts)
        self._limits = limits
        self._permitted = permitted

    def allows(self, url: str) -> bool:
        """Whether the operator allowed the host of this URL."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            return False
        host = (parts.hostname or "").rstrip(".")
        if parts.scheme not in _PORTS or not host or "@" in parts.netloc:
            return False
        usual = port is None or port == _PORTS[parts.scheme]
        return (usual and host in self._hosts) or f"{host}:{port or _PORTS[parts.scheme]}" in self._hosts

    async def fetch(self, url: str) -> bytes:
        """The bytes behind an allowed URL.

        Raises:
            RefusalError: 400 it could not be had, 413 it is too large.
        """
        host = (urlsplit(url).hostname or "").rstrip(".")
        if _is_literal(host) and not self._permitted(host):  # a literal address is never resolved
            raise _unfetched(host, "its address is private, loopback or link-local")
        connector = aiohttp.TCPConnector(resolver=_CheckedResolver(self._permitted), use_dns_cache=False)
        timeout = aiohttp.ClientTimeout(total=self._limits.fetch_s)
        try:
            async with (
                aiohttp.ClientSession(
                    connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()
                ) as session,
                session.get(url, allow_redirects=False, headers={"Accept": "image/*"}) as reply,
            ):
                if reply.status != 200:
                    raise _unfetched(host, f"it answered {reply.status}, and redirects are not followed")
                return await self._read(reply)
        except TimeoutError:
            raise _unfetched(host, f"it took more than {self._limits.fetch_s:g} s") from None
        except aiohttp.ClientConnectorError as error:
            raise _unfetched(host, str(error.os_error)) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _unfetched(host, f"{type(error).__name__}: {error}") from None

    async def _read(self, reply: aiohttp.ClientResponse) -> bytes:
        chunks: list[bytes] = []
        size = 0
        async for chunk in reply.content.iter_any():
            size += len(chunk)
            if size > self._limits.image_bytes:
                raise too_large(self._limits)
            chunks.append(chunk)
        return b"".join(chunks)


class _CheckedResolver(AbstractResolver):
    """Resolves names and refuses one if any of its addresses is not permitted."""

    def __init__(self, permitted: Callable[[str], bool]) -> None:
        self._permitted = permitted

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        results: list[ResolveResult] = []
        for one_family, _, protocol, _, address in found:
            if not self._permitted(str(address[0])):
                raise OSError("one of its addresses is private, loopback or link-local")
            results.append(
                ResolveResult(
                    hostname=host,
                    host=str(address[0]),
                    port=port,
                    family=one_family,
                    proto=protocol,
                    flags=socket.AI_NUMERICHOST,
                )
            )
        return results

    async def close(self) -> None:
        """Nothing is held."""


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _unfetched(host: str, why: str) -> RefusalError:
    return RefusalError(
        400,
        f"the image could not be fetched from {host}: {why}; send it as a data URL",
        code="image_not_fetched",
    )
