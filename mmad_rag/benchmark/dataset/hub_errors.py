"""Explain a hub's refusals, with what to do about them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mmad_rag.errors import DataError
from mmad_rag.network import certificate_fault

if TYPE_CHECKING:
    import httpx

_PASSING = {408, 425, 429}
"""Status codes below 500 after which a repeated request may succeed."""
_LONGEST_WAIT_S = 600.0


class HubRetryError(DataError):
    """A hub gave no whole answer this time; a repeated request may succeed.

    Args:
        message: The message, as for any error.
        wait_s: Seconds that the hub asks to wait; None if it does not say.
    """

    def __init__(self, message: str, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.wait_s = wait_s


def refusal(response: httpx.Response, *, dataset: str, revision: str, path: str | None = None) -> DataError:
    """The error for an answer whose status is not a success.

    Args:
        response: The answer; the headers X-Error-Code and X-Error-Message say more than the status.
        dataset: The data set that was asked for, `owner/name`.
        revision: The revision that was asked for.
        path: The file that was asked for; None if it was not a file.
    """
    status = response.status_code
    code = response.headers.get("X-Error-Code", "")
    said = response.headers.get("X-Error-Message", "")[:200]
    answer = f"status {status}" + (f": {said}" if said.isprintable() and said else "")
    host = response.url.host
    if status in _PASSING or status >= 500:
        return HubRetryError(
            f"{host} could not answer ({answer}); the same command goes on later", _wanted_wait(response)
        )
    if status == 403 or code == "GatedRepo":
        return DataError(
            f"{host} refuses access to the data set {dataset} ({answer}); accept its conditions on its page "
            "there, then set HF_TOKEN to a token of that account"
        )
    if status == 401 or code == "RepoNotFound":
        return DataError(
            f"{host} has no data set {dataset}, or it needs a login ({answer}); check --dataset, "
            "or set HF_TOKEN to a token that may read it"
        )
    if code == "RevisionNotFound" or (status == 404 and path is None):
        return DataError(
            f"{host} has no revision {revision} of the data set {dataset} ({answer}); give another --revision"
        )
    if status == 404:
        return DataError(
            f"{host} lists {path} in the data set {dataset}, but has no such file ({answer}); "
            "give another --revision, or leave it out by --only"
        )
    return DataError(f"{host} answered {answer} for {path or dataset}; check HF_ENDPOINT, or try again later")


def unreachable(error: Exception, endpoint: str) -> DataError:
    """The error for a request that got no answer, or only a part of one."""
    import httpx

    reason = str(error) or type(error).__name__
    if isinstance(error, httpx.UnsupportedProtocol | httpx.InvalidURL | httpx.TooManyRedirects):
        return DataError(f"{endpoint} is not an address of a hub ({reason}); correct HF_ENDPOINT")
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError):
        if "CERT" in reason and (fault := certificate_fault()):
            return DataError(f"{endpoint} cannot be reached ({reason}); {fault}")
        return HubRetryError(
            f"{endpoint} cannot be reached ({reason}); check the network, the proxy settings and "
            "HF_ENDPOINT, then give the same command again: it goes on where it stopped"
        )
    return HubRetryError(
        f"the connection to {endpoint} broke ({reason}); the same command goes on where it stopped"
    )


def _wanted_wait(response: httpx.Response) -> float | None:
    """Seconds from `Retry-After: 20`, or from `RateLimit: "resolvers";r=0;t=20`, at most ten minutes."""
    found = re.fullmatch(r"\s*(\d{1,9})\s*", response.headers.get("Retry-After", ""))
    found = found or re.search(r"\br=0;t=(\d{1,9})\b", response.headers.get("RateLimit", ""))
    return min(float(found[1]), _LONGEST_WAIT_S) if found else None
