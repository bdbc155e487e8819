"""Check a data folder and name every missing, damaged or doubtful file in it."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from mmad_rag.benchmark.data.dataset_names import file_of
from mmad_rag.benchmark.data.errata import errata_in
from mmad_rag.benchmark.data.mmad import FILE_NAME, Benchmark, load_questions
from mmad_rag.benchmark.dataset.download_plan import QUESTION_FILES
from mmad_rag.benchmark.dataset.file_version import version_line, version_of
from mmad_rag.benchmark.dataset.findings import DataReport, Finding, FindingKind
from mmad_rag.benchmark.dataset.manifest import is_ours, read_manifest
from mmad_rag.benchmark.dataset.read_files import FileState, read_files
from mmad_rag.errors import DataError, InputError
from mmad_rag.folders import files_below, links_below

_ORDER = {kind: place for place, kind in enumerate(FindingKind)}


def verify_data(
    folder: Path, *, fast: bool = False, progress: Callable[[int, int], None] | None = None
) -> DataReport:
    """Check whether a data folder is complete, and what is doubtful in it.

    Args:
        folder: The data folder, which holds mmad.json and the images.
        fast: Whether images are not read: only mmad.json is, and the presence and size of files are checked.
        progress: Called with the number of files checked and of all files.

    Raises:
        DataError: there is no such folder, a folder in it cannot be read, or its `hashes.json` is damaged.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}; give the one that holds {FILE_NAME}")
    manifest = read_manifest(folder)
    listed = manifest.files if manifest is not None else {}
    benchmark, unusable = _load(folder)
    queries = dict.fromkeys(benchmark.images) if benchmark is not None else {}
    templates = dict.fromkeys(_templates(benchmark))
    images = queries | templates
    paths = dict.fromkeys([*images, *listed])
    states = read_files(folder, list(paths), images, listed, fast=fast, progress=progress)
    try:
        links, unused = tuple(_links(folder)), tuple(_unused(folder, benchmark, images))
    except InputError as error:
        raise DataError(str(error)) from error
    findings = [
        *unusable,
        *(() if manifest is not None else (_no_hashes(),)),
        *_broken(states, queries, listed),
        *_same_bytes(states, queries),
        *links,
        *(_doubtful(benchmark) if benchmark is not None else ()),
    ]
    return DataReport(
        folder=folder,
        dataset=manifest.dataset if manifest is not None else None,
        revision=manifest.revision if manifest is not None else None,
        questions=len(benchmark.questions) if benchmark is not None else 0,
        images=len(queries),
        opened=sum(state.opened for state in states),
        hashed=0 if fast else sum(state.right is not None for state in states),
        unused=unused,
        findings=tuple(sorted(findings, key=lambda finding: _ORDER[finding.kind])),
        fast=fast,
        version=version_of(benchmark) if benchmark is not None else None,
        version_line=version_line(benchmark) if benchmark is not None else "",
    )


def _load(folder: Path) -> tuple[Benchmark | None, tuple[Finding, ...]]:
    try:
        return load_questions(folder), ()
    except DataError as error:
        return None, (Finding(FindingKind.BAD_QUESTIONS, FILE_NAME, str(error)),)


def _templates(benchmark: Benchmark | None) -> Iterator[str]:
    for image in benchmark.images.values() if benchmark is not None else ():
        yield from image.similar
        yield from image.random


def _no_hashes() -> Finding:
    return Finding(
        FindingKind.NO_HASHES, "hashes.json", "bytes cannot be checked; `mmad-rag data download` writes it"
    )


def _broken(
    states: Iterable[FileState], queries: Mapping[str, None], listed: Mapping[str, object]
) -> Iterator[Finding]:
    for state in states:
        if not state.there:
            if state.path in queries:
                yield Finding(FindingKind.MISSING_IMAGE, state.path)
            elif state.path in listed:
                yield Finding(FindingKind.MISSING_FILE, state.path)
            else:
                yield Finding(FindingKind.MISSING_TEMPLATE, state.path)
        if state.right is False:
            yield Finding(FindingKind.WRONG_BYTES, state.path)
        if state.unreadable is not None:
            yield Finding(FindingKind.UNREADABLE_IMAGE, state.path, state.unreadable)


def _same_bytes(states: Iterable[FileState], queries: Mapping[str, None]) -> Iterator[Finding]:
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for state in states:
        if state.digest is not None:
            groups[state.digest].append(state.path)
    for paths in groups.values():
        first, *others = sorted(paths, key=lambda path: (path not in queries, path))
        for other in others:
            kind = FindingKind.SAME_IMAGE if other in queries else FindingKind.SAME_BYTES
            yield Finding(kind, other, f"the bytes of {first}")


def _links(folder: Path) -> Iterator[Finding]:
    root = folder.resolve()
    for path in links_below(folder):
        target = Path(os.path.realpath(path))
        if not target.is_relative_to(root):
            yield Finding(FindingKind.LEADS_OUT, path.relative_to(folder).as_posix(), f"to {target}")


def _doubtful(benchmark: Benchmark) -> Iterator[Finding]:
    seen: dict[object, str] = {}
    for question in benchmark.questions:
        key = (question.image_path, question.text, frozenset(choice.text for choice in question.choices))
        if first := seen.get(key):
            yield Finding(FindingKind.SAME_QUESTION, question.id, f"as {first}")
        seen.setdefault(key, question.id)
    for erratum, questions in errata_in(benchmark):
        yield Finding(
            FindingKind.ERRATUM,
            erratum.name,
            f"{erratum.reason} ({erratum.source}); `mmad-rag eval --errata {erratum.name}` leaves its "
            f"{len(questions)} question{'s' * (len(questions) > 1)} out",
        )


def _unused(folder: Path, benchmark: Benchmark | None, images: Mapping[str, None]) -> Iterator[str]:
    """Files that mmad.json does not name; none if the questions cannot be read."""
    if benchmark is None:
        return
    used = {*images, *QUESTION_FILES}
    used.update(image.mask for image in benchmark.images.values() if image.mask is not None)
    used = {file_of(folder, path).relative_to(folder).as_posix() for path in used}
    for file in files_below(folder):
        path = file.relative_to(folder).as_posix()
        if path not in used and not is_ours(path):
            yield path
