"""`mmad-rag data`: benchmark data on disk."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmad_rag.benchmark.dataset.download import DATASET, REPORTED_SHA256, REVISION
from mmad_rag.cli.console import note, out, plain, print_json, progress_bar
from mmad_rag.cli.options import JsonOption

if TYPE_CHECKING:
    from mmad_rag.benchmark.dataset.download import Download
    from mmad_rag.benchmark.dataset.download_progress import DownloadProgress
    from mmad_rag.benchmark.dataset.findings import DataReport
    from mmad_rag.benchmark.dataset.unpack import Unpacked


_SHOWN = 10
"""Findings of a kind that the terminal shows."""


def verify(
    folder: Annotated[Path, typer.Argument(help="Folder that holds mmad.json and the images.")],
    fast: Annotated[
        bool, typer.Option("--fast", help="Open no image: only whether files are there, and mmad.json.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Check that the data is complete and undamaged.

    It looks at images, hashes, duplicates and known errata.

    Exit code 1 when something must be done; what is merely doubtful is told, and leaves the exit code at 0.
    """
    from mmad_rag.benchmark.dataset.verify import verify_data

    with progress_bar() as bar:
        report = verify_data(
            folder, fast=fast, progress=lambda done, total: bar("looking at files", done, total)
        )
    if as_json:
        print_json({**plain(report), "must_act": report.must_act})
    else:
        _print(report)
    if report.must_act:
        note(
            "something must be done: `mmad-rag data download` fetches what is missing, "
            "with --replace also what is wrong"
        )
        raise typer.Exit(1)


def _print(report: DataReport) -> None:
    def line(text: str) -> None:
        out().print(text, markup=False, soft_wrap=True)

    read = "no image opened" if report.fast else f"{report.opened:,} images opened"
    line(
        f"{report.folder}: {report.questions:,} questions about {report.images:,} images; {read}, "
        f"{report.hashed:,} files compared with their hashes, {len(report.unused):,} files unused"
    )
    if report.version_line:
        line(report.version_line)
    counts = Counter(finding.kind for finding in report.findings)
    for kind, count in counts.items():
        line(f"{kind.value}: {count:,}")
        named = [finding for finding in report.findings if finding.kind is kind]
        for finding in named[:_SHOWN]:
            line(f"  {finding.name}" + (f": {finding.detail}" if finding.detail else ""))
        if count > _SHOWN:
            line(f"  and {count - _SHOWN:,} more; --json lists all")
    if not counts:
        line("nothing is missing, damaged or doubtful")


_LONG_S = 2.0
"""Seconds of waiting that are worth a word."""
_SMALL = 10_000_000
"""Bytes below which a download is told in kB."""


def download(
    folder: Annotated[Path, typer.Argument(help="Where the data goes; made if need be.")],
    dataset: Annotated[str, typer.Option("--dataset", help="Name of the data set on the hub.")] = DATASET,
    revision: Annotated[str, typer.Option("--revision", help="Commit, branch or tag.")] = REVISION,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="Fetch files that this glob fits; repeatable.")
    ] = None,
    questions_only: Annotated[
        bool,
        typer.Option("--questions-only", help="Fetch mmad.json and domain_knowledge.json, no images."),
    ] = False,
    unpack: Annotated[
        bool, typer.Option("--unpack", help="Unpack zip files among what was fetched, beside themselves.")
    ] = False,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict", help="Refuse an mmad.json that is not the one others report for the default revision."
        ),
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Fetch files again that are there with other bytes.")
    ] = False,
    concurrency: Annotated[
        int, typer.Option("--concurrency", min=1, max=32, help="Files fetched at a time.")
    ] = 4,
    as_json: JsonOption = False,
) -> None:
    """Download MMAD (about 30 GB).

    The same command continues an interrupted download.

    Every file is compared with the hash that the hub lists before it gets its name. HF_ENDPOINT names another
    hub, HF_TOKEN says who asks.
    """
    from mmad_rag.benchmark.dataset.download import download_data
    from mmad_rag.benchmark.dataset.unpack import unpack_archives

    try:
        with progress_bar() as bar:

            def advance(progress: DownloadProgress) -> None:
                if progress.stage == "checking":
                    bar("checking", progress.done, progress.total)
                    return
                unit, name = (1_000, "kB") if progress.total < _SMALL else (1_000_000, "MB")
                left = f", {progress.files_left} files left"
                if progress.wait_s >= _LONG_S:
                    left += f", waiting {progress.wait_s:.0f} s for the hub"
                bar(f"fetching, {name}", progress.done // unit, progress.total // unit, left)

            done = download_data(
                folder, dataset=dataset, revision=revision, only=only or (), questions_only=questions_only,
                strict=strict, replace=replace, concurrency=concurrency, progress=advance,
            )  # fmt: skip
            unpacked = None
            if unpack and done.archives:
                unpacked = unpack_archives(
                    folder, done.archives, progress=lambda ready, total: bar("unpacking", ready, total)
                )
    except KeyboardInterrupt:
        note(f"what has come is kept in {folder}; the same command goes on where it stopped")
        raise
    _notes(done, unpacked)
    if as_json:
        print_json({**plain(done), "reported_sha256": REPORTED_SHA256, "unpacked": unpacked})
        return
    out().print(
        f"{folder}: {done.files:,} files of {done.dataset} at {done.revision}; {done.kept:,} were there "
        f"already, {done.bytes_fetched:,} bytes fetched",
        markup=False,
        soft_wrap=True,
    )


def _notes(done: Download, unpacked: Unpacked | None) -> None:
    if done.as_reported is False:
        note(
            f"mmad.json has SHA-256 {done.questions_sha256}; for this revision others report "
            f"{REPORTED_SHA256}. It is what the hub lists, so the report may be wrong"
        )
    if unpacked is not None:
        note(f"{unpacked.files:,} files unpacked, {unpacked.kept:,} of them were there already")
    elif done.archives:
        note(f"{', '.join(done.archives[:5])}: packed; the same command with --unpack unpacks what is in it")


def sample(
    folder: Annotated[Path, typer.Argument(help="Where the sample goes: an empty or new folder.")],
    seed: Annotated[int, typer.Option(help="Another seed draws other images of the same kind.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Draw a small benchmark in MMAD's layout."""
    from mmad_rag.benchmark.sample import render_sample

    with progress_bar() as progress:
        summary = render_sample(
            folder, seed=seed, progress=lambda done, total: progress("drawing", done, total)
        )
    if as_json:
        print_json(summary)
        return
    images = f"{summary.good} normal and {summary.defective} defective images, {summary.templates} templates"
    out().print(
        f"{folder}: {summary.products} products, {images}, {summary.questions} questions, "
        f"{summary.unknown} images of other things",
        markup=False,
    )
