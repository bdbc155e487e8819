"""Describe the settings of a LlamaIndex LLM without its secrets."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mmad_rag.records import JsonValue

if TYPE_CHECKING:
    from llama_index.core.llms import LLM

_SECRET = re.compile(r"(^|_)(key|token|secret|password|credentials?|headers?|auth)$")
_HIDDEN = "[hidden]"
_SHOWN = 16
_SHORTEST_SECRET = 6
"""Length in characters from which a secret is hidden; hiding shorter ones would hide ordinary words."""


def describe(llm: LLM) -> str:
    """`llama_index:CLASS/NAME, settings=DIGEST`, which differs if any setting other than a secret differs."""
    settings = {
        name: value
        for name in sorted(type(llm).model_fields)
        if not _SECRET.search(name) and (value := _plain(getattr(llm, name, None))) is not None
    }
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    return f"llama_index:{type(llm).__name__}/{model_name(llm)}, settings={digest[:_SHOWN]}"


def hide_secrets(llm: LLM, text: str) -> str:
    """The text with the LLM's keys and tokens hidden."""
    for name in type(llm).model_fields:
        value = getattr(llm, name, None)
        reveal = getattr(value, "get_secret_value", None)  # pydantic's SecretStr
        secret = reveal() if callable(reveal) else value
        if _SECRET.search(name) and isinstance(secret, str) and len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, _HIDDEN)
    return text


def model_name(llm: LLM) -> str:
    """The model's name from LlamaIndex's metadata, else from the LLM's field."""
    name = llm.metadata.model_name
    for field in ("model", "model_name"):
        if name == "unknown" and isinstance(given := getattr(llm, field, None), str) and given:
            name = given
    return str(name)


def _plain(value: object) -> JsonValue:
    """The value as JSON; None for values that JSON cannot hold, such as callbacks, clients and SecretStr."""
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {
            str(name): _plain(item) for name, item in value.items() if not _SECRET.search(str(name).lower())
        }
    return None
