"""Anything that answers a prompt, by its spec."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from mmad_rag.errors import SpecError
from mmad_rag.installed import MODELS, installed_forms, make_installed
from mmad_rag.models.options import ModelOptions
from mmad_rag.models.protocol import Model, ModelLoader

__all__ = ["MODEL_FORMS", "Model", "ModelLoader", "ModelOptions", "load_model"]

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


def load_model(spec: str, options: ModelOptions | None = None, *, asks: bool = True) -> Model:
    """Load the model that a spec names: one of `MODEL_FORMS`, or what an installed package brings.

    A package brings models by an entry point of the group `mmad_rag.models`, whose name is the provider and
    whose object is a `ModelLoader`.

    Args:
        spec: `provider:name`.
        options: Everything else it can be told.
        asks: False where nothing will be asked of it, and its identity is all that is wanted: then neither
            weights nor a key are needed.

    Raises:
        SpecError: the spec or the base URL is unknown or incomplete, or the package that brings it fails.
        InputError: an option is outside its range.
        ModelActionError: OpenAI itself is asked and there is no key, or a checkpoint cannot be loaded.

    Example:
        >>> load_model("builtin:scripted/A").identity
        'builtin:scripted/A'
        >>> load_model("openai:gpt-4o", ModelOptions(seed=1), asks=False).identity
        'openai:gpt-4o at api.openai.com/v1, temperature=0.0, max_tokens=256, seed=1'
    """
    options = options if options is not None else ModelOptions()
    provider, _, name = spec.partition(":")
    loader = _LOADERS.get(provider)
    if not name.strip():
        raise _unknown(spec)
    if loader is None:
        return _load_installed(spec, name, options, asks=asks)
    return loader(name, options, asks=asks)


def _load_openai(name: str, options: ModelOptions, *, asks: bool) -> Model:
    from mmad_rag.models.openai.model import OpenAIModel

    return OpenAIModel(name, options if asks else replace(options, api_key="unused"))


def _load_transformers(name: str, options: ModelOptions, *, asks: bool) -> Model:
    from mmad_rag.models.transformers.model import TransformersModel

    return TransformersModel(name, options, asks=asks)


def _load_llama_index(name: str, options: ModelOptions, *, asks: bool) -> Model:
    from mmad_rag.models.llama_index.load import load_llama_index

    return load_llama_index(name, options if asks else replace(options, api_key=options.api_key or "unused"))


def _load_builtin(name: str, options: ModelOptions, *, asks: bool) -> Model:
    from mmad_rag.models.builtin.reader import ReaderModel
    from mmad_rag.models.builtin.scripted import ScriptedModel
    from mmad_rag.models.builtin.shortcut import Shortcut, ShortcutModel

    if name == "reader":
        return ReaderModel()
    if name in list(Shortcut):
        return ShortcutModel(Shortcut(name))
    kind, _, text = name.partition("/")
    if kind == "scripted" and text:
        return ScriptedModel(text, keep_prompts=False)
    raise _unknown(f"builtin:{name}")


def _load_installed(spec: str, name: str, options: ModelOptions, *, asks: bool) -> Model:
    made = make_installed(
        MODELS,
        spec,
        Model,  # type: ignore[type-abstract]  # it is only compared with
        lambda load: load(name, options, asks=asks),
        SpecError,
    )
    if made is None:
        raise _unknown(spec)
    return made


def _unknown(spec: str) -> SpecError:
    ours = [f"  {form:<22} {meaning}" for form, meaning in MODEL_FORMS.items()]
    forms = "\n".join([*ours, *installed_forms(MODELS, _LOADERS)])
    return SpecError(f"there is no model {spec!r}; use one of\n{forms}")


_LOADERS: Mapping[str, ModelLoader] = MappingProxyType(
    {
        "openai": _load_openai,
        "transformers": _load_transformers,
        "llama_index": _load_llama_index,
        "builtin": _load_builtin,
    }
)
