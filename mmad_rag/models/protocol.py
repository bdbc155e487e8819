"""The interface of everything that answers a prompt."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from mmad_rag.models.options import ModelOptions
from mmad_rag.records import Prompt, Reply


@runtime_checkable
class Model(Protocol):
    """Anything that answers a prompt: a provider, a control, or a wrapper around another model.

    A model whose tokens can be counted in advance also has an attribute `tokenizer`: a spec such as
    `openai:gpt-4o` (see `mmad_rag.retrieve.token_counter`). Without it, tokens of knowledge are estimated.
    """

    @property
    def identity(self) -> str:
        """Everything about the model that can change a reply (name, sampling, wrapped parts) in one line.

        Two models with the same identity are assumed to answer the same prompt alike. The identity is part
        of the key under which a run stores its outcomes, and never contains a secret.
        """
        ...

    async def answer(self, prompt: Prompt) -> Reply:
        """Answer one prompt.

        Raises:
            ModelActionError: no reply is possible until the user acts.
            ModelRetryError: there was no reply this time.
        """
        ...


class ModelLoader(Protocol):
    """Loads the models of one prefix: what an entry point of the group `mmad_rag.models` names."""

    def __call__(self, name: str, options: ModelOptions, *, asks: bool) -> Model:
        """Load the model that a spec names.

        Args:
            name: The part of the spec after the first colon, never empty.
            options: All other settings of the user; those that change a reply belong in the identity.
            asks: False if only the identity is wanted; then neither weights nor a key may be needed.

        Raises:
            SpecError: there is no model of this name.
            ModelActionError: it cannot be loaded until the user acts.
        """
        ...
