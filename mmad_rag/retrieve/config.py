"""How knowledge is looked up for a model: the one record from which every command builds its retriever."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from mmad_rag.errors import SpecError
from mmad_rag.retrieve.selection.select import DEFAULT_BUDGET
from mmad_rag.retrieve.selection.tokenizers import ESTIMATE, NamedCounter, token_counter

if TYPE_CHECKING:
    from mmad_rag.encoders.protocol import Encoder
    from mmad_rag.index.data import IndexData
    from mmad_rag.retrieve.clip import ClipRetriever

_NAMES_KEPT = 256
_LONGEST_NAME = 200
"""Longest model name in characters; a longer one in a request is not a known model."""


@dataclass(frozen=True, slots=True)
class RetrievalConfig:
    """The settings that, together with the index, decide which passages a model is shown.

    `RagWrapper`, `ask`, `retrieve`, `serve`, every arm of `eval`, `eval --plan` and `knowledge measure` build
    their retrievers from this record, so that the benchmark measures what users run.

    Example:
        >>> RetrievalConfig.for_model("builtin:reader").counter.name
        'estimate'
    """

    budget: int = DEFAULT_BUDGET
    """Largest number of tokens of knowledge per prompt, at least 0, counted by `counter`."""
    counter: NamedCounter = ESTIMATE
    """Counts the tokens of a text."""
    encoder: Encoder | str | None = None
    """The encoder of the index, or a spec that loads it if its file has moved; None loads the manifest's."""
    text_encoder: Encoder | str | None = None
    """The encoder of passages, given in the same way, where the index has a separate one."""

    @classmethod
    def for_model(
        cls,
        model: object,
        *,
        budget: int = DEFAULT_BUDGET,
        encoder: Encoder | str | None = None,
        text_encoder: Encoder | str | None = None,
    ) -> Self:
        """The configuration that counts tokens as the model does; see `counter_for`."""
        return cls(budget, counter_for(model), encoder, text_encoder)

    def clip(self, index: IndexData) -> ClipRetriever:
        """A retriever that recognises the product in the image.

        Raises:
            IndexMismatchError: an encoder is not the one that built the index.
            EncoderError: an encoder cannot be loaded.
        """
        from mmad_rag.retrieve.clip import ClipRetriever

        return ClipRetriever(
            index,
            encoder=self.encoder,
            text_encoder=self.text_encoder,
            budget=self.budget,
            counter=self.counter,
        )


def counter_for(model: object) -> NamedCounter:
    """The counter for the tokens of a model's prompts; nothing is downloaded.

    Args:
        model: A spec such as `openai:gpt-4o`, or a model whose attribute `tokenizer` is one. If it does not
            name an available tokenizer (None, a callable, a built-in model), tokens are estimated.

    Raises:
        SpecError: the tokenizer of a checkpoint's folder is damaged.
    """
    spec = model if isinstance(model, str) else getattr(model, "tokenizer", None)
    return token_counter(spec) if isinstance(spec, str) else ESTIMATE


class RequestCounters:
    """The counters of the models that requests to an endpoint name, each found once.

    Finding one reads files, which takes milliseconds, and a second where a tokenizer is loaded. Safe to use
    from several threads.

    Args:
        otherwise: Counts for a request that names no model, or by more than a short name.
    """

    def __init__(self, otherwise: NamedCounter) -> None:
        self._otherwise = otherwise
        self._found: dict[str, NamedCounter] = {}

    def known(self, name: object) -> NamedCounter | None:
        """The counter for a request, if it needs no search; None if `find` has to look for it.

        Args:
            name: The value of the request's field `model`.
        """
        if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME:
            return self._otherwise
        return self._found.get(name)

    def find(self, name: object) -> NamedCounter:
        """The counter for a request; the first 256 names are remembered, as clients may send any."""
        known = self.known(name)
        if known is not None:
            return known
        try:
            found = counter_for(f"openai:{name}")
        except SpecError:  # a damaged file in the cache of the model hub is not the client's fault
            found = self._otherwise
        if len(self._found) < _NAMES_KEPT:
            self._found[str(name)] = found
        return found
