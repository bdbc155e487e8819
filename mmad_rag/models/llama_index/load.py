"""A LlamaIndex LLM from its spec."""

from __future__ import annotations

import importlib
import re
from types import ModuleType
from typing import TYPE_CHECKING, Any

from mmad_rag.errors import ExtraError, MmadRagError, ModelActionError, SpecError
from mmad_rag.files import first_line
from mmad_rag.models.llama_index.model import LlamaIndexModel
from mmad_rag.models.options import ModelOptions

if TYPE_CHECKING:
    from llama_index.core.llms import LLM

_PROVIDER = re.compile(r"[a-z][a-z0-9_]*")
_CLASS = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_FORM = "write llama_index:PROVIDER/NAME or llama_index:PROVIDER.CLASS/NAME, e.g. llama_index:openai/gpt-4o"
_PACKAGE = "llama_index.llms"


def load_llama_index(name: str, options: ModelOptions) -> LlamaIndexModel:
    """Make the LLM that `PROVIDER/NAME` or `PROVIDER.CLASS/NAME` means.

    PROVIDER is the module below `llama_index.llms`, which a package of its own brings. CLASS is its LLM; it
    may be left out where the module has one only, or one that is called like the provider. Of the options,
    the LLM gets those that its class has a field for.

    Raises:
        SpecError: the spec has another form, or the module has no such class.
        ExtraError: the provider's package is not installed.
        ModelActionError: the LLM cannot be made, e.g. for want of a key.
    """
    source, slash, model = name.partition("/")
    provider, dot, wanted = source.partition(".")
    if not slash or not model.strip() or not _PROVIDER.fullmatch(provider):
        raise SpecError(f"the model spec 'llama_index:{name}' cannot be read; {_FORM}")
    if dot and not _CLASS.fullmatch(wanted):
        raise SpecError(f"the model spec 'llama_index:{name}' names no class after the dot; {_FORM}")
    made_by = _choose(_import(provider), provider, wanted)
    arguments = _arguments(made_by, model, options)
    try:
        return LlamaIndexModel(made_by(**arguments), options)
    except MmadRagError:
        raise
    except Exception as error:  # each provider's own code
        reason = first_line(error)
        raise ModelActionError(
            f"the LLM llama_index:{name} cannot be made ({reason}); "
            "set what its provider asks for, such as its key, or make the LLM in a program and hand it to "
            "RagWrapper"
        ) from error


def _import(provider: str) -> ModuleType:
    module = f"{_PACKAGE}.{provider}"
    package = f"llama-index-llms-{provider.replace('_', '-')}"
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name not in (module, _PACKAGE):
            raise ExtraError(
                f"{module} needs a library that is not installed ({error}); install it"
            ) from error
        raise ExtraError(
            f"LlamaIndex's package for {provider!r} is not installed; run `pip install {package}`, "
            "or check the provider's name"
        ) from None
    except Exception as error:  # packages of other versions fail in many ways
        raise ExtraError(f"{module} cannot be imported ({error}); run `pip install -U {package}`") from error


def _choose(module: ModuleType, provider: str, wanted: str) -> type[LLM]:
    """The class that is named, else the one that is called like the provider, else the only one."""
    from llama_index.core.llms import LLM

    names = getattr(module, "__all__", None) or [name for name in vars(module) if not name.startswith("_")]
    found = {
        name: value
        for name in names
        if isinstance(value := getattr(module, name, None), type)
        and issubclass(value, LLM)
        and not value.__module__.startswith("llama_index.core")
    }
    if wanted:
        chosen = [name for name in found if name == wanted]
    else:
        alike = provider.replace("_", "")
        chosen = [name for name in found if name.lower() == alike] or list(found)
    if len(chosen) != 1:
        problem = f"has no class {wanted}" if wanted else "does not say which of its classes is meant"
        listed = ", ".join(sorted(found)) or "none"
        raise SpecError(f"llama_index:{provider} {problem}; its LLMs are {listed}: {_FORM}")
    return found[chosen[0]]


def _arguments(made_by: type[LLM], model: str, options: ModelOptions) -> dict[str, Any]:
    """Names of fields that LlamaIndex's classes share by habit, each with what the options have for it."""
    fields = made_by.model_fields
    limit = options.max_completion_tokens or options.max_tokens
    wanted: dict[str, Any] = {
        "model" if "model" in fields or "model_name" not in fields else "model_name": model,
        "is_chat_model": True,  # OpenAILike is none by default, and drops the images then
        "temperature": options.temperature,
        "max_tokens": limit,
        "seed": options.seed,
        "logprobs": None if options.logprobs is None else True,
        "top_logprobs": options.logprobs,
        "timeout": options.timeout_s,
        "request_timeout": options.timeout_s,
        "api_key": options.api_key,
        "api_base": options.base_url,
        "base_url": options.base_url,
    }
    return {name: value for name, value in wanted.items() if value is not None and name in fields}
