"""The options that several commands share, each written once."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from mmad_rag.errors import SpecError

if TYPE_CHECKING:
    from mmad_rag.models.options import ModelOptions

DEFAULT_INDEX = Path("indexes/default")

IndexOption: TypeAlias = Annotated[
    Path, typer.Option("--index", help="Index folder, as built by `mmad-rag build-index`.")
]
EncoderOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--encoder", help="Load the index's encoder by this spec (when its file has moved)."),
]
JsonOption: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on standard output and nothing else.")
]
TokensOption: TypeAlias = Annotated[
    int,
    typer.Option(
        "--tokens",
        min=0,
        help="Tokens of knowledge per prompt, by the model's tokenizer where that is at hand.",
    ),
]
PricesOption: TypeAlias = Annotated[
    Path | None, typer.Option("--prices", help="Price table (YAML) that is looked at before the shipped one.")
]
ModelOption: TypeAlias = Annotated[
    str,
    typer.Option(
        "--model",
        help="provider:name, e.g. openai:gpt-4o, builtin:reader, builtin:longest, builtin:scripted/A.",
    ),
]
BaseUrlOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--base-url", help="Address of an OpenAI-compatible endpoint (else OPENAI_BASE_URL)."),
]


OptionsOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        "-o",
        metavar="NAME=VALUE",
        help="Something the model is told, e.g. temperature=none, max_completion_tokens=4096, detail=high, "
        "device=cuda:0, dtype=bfloat16, batch=16; repeat for each. All of them: docs/MODELS.md.",
    ),
]

_HAS_A_NONE = "reasoning_effort"
"""Its `none` is a word of the endpoints: no thinking."""
_ELSEWHERE = {
    "api_key": "set OPENAI_API_KEY; a key on the command line is read by others",
    "base_url": "use --base-url",
}


def model_options(
    given: Sequence[str] | None, spec: str, *, base_url: str | None = None, logprobs: int | None = None
) -> ModelOptions:
    """The options that were given, the others at their defaults.

    Args:
        given: Texts of the form `NAME=VALUE`; `none` stands for None, and `extra_body` takes JSON.
        spec: The model that they are for.
        base_url: As `--base-url` gives it.
        logprobs: As `--logprobs` gives it; None leaves what was given.

    Raises:
        SpecError: a text has another form, a name is unknown, given twice or of no use to the model's
            provider, or a value is of another kind.
        InputError: a value is outside its range.
    """
    from pydantic import TypeAdapter, ValidationError

    from mmad_rag.models.options import USED_BY, ModelOptions

    names = [field.name for field in dataclasses.fields(ModelOptions) if field.name not in _ELSEWHERE]
    values: dict[str, object] = {}
    for text in given or ():
        name, value = _read(text, names)
        if name in values:
            raise SpecError(f"--option gives {name} twice; give it once")
        values[name] = value
    provider = spec.partition(":")[0]
    if idle := sorted(set(values) - USED_BY.get(provider, frozenset(values))):
        raise SpecError(f"{provider}: models have no use for --option {', '.join(idle)}; leave it out")
    if base_url is not None:
        values["base_url"] = base_url
    if logprobs is not None:
        values["logprobs"] = logprobs
    try:
        return TypeAdapter(ModelOptions).validate_python(values)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        if not problem["loc"]:
            raise problem["ctx"]["error"] from None  # of a range, from the options themselves
        name = str(problem["loc"][0])
        raise SpecError(f"--option {name}={values[name]} cannot be used ({problem['msg']})") from None


def _read(text: str, names: Sequence[str]) -> tuple[str, object]:
    """Name and value of a text of the form `NAME=VALUE`, where the name is one of `names`."""
    name, equals, value = text.partition("=")
    name = name.strip()
    if name in _ELSEWHERE:
        raise SpecError(f"{name} is not given by --option; {_ELSEWHERE[name]}")
    if not equals or name not in names:
        raise SpecError(f"--option {text!r} is not of the form NAME=VALUE with one of {', '.join(names)}")
    if value.lower() == "none" and name != _HAS_A_NONE:
        return name, None
    if name == "extra_body":
        try:
            return name, json.loads(value)
        except ValueError as error:
            raise SpecError(f"--option extra_body is not JSON ({error}); give an object") from None
    return name, value
