"""Anything that answers a prompt, by its spec."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from mmad_rag.errors import SpecError
from mmad_rag.models.options import ModelOptions
from mmad_rag.models.protocol import Model

__all__ = ["MODEL_FORMS", "Model", "load_model"]

_Loader: TypeAlias = Callable[[str, ModelOptions], Model]

MODEL_FORMS = MappingProxyType(
    {
        "openai:NAME": "the model NAME of any OpenAI-compatible endpoint",
        "transformers:NAME": "the checkpoint NAME (or NAME@REVISION) of the model hub, run here",
        "transformers:@FOLDER": "the checkpoint in FOLDER, run here",
        "llama_index:PROVIDER/NAME": "the model NAME by LlamaIndex's package for PROVIDER",
        "builtin:reader": "a text-only reader of the knowledge in the prompt; no MLLM",
        "builtin:longest": "always the longest option",
        "builtin:shortest": "always the shortest option",
        "builtin:first": "always the first option",
        "builtin:scripted/TEXT": "always replies TEXT",
    }
)
"""Every form of a model spec, with what it stands for: for messages and help."""


def load_model(
    spec: str,
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    temperature: float | None = 0.0,
    max_tokens: int | None = 256,
    max_completion_tokens: int | None = None,
    seed: int | None = None,
    logprobs: int | None = None,
    timeout_s: float = 120.0,
    deadline_s: float = 600.0,
    device: str = "auto",
    dtype: str = "auto",
    batch: int = 8,
) -> Model:
    """Load the model that a spec names (`MODEL_FORMS`); what the options mean is written in `ModelOptions`.

    Raises:
        SpecError: the spec or the base URL is unknown or incomplete.
        InputError: an option is outside its range.
        ModelActionError: OpenAI itself is asked and there is no key.

    Example:
        >>> load_model("builtin:scripted/A").identity
        'builtin:scripted/A'
    """
    options = ModelOptions(
        base_url=base_url,
        api_key=api_key,
        temperature=temperature,
        max_tokens=max_tokens,
        max_completion_tokens=max_completion_tokens,
        seed=seed,
        logprobs=logprobs,
        timeout_s=timeout_s,
        deadline_s=deadline_s,
        device=device,
        dtype=dtype,
        batch=batch,
    )
    provider, _, name = spec.partition(":")
    loader = _LOADERS.get(provider)
    if loader is None or not name.strip():
        raise _unknown(spec)
    return loader(name, options)


def _load_openai(name: str, options: ModelOptions) -> Model:
    from mmad_rag.models.openai_model import OpenAIModel

    return OpenAIModel(name, options)


def _load_transformers(name: str, options: ModelOptions) -> Model:
    from mmad_rag.models.transformers_model import TransformersModel

    return TransformersModel(name, options)


def _load_llama_index(name: str, options: ModelOptions) -> Model:
    from mmad_rag.models.llama_index_load import load_llama_index

    return load_llama_index(name, options)


def _load_builtin(name: str, _options: ModelOptions) -> Model:
    from mmad_rag.models.reader import ReaderModel
    from mmad_rag.models.scripted import ScriptedModel
    from mmad_rag.models.shortcut import Shortcut, ShortcutModel

    if name == "reader":
        return ReaderModel()
    if name in list(Shortcut):
        return ShortcutModel(Shortcut(name))
    kind, _, text = name.partition("/")
    if kind == "scripted" and text:
        return ScriptedModel(text, keep_prompts=False)
    raise _unknown(f"builtin:{name}")


def _unknown(spec: str) -> SpecError:
    forms = "\n".join(f"  {form:<22} {meaning}" for form, meaning in MODEL_FORMS.items())
    return SpecError(f"there is no model {spec!r}; use one of\n{forms}")


_LOADERS: Mapping[str, _Loader] = MappingProxyType(
    {
        "openai": _load_openai,
        "transformers": _load_transformers,
        "llama_index": _load_llama_index,
        "builtin": _load_builtin,
    }
)
