"""`mmad-rag knowledge measure`: what one knowledge base is worth against another."""

from __future__ import annotations

import datetime as dt
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmad_rag.cli.console import note, print_json, print_table
from mmad_rag.cli.options import JsonOption
from mmad_rag.cli.progress import asking_progress, end_with_failures

if TYPE_CHECKING:
    from mmad_rag.benchmark.analysis.knowledge_value import ArmPair
    from mmad_rag.knowledge import KnowledgeBase

FULL = 1_000_000
"""A budget that every product fits into."""
_OURS, _THEIRS = "this", "other"
_CONTROLS = {"alike": "drawn in its dataset", "wrong": "drawn among all"}
"""Control arm -> where the wrong product is drawn."""


def measure(
    knowledge: Annotated[Path, typer.Argument(help="Folder of <product>.yaml files.")],
    against: Annotated[
        Path, typer.Option("--against", help="Another such folder, or MMAD's domain_knowledge.json.")
    ],
    data: Annotated[Path, typer.Option("--data", help="Folder with mmad.json; images are not needed.")],
    tokens: Annotated[
        list[int] | None,
        typer.Option("--tokens", min=1, help="Tokens per prompt; repeatable. Full length is added."),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="These images only: a product or a glob; repeatable.")
    ] = None,
    model: Annotated[
        str, typer.Option("--model", help="Model that reads the knowledge; it sees no image.")
    ] = "builtin:reader",
    out_folder: Annotated[Path | None, typer.Option("--out", help="Run folder to keep or continue.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed for bootstrap draws.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Compare two knowledge bases by a text-only reader.

    Both are asked the same questions with the true product given, at equal budgets and at full length, and
    again with a wrong product as a control: one of the same dataset, whose texts are alike in style, and one
    of all. The reader's ties count as what is expected of a draw.
    """
    from mmad_rag.benchmark.analysis.compare import compare_arms
    from mmad_rag.benchmark.analysis.knowledge_value import product_specific_gains
    from mmad_rag.benchmark.analysis.subsets import arm_tables
    from mmad_rag.benchmark.data.mmad import load_questions
    from mmad_rag.benchmark.run.arms import base_arms
    from mmad_rag.benchmark.run.reader import read_run
    from mmad_rag.benchmark.run.run_arms import run_arms
    from mmad_rag.benchmark.run.settings import RunSettings
    from mmad_rag.index import KnowledgeIndex
    from mmad_rag.knowledge import load_knowledge
    from mmad_rag.models import load_model
    from mmad_rag.rag import run_sync
    from mmad_rag.report.tables.knowledge_sizes import knowledge_sizes, sizes_table
    from mmad_rag.report.tables.scores import arms_notes, arms_table, specific_table

    benchmark = load_questions(data)
    settings = RunSettings(only=only or (), images=False, seed=seed)
    questions = settings.select(benchmark).questions
    budgets = [*(tokens or []), FULL]
    with tempfile.TemporaryDirectory() as scratch:
        bases = {_OURS: load_knowledge(knowledge), _THEIRS: _load(against, Path(scratch) / "imported")}
        indexes = {name: KnowledgeIndex.build(base, "builtin:tiny") for name, base in bases.items()}
        sizes = knowledge_sizes(bases, sorted({question.product for question in questions}))
        folder = out_folder or Path(scratch) / "run"
        datasets = {question.product: question.dataset for question in benchmark.questions}
        arms = base_arms(load_model(model), indexes, budgets, datasets=datasets)
        with asking_progress(folder, goes_on=out_folder is not None) as advance:
            run_sync(run_arms(benchmark, arms, out=folder, settings=settings, progress=advance))
        run = read_run(folder)
    tables = arm_tables(run, [arm.name for arm in arms])
    specific = {
        (size, control): product_specific_gains(
            run.rows, run.questions, _pair(_THEIRS, size, control), _pair(_OURS, size, control), seed=seed
        )
        for size in budgets
        for control in _CONTROLS
    }
    comparisons = [
        compare_arms(run.rows, run.questions, f"{_THEIRS}@{size}", f"{_OURS}@{size}", seed=seed)
        for size in budgets
    ]
    if as_json:
        by_control = {control: {size: specific[size, control] for size in budgets} for control in _CONTROLS}
        print_json(
            {"sizes": sizes, "scores": dict(tables), "comparisons": comparisons, "specific": by_control}
        )
    else:
        print_table(sizes_table(sizes))
        print_table(arms_table(tables, comparisons))
        for line in arms_notes(comparisons):
            note(line)
        for (size, control), values in specific.items():
            said = _CONTROLS[control]
            print_table(specific_table(values, f"True less wrong product's text, {said}, budget {size}"))
        note(f"{_OURS}: {knowledge}, {_THEIRS}: {against}; @{FULL}: full length")
    end_with_failures(run, goes_on=out_folder is not None)


def _pair(base: str, budget: int, control: str) -> ArmPair:
    from mmad_rag.benchmark.analysis.knowledge_value import ArmPair

    return ArmPair(f"{base}@{budget}", f"{base}@{budget}/{control}")


def _load(source: Path, scratch: Path) -> KnowledgeBase:
    from mmad_rag.knowledge import load_knowledge
    from mmad_rag.knowledge.mmad_import import import_mmad

    if source.suffix == ".json":
        return import_mmad(source, scratch, today=dt.datetime.now(dt.UTC).date())
    return load_knowledge(source)
