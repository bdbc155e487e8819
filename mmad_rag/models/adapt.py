"""Adapt a spec, a client, an LLM or a callable to the model interface."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from mmad_rag.errors import InputError, ModelActionError
from mmad_rag.models import load_model
from mmad_rag.models.options import ModelOptions
from mmad_rag.models.protocol import Model
from mmad_rag.records import Prompt, Reply

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

    from mmad_rag.models.callable import AskFunction

ModelSource: TypeAlias = "Model | str | OpenAI | AsyncOpenAI | AskFunction | Any"
"""A spec such as `openai:gpt-4o`, a model, an OpenAI client, a LlamaIndex `LLM`, or a callable."""

_FORMS = (
    "give a spec such as 'openai:gpt-4o', a Model, an openai.OpenAI or AsyncOpenAI client, "
    "a LlamaIndex LLM, or a callable from messages to text"
)


class NoModel:
    """A placeholder where no model was given: knowledge can be looked up, but no question can be asked."""

    @property
    def identity(self) -> str:
        """A fixed name that says that there is no model."""
        return "no model"

    async def answer(self, prompt: Prompt) -> Reply:
        """Always refuse.

        Raises:
            ModelActionError: always.
        """
        raise ModelActionError(f"there is no model to ask about {prompt.question!r}; {_FORMS}")


def as_model(
    source: ModelSource | None,
    *,
    model_name: str | None = None,
    options: ModelOptions | None = None,
    asks: bool = True,
) -> Model:
    """The model that a source stands for; libraries are recognised without being imported.

    Args:
        source: A model or anything that can be adapted; None gives a model that refuses every question.
        model_name: Name of the model that an OpenAI client asks; required for a client and refused otherwise.
        options: Options of a spec's model or of the model that a client asks; refused otherwise. A client
            keeps its own address, key, time limits and retries.
        asks: False if only the identity of a spec's model is wanted, see `load_model`.

    Raises:
        InputError: the source cannot answer, a client comes without a model name, or a name or options are
            given with a source that takes none.
        SpecError: the spec is unknown or incomplete.
    """
    if is_client(source):
        from mmad_rag.models.openai.client import ClientModel

        return ClientModel(source, model_name or "", options)  # type: ignore[arg-type]  # checked above
    if model_name is not None:
        raise InputError(
            f"model_name={model_name!r} goes with an OpenAI client, and {_kind(source)} was given; "
            "leave it out, or give a client"
        )
    if isinstance(source, str):
        return load_model(source, options, asks=asks)
    if options is not None:
        raise InputError(
            f"options go with a spec or an OpenAI client, and {_kind(source)} was given; "
            "leave them out, and set up what you give"
        )
    if source is None:
        return NoModel()
    if _descends(source, "llama_index", ("LLM", "BaseLLM")):
        from mmad_rag.models.llama_index.model import LlamaIndexModel

        return LlamaIndexModel(source)
    if isinstance(source, Model) and not isinstance(source, type):
        return source
    if callable(source) and not isinstance(source, type):
        from mmad_rag.models.callable import CallableModel

        return CallableModel(source)
    raise InputError(f"{_kind(source)} is not a model; {_FORMS}")


def is_client(source: object) -> bool:
    """Whether this is an OpenAI client, sync or async, or of a class derived from one (Azure's, e.g.)."""
    return _descends(source, "openai", ("OpenAI", "AsyncOpenAI"))


def _descends(source: object, package: str, names: tuple[str, ...]) -> bool:
    """Whether the source's class descends from a class of this package with one of these names."""
    return any(
        parent.__name__ in names and parent.__module__.partition(".")[0] == package
        for parent in type(source).__mro__
    )


def _kind(source: object) -> str:
    return (
        f"the class {source.__name__}"
        if isinstance(source, type)
        else f"an object of type {type(source).__name__}"
    )
