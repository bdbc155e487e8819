"""The command `mmad-rag` with its subcommands, its messages and its exit codes."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mmad_rag.cli.console import note, print_what_can_be_printed
from mmad_rag.cli.lazy_commands import SETTINGS, Entry, lazy_commands, lazy_group
from mmad_rag.errors import MmadRagError
from mmad_rag.version import __version__

COMMANDS = {
    "demo": Entry(
        "demo:demo",
        "Run the whole job on a drawn sample, offline.",
    ),
    "build-index": Entry(
        "build_index:build_index", "Embed a knowledge folder into a FAISS-searchable index."
    ),
    "calibrate": Entry("calibrate:calibrate", "Fit the confidence of routing to an index."),
    "retrieve": Entry("ask:retrieve", "Show an image's product and what a model is shown of it."),
    "ask": Entry("ask:ask", "Ask a model one question about one image."),
    "eval": Entry(
        "eval:evaluate",
        "Measure a model with and without knowledge.",
    ),
    "eval-retrieval": Entry(
        "eval_retrieval:eval_retrieval",
        "Measure routing on labelled images.",
    ),
    "score": Entry("score:score", "Score a run or an answers file by a named rule."),
    "rescore": Entry("score:rescore", "Read the replies of a run again with this parser."),
    "compare": Entry(
        "compare:compare",
        "Compare arms of a run, or several models.",
    ),
    "errors": Entry("compare:errors", "List what all or most models get wrong."),
    "report": Entry(
        "report:report",
        "Write a run as one HTML page.",
    ),
    "audit": Entry(
        "audit:audit",
        "Score shortcuts that see no image.",
    ),
    "serve": Entry("serve:serve", "Serve an OpenAI-compatible endpoint that adds knowledge."),
}
"""The commands of `mmad-rag`, in the order of its help."""

KNOWLEDGE_COMMANDS = {
    "lint": Entry("knowledge:lint", "Check every product file."),
    "new": Entry("knowledge:new", "Start a product file."),
    "show": Entry("knowledge:show", "Print all that is known of a product."),
    "import-mmad": Entry("knowledge:import_mmad", "Import MMAD's published knowledge."),
    "schema": Entry("knowledge:schema", "Print the JSON Schema for editors."),
    "measure": Entry(
        "measure:measure",
        "Compare two knowledge bases by a text-only reader.",
    ),
}
INDEX_COMMANDS = {
    "show": Entry("index:show", "Show what an index holds."),
    "verify": Entry("index:verify", "Check every byte, count and vector of an index."),
    "remove": Entry(
        "index:remove",
        "Remove a product from an index.",
    ),
    "rename": Entry("index:rename", "Rename a product of an index."),
}
DATA_COMMANDS = {
    "download": Entry("data:download", "Download MMAD (about 30 GB)."),
    "verify": Entry("data:verify", "Check that the data is complete and undamaged."),
    "sample": Entry(
        "data:sample",
        "Draw a small benchmark in MMAD's layout.",
    ),
}

_INTERRUPTED = 130


class _Commands(TyperGroup):
    """All commands and groups of `mmad-rag`."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - as typer passes them
        super().__init__(**settings)
        self.commands.update(lazy_commands(COMMANDS))
        for group in (
            lazy_group("knowledge", "The product files.", KNOWLEDGE_COMMANDS),
            lazy_group("index", "Index folders.", INDEX_COMMANDS),
            lazy_group("data", "Benchmark data on disk.", DATA_COMMANDS),
        ):
            self.add_command(group)


app = typer.Typer(
    name="mmad-rag",
    cls=_Commands,
    help="Expert knowledge of industrial products for any multimodal LLM.",
    no_args_is_help=True,
    **SETTINGS,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mmad-rag {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Expert knowledge of industrial products for any multimodal LLM."""


def main() -> None:
    """Run the command line: exit code 0 done, 1 the user must act (one message), 2 wrong usage."""
    print_what_can_be_printed()
    try:
        app(prog_name="mmad-rag")
    except MmadRagError as error:
        note(f"error: {error}")
        sys.exit(1)
    except SystemExit as stop:
        if stop.code == _INTERRUPTED:
            note("interrupted")
        raise
