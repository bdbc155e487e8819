"""The options that several commands share, each written once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

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
    Path | None, typer.Option("--prices", help="Price table (YAML) that stands before the shipped one.")
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
