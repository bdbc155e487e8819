"""`mmad-rag demo`: the whole job on the shipped sample, offline."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from mmad_rag.cli.console import note, out, progress_bar
from mmad_rag.cli.progress import asking_progress, end_with_failures
from mmad_rag.cli.summary import print_summary
from mmad_rag.errors import DataError

ENCODER = "builtin:tiny"
MODEL = "builtin:reader"


@dataclass(frozen=True, slots=True)
class DemoFolders:
    """Where a demo writes."""

    sample: Path
    index: Path
    run: Path


def demo_folders(folder: Path, products: Set[str]) -> DemoFolders:
    """The three folders of a demo, found free or holding an earlier demo's work; nothing is changed yet.

    The sample is not looked at: rendering one refuses whatever is not a sample.

    Args:
        folder: Where the demo goes.
        products: What the demo's index holds.

    Raises:
        DataError: a folder holds somebody else's work, or cannot be looked into.
    """
    folders = DemoFolders(folder / "sample", folder / "index", folder / "run")
    try:
        _check_index(folders.index, products)
        _check_run(folders.run, folders.sample)
    except OSError as error:
        raise DataError(f"{folder} cannot be used ({error.strerror}); give another --out") from None
    return folders


def _check_index(index: Path, products: Set[str]) -> None:
    """An index of the demo is by its encoder and holds no other products."""
    from mmad_rag.index.folder.read import MANIFEST

    path = index / MANIFEST
    if not path.exists():
        return  # what is not an index at all is refused when the index is written
    try:
        manifest = json.loads(path.read_bytes())
        ours = manifest["encoder"]["spec"] == ENCODER and set(manifest["knowledge"]) <= products
    except (ValueError, KeyError, TypeError):
        ours = False
    if not ours:
        _refuse(index, "an index that is not an earlier demo's")


def _check_run(run: Path, sample: Path) -> None:
    """A run of the demo asked the demo's own model about the demo's own sample."""
    from mmad_rag.benchmark.run.reader import HEADER_FILE, OUTCOMES_FILE, read_header

    outcomes = run / OUTCOMES_FILE
    if not (run / HEADER_FILE).exists():
        if outcomes.exists() and outcomes.stat().st_size:
            _refuse(run, f"outcomes without a {HEADER_FILE}")
        if run.exists() and not outcomes.exists() and any(run.iterdir()):
            _refuse(run, "something that is not a run")
        return  # free, or a run that was stopped before it began
    try:
        header = read_header(run)
    except DataError as error:
        _refuse(run, f"a run that cannot be read ({error})")
    if Path(header.data).resolve() != sample.resolve() and header.data_sha256 != _digest(
        sample / "mmad.json"
    ):
        _refuse(run, f"a run of other data ({header.data})")
    if others := {arm.model for arm in header.arms if not arm.model.startswith(MODEL)}:
        _refuse(run, f"a run of another model ({min(others)})")


def _digest(path: Path) -> str | None:
    """SHA-256 (hex) of a file that may be absent."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None


def _refuse(folder: Path, what: str) -> NoReturn:
    raise DataError(f"{folder} holds {what}; it is left as it is: give another --out, or move it away")


_MEANING = f"""
{MODEL} reads text and never looks at an image: this shows that the parts work together,
not what a multimodal LLM would gain. With your own model and data:
  mmad-rag eval --data MMAD --model openai:NAME --arms none,rag,oracle"""


def demo(
    folder: Annotated[
        Path, typer.Option("--out", help="Where sample, index and run go; an earlier demo there is replaced.")
    ] = Path("runs/demo"),
) -> None:
    """Draw a sample, index the knowledge, ask with and without it, print the table; needs no network."""
    from mmad_rag.benchmark.run.store import clear_run
    from mmad_rag.benchmark.sample import render_sample
    from mmad_rag.evaluation.experiment import prepare
    from mmad_rag.index import KnowledgeIndex
    from mmad_rag.knowledge import load_knowledge
    from mmad_rag.knowledge.shipped import shipped_knowledge
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
    images = len({reference.digest for reference in index.references})
    note(f"sample: {drawn.images} images drawn by this library, {drawn.questions} questions")
    note(f"index: {counts.products} products, {counts.passages} passages, {images} references in six views")
    clear_run(folders.run)
    experiment = prepare(folders.sample, MODEL, index, arms=("none", "rag", "oracle"), out=folders.run)
    with asking_progress(folders.run, goes_on=False) as advance:
        evaluation = experiment.run(progress=advance)
    print_summary(evaluation.summary)
    out().print(_MEANING, markup=False, soft_wrap=True)
    note(f"run folder: {folders.run}")
    end_with_failures(evaluation.run, goes_on=False)
