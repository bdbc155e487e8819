"""How knowledge is looked up for a model: the one record that every door builds its retriever from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from mmad_rag.retrieve.selection.select import DEFAULT_BUDGET
from mmad_rag.retrieve.selection.tokenizers import ESTIMATE, NamedCounter, token_counter

if TYPE_CHECKING:
    from mmad_rag.encoders.protocol import Encoder
    from mmad_rag.index.data import IndexData
    from mmad_rag.retrieve.clip import ClipRetriever

_LONGEST_NAME = 200
"""Characters; a longer name in a request names no model that is known here."""


@dataclass(frozen=True, slots=True)
class RetrievalConfig:
    """What decides, beside the index, which passages a model is shown.

    `RagWrapper`, `ask`, `retrieve`, `serve`, every arm of `eval`, `eval --plan` and `knowledge measure` make
    their retrievers from one, so that what is measured is what is shipped.

    Example:
        >>> RetrievalConfig.for_model("builtin:reader").counter.name
        'estimate'
    """

    budget: int = DEFAULT_BUDGET
    """Tokens of knowledge per prompt, at least 0, counted by `counter`."""
    counter: NamedCounter = ESTIMATE
    """Counts the tokens of a text."""
    encoder: Encoder | str | None = None
    """The encoder of the index, or a spec that loads it where its file has moved; None: the manifest's."""
    text_encoder: Encoder | str | None = None
    """Likewise for the encoder of the passages, where the index has another one for them."""

    @classmethod
    def for_model(
        cls,
        model: object,
        *,
        budget: int = DEFAULT_BUDGET,
        encoder: Encoder | str | None = None,
        text_encoder: Encoder | str | None = None,
    ) -> Self:
        """The configuration whose tokens are counted as the model counts them; see `counter_for`."""
        return cls(budget, counter_for(model), encoder, text_encoder)

    def for_request(self, name: object) -> Self:
        """The same with the counter of the model that a request to an endpoint names.

        Args:
            name: What stands in the request's field `model`; anything but a short name keeps the counter.
        """
        if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME:
            return self
        return replace(self, counter=counter_for(f"openai:{name}"))

    def clip(self, index: IndexData) -> ClipRetriever:
        """A retriever that looks for the product in the image.

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
    """What counts the tokens of a model's prompts; nothing is downloaded.

    Args:
        model: A spec such as `openai:gpt-4o`, or a model whose attribute `tokenizer` is one. Whatever names
            no tokenizer that is at hand (None, a callable, a built-in model) is estimated.

    Raises:
        SpecError: the tokenizer of a checkpoint's folder is damaged.
    """
    spec = model if isinstance(model, str) else getattr(model, "tokenizer", None)
    return token_counter(spec) if isinstance(spec, str) else ESTIMATE
