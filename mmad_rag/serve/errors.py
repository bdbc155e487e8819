"""Refusals of the endpoint in the form that OpenAI's clients read."""

from __future__ import annotations

import json
from collections.abc import Mapping

from starlette.responses import Response

from mmad_rag.errors import MmadRagError

_KINDS = {401: "authentication_error", 413: "invalid_request_error", 503: "server_error"}


class RefusalError(MmadRagError):
    """A refused request, which gets an error of ours instead of the upstream's answer.

    Args:
        status: The HTTP status.
        message: What happened, to which value, and what to do next; never a key.
        code: One word for programs, e.g. `body_too_large`.
        headers: Further response headers.
    """

    def __init__(
        self, status: int, message: str, *, code: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = dict(headers or {})

    def body(self) -> bytes:
        """The error in the form of OpenAI's API."""
        kind = _KINDS.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")
        error = {"message": str(self), "type": kind, "param": None, "code": self.code}
        return json.dumps({"error": error}).encode()

    def response(self) -> Response:
        """The complete response."""
        return Response(self.body(), self.status, self.headers, media_type="application/json")
