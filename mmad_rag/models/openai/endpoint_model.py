"""The parts that both models of an OpenAI-compatible endpoint have in common."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from mmad_rag.models.openai.endpoint import Endpoint
from mmad_rag.models.openai.errors import connection_failure, status_failure, unsendable_failure
from mmad_rag.models.openai.request import RequestMaker
from mmad_rag.models.openai.response import Completion
from mmad_rag.models.openai.retry import Failure, Patience
from mmad_rag.models.openai.setup_check import FirstAnswers
from mmad_rag.network import certificate_fault, proxy_setting
from mmad_rag.records import Reply

if TYPE_CHECKING:
    import openai


class EndpointModel:
    """A named model at an endpoint: its identity, its replies, and the failures of its requests.

    Args:
        name: The model's name at its endpoint.
        endpoint: The address and key.
        request: Makes the requests.
        patience: How often a request is sent.
    """

    def __init__(self, name: str, endpoint: Endpoint, request: RequestMaker, patience: Patience) -> None:
        self._name = name
        self._endpoint = endpoint
        self._request = request
        self._patience = patience
        self._first = FirstAnswers()

    @property
    def identity(self) -> str:
        """The model's name, its endpoint without user name, and everything sent that can change a reply."""
        return f"openai:{self._name} at {self._endpoint.place}{self._request.said}"

    @property
    def tokenizer(self) -> str:
        """Spec of the model's tokenizer: `openai:` with the model's name."""
        return f"openai:{self._name}"

    def _reply(self, completion: Completion, latency_s: float) -> Reply:
        return Reply(
            text=completion.text,
            model=completion.model or self._name,
            usage=completion.usage,
            latency_s=latency_s,
            first_token=completion.first_token,
            finish=completion.finish,
        )

    def _failure_of(
        self, error: UnicodeEncodeError | openai.APIConnectionError | openai.APIStatusError
    ) -> Failure:
        """The failure that an error of the SDK stands for; of its timeouts, each model knows the reason."""
        import openai

        if isinstance(error, UnicodeEncodeError):
            return unsendable_failure()
        endpoint = self._endpoint.hiding(_keys_of(error))
        if isinstance(error, openai.APIStatusError):
            return status_failure(
                error.status_code,
                error.response.headers,
                error.body,
                endpoint=endpoint,
                patience=self._patience,
            )
        return _with_setting(connection_failure(error, endpoint=endpoint, patience=self._patience), endpoint)


def _keys_of(error: openai.APIError) -> Iterator[str]:
    """The keys that a request was sent with: a client may have obtained them a moment before."""
    for name in ("authorization", "api-key"):
        value = error.request.headers.get(name, "")
        yield from (value, value.rpartition(" ")[2])  # the value, and the key in `Bearer KEY`


def _with_setting(failure: Failure, endpoint: Endpoint) -> Failure:
    """The failure, with the environment's setting that may have kept a connection from being made."""
    if not failure.stops_run:
        return failure
    way = proxy_setting(endpoint.url)
    fault = certificate_fault() if "CERT" in failure.happened else None
    if fault is None and way is not None:
        fault = f"{way[0]} names the proxy for it: start that, or correct or unset {way[0]}"
    return failure if fault is None else replace(failure, advice=f"{failure.advice}; {fault}")
