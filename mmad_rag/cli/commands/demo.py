"""`mmad-rag demo`: the whole job on the shipped sample, offline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmad_rag.cli.commands.eval import hard_subset_for
from mmad_rag.cli.console import note, out, progress_bar
from mmad_rag.cli.demo_folder import ENCODER, MODEL, demo_folders
from mmad_rag.cli.progress import end_with_failures, run_with_progress
from mmad_rag.cli.summary import print_summary

_MEANING = f"""
{MODEL} reads text and never looks at a picture: this shows that the parts work together,
not what a multimodal LLM would gain. With your own model and data:
  mmad-rag eval --data MMAD --model openai:NAME --arms none,rag,oracle"""


def demo(
    folder: Annotated[
        Path, typer.Option("--out", help="Where sample, index and run go; an earlier demo there is replaced.")
    ] = Path("runs/demo"),
) -> None:
    """Draw a sample, index the knowledge, ask with and without it, print the table; needs no network."""
    from mmad_rag.benchmark.analysis.summary import summarise
    from mmad_rag.benchmark.data.mmad import load_questions
    from mmad_rag.benchmark.data.selection import select
    from mmad_rag.benchmark.run.arms import build_arms
    from mmad_rag.benchmark.run.reader import read_run
    from mmad_rag.benchmark.run.run_arms import run_arms
    from mmad_rag.benchmark.run.store import clear_run
    from mmad_rag.benchmark.sample import render_sample
    from mmad_rag.index import KnowledgeIndex
    from mmad_rag.knowledge import load_knowledge
    from mmad_rag.knowledge.shipped import shipped_knowledge
    from mmad_rag.models import load_model
    from mmad_rag.retrieve.routing.calibrate import calibrated

    base = load_knowledge(shipped_knowledge())
    folders = demo_folders(folder, {product.product for product in base.products})
    with progress_bar() as bar:
        drawn = render_sample(
            folders.sample, progress=lambda done, total: bar("drawing the sample", done, total)
        )
        index = calibrated(KnowledgeIndex.build(base, ENCODER, references=folders.sample, progress=bar))
        index.save(folders.index)
    counts = index.manifest.counts
    pictures = len({reference.digest for reference in index.references})
    note(f"sample: {drawn.pictures} pictures drawn by this library, {drawn.questions} questions")
    note(f"index: {counts.products} products, {counts.passages} passages, {pictures} references in six views")
    clear_run(folders.run)
    benchmark = load_questions(folders.sample)
    arms = build_arms(("none", "rag", "oracle"), load_model(MODEL), index)
    hard = hard_subset_for(benchmark, folders.run, None)
    run_with_progress(
        lambda advance: run_arms(
            benchmark, select(benchmark), arms, out=folders.run, hard=hard, progress=advance
        ),
        out_folder=folders.run,
        goes_on=False,
    )
    run = read_run(folders.run)
    print_summary(summarise(run))
    out().print(_MEANING, markup=False, soft_wrap=True)
    note(f"run folder: {folders.run}")
    end_with_failures(run, goes_on=False)
