"""The command `mmad-rag` with its subcommands, its messages and its exit codes."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from mmad_rag.cli.commands.ask import ask, retrieve
from mmad_rag.cli.commands.audit import audit
from mmad_rag.cli.commands.build_index import build_index
from mmad_rag.cli.commands.calibrate import calibrate
from mmad_rag.cli.commands.data import data_app
from mmad_rag.cli.commands.demo import demo
from mmad_rag.cli.commands.eval import evaluate
from mmad_rag.cli.commands.eval_retrieval import eval_retrieval
from mmad_rag.cli.commands.index import index_app
from mmad_rag.cli.commands.knowledge import knowledge_app
from mmad_rag.cli.commands.measure import measure
from mmad_rag.cli.commands.report import report
from mmad_rag.cli.commands.score import compare, rescore, score
from mmad_rag.cli.commands.serve import serve
from mmad_rag.cli.console import note
from mmad_rag.errors import MmadRagError
from mmad_rag.version import __version__

app = typer.Typer(
    name="mmad-rag",
    help="Expert knowledge of industrial products for any multimodal LLM.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_INTERRUPTED = 130


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


app.command("demo")(demo)
app.command("build-index")(build_index)
app.command("calibrate")(calibrate)
app.command("retrieve")(retrieve)
app.command("ask")(ask)
app.command("eval")(evaluate)
app.command("eval-retrieval")(eval_retrieval)
app.command("score")(score)
app.command("rescore")(rescore)
app.command("compare")(compare)
app.command("report")(report)
app.command("audit")(audit)
app.command("serve")(serve)
knowledge_app.command("measure")(measure)
app.add_typer(knowledge_app, name="knowledge")
app.add_typer(index_app, name="index")
app.add_typer(data_app, name="data")


def main() -> None:
    """Run the command line: exit code 0 done, 1 the user must act (one message), 2 wrong usage."""
    try:
        app(prog_name="mmad-rag")
    except MmadRagError as error:
        note(f"error: {error}")
        sys.exit(1)
    except SystemExit as stop:
        if stop.code == _INTERRUPTED:
            note("interrupted")
        raise
