"""Name the environment's proxy or certificate setting that keeps a client from connecting.

HTTP clients read these settings by themselves, and raise errors of many kinds that name neither the variable
nor what it should hold. Values of proxies are never quoted: they may hold passwords.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import ssl
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import proxy_bypass

from mmad_rag.errors import MmadRagError

_SOCKS = ("socks5", "socks5h")
_KINDS = ("http", "https", "all")
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_LONGEST_PORT = 65_535
_FORM = "give it as http://HOST:PORT, or unset it"


@contextlib.contextmanager
def usable_settings(kind: type[MmadRagError]) -> Iterator[None]:
    """Turn an error of a client that is made in this block into one that names the setting at fault.

    Args:
        kind: The class of the error to raise.
    """
    try:
        yield
    except MmadRagError:
        raise
    except Exception as error:  # each HTTP library raises its own kinds
        fault = settings_fault()
        if fault is None:
            named = [name for name in _set_names() if os.environ[name].strip()]
            if not named:
                raise
            fault = (
                f"a setting of the environment cannot be used ({type(error).__name__}); "
                f"correct or unset {', '.join(named)}"
            )
        raise kind(fault) from None  # the cause may quote the password of a proxy


def settings_fault() -> str | None:
    """What is wrong with the first proxy or certificate setting that cannot be used; None if all can."""
    return next(_faults(), None)


def certificate_fault() -> str | None:
    """What is wrong with the first certificate setting that cannot be used; None if all can."""
    return next(_certificate_faults(), None)


def proxy_setting(url: str) -> tuple[str, str] | None:
    """Variable and address of the proxy that the environment names for a URL; None without one."""
    parts = urlsplit(url)
    name = _proxy_name(parts.scheme) or _proxy_name("all")
    host = parts.hostname or ""
    if name is None or proxy_bypass(host) or (":" in host and proxy_bypass(f"[{host}]")):
        return None
    found = os.environ[name].strip()
    return name, found if "://" in found else f"http://{found}"


def proxy_fault(name: str, *, socks: bool = True) -> str | None:
    """What is wrong with the proxy that a variable names; None if it can be used.

    Args:
        name: The variable, which is set.
        socks: Whether the client can use SOCKS proxies if the package for them is installed.
    """
    value = os.environ[name].strip()
    address = value if "://" in value else f"http://{value}"
    scheme = address.partition("://")[0].lower()
    if scheme in _SOCKS and socks:
        if find_spec("socksio") is None:
            return (
                f"{name} names a {scheme} proxy, which needs a package that is not installed; "
                "run `pip install socksio`, or give an http proxy"
            )
    elif scheme not in ("http", "https"):
        shown = f"a {scheme} proxy" if scheme.isalnum() else "a proxy of an unknown kind"
        return f"{name} names {shown}, which cannot be used here; {_FORM}"
    if not _is_address(address):
        return f"{name} does not hold the address of a proxy; {_FORM}"
    return None


def _faults() -> Iterator[str]:
    for kind in _KINDS:
        name = _proxy_name(kind)
        if name is not None and (fault := proxy_fault(name)):
            yield fault
    yield from _no_proxy_faults()
    yield from _certificate_faults()


def _proxy_name(kind: str) -> str | None:
    """The variable that is set for a kind of proxy; the one in small letters counts first, as for Python."""
    names = (f"{kind}_proxy", f"{kind.upper()}_PROXY")
    return next((name for name in names if os.environ.get(name, "").strip()), None)


def _is_address(address: str) -> bool:
    if not address.isprintable() or any(char.isspace() for char in address):
        return False
    try:
        parts = urlsplit(address)
        return bool(parts.hostname) and (parts.port is None or 0 < parts.port <= _LONGEST_PORT)
    except ValueError:
        return False


def _no_proxy_faults() -> Iterator[str]:
    name = _proxy_name("no")
    for entry in os.environ[name].split(",") if name is not None else ():
        if not _is_exception(entry.strip()):
            advice = "write IPv6 addresses without brackets, as ::1" if "[" in entry else "correct it"
            yield f"{name} holds {entry.strip()[:100]!r}, which is not a host; {advice}"


def _is_exception(entry: str) -> bool:
    """Whether an entry of NO_PROXY is one that every client can read."""
    if "://" in entry:
        return _is_address(entry)
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(entry)
        return True
    host, colon, port = entry.partition(":")
    usable = not any(char.isspace() or char in "[]@?#" or not char.isprintable() for char in entry)
    return usable and (not colon or (bool(host) and port.isascii() and port.isdigit()))


def _certificate_faults() -> Iterator[str]:
    for name in _CERTIFICATES:
        value = os.environ.get(name, "")
        if not value:
            continue
        path, folder = Path(value), name.endswith("_DIR")
        if not path.exists():
            what = "does not exist"
        elif folder != path.is_dir() and (folder or name.startswith("SSL_")):
            what = "is not a folder" if folder else "is a folder"
        elif not path.is_dir() and not _holds_certificates(path):
            what = "holds no certificates"
        else:
            continue
        yield f"{name} names {value[:200]!r}, which {what}; correct it, or unset it"


def _holds_certificates(path: Path) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=str(path))
    except (OSError, ValueError):
        return False
    return True


def _set_names() -> Iterator[str]:
    for name in os.environ:
        if name in _CERTIFICATES or name.lower() in {f"{kind}_proxy" for kind in (*_KINDS, "no")}:
            yield name
