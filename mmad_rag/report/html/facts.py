"""Say what a run is, in pairs of a name with a value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mmad_rag.benchmark.run.records import Run
from mmad_rag.report.tables.numbers import NOTHING, count


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that a run is."""

    name: str
    value: str


def facts_of(run: Run) -> Iterator[Fact]:
    """What can change an outcome, and what the run started from."""
    header = run.header
    if run.answers_file:
        yield from _answers_facts(run)
        return
    yield Fact("Model", _each(arm.model for arm in header.arms))
    yield Fact("The model's own name", _each(row.model for row in run.rows) or NOTHING)
    yield Fact("Arms", ", ".join(arm.name for arm in header.arms))
    yield Fact("Questions", f"{count(header.questions)} in each arm")
    if header.sample_seed is not None:
        yield Fact("Sample of questions", f"seed {header.sample_seed}")
    yield Fact("Images", count(len({question.image_path for question in run.questions})))
    if header.missing_images:
        lost = f"{count(header.missing_questions)} questions about {count(header.missing_images)} images"
        yield Fact("Not asked", f"{lost} that were not in the data folder")
    yield Fact("Images shown", "yes" if header.images else "no, the text alone")
    if header.image_size is not None:
        yield Fact("Scaled down to", f"{header.image_size} pixels")
    shots = f"{header.shots} at most, {header.templates}" if header.shots else "none"
    yield Fact("Example images", shots)
    yield Fact("Wording", " ".join(filter(None, (header.wording, header.wording_sha256))))
    order = "as in the file" if header.shuffle_options is None else f"shuffled, seed {header.shuffle_options}"
    yield Fact("Order of options", order)
    if header.circular:
        yield Fact("Circular evaluation", f"{count(header.circular)} questions, seed {header.circular_seed}")
    yield Fact("Errata left out", ", ".join(header.errata) or "none")
    yield Fact("Data folder", header.data)
    yield Fact("SHA-256 of mmad.json", header.data_sha256)
    yield Fact("Index", _each(arm.index for arm in header.arms) or "none")
    if header.hard_sha256 is not None:
        yield Fact("SHA-256 of the hard subset", header.hard_sha256)
    yield Fact("Started", header.created)
    others = (f"{name} {version}" for name, version in header.versions.items() if name != "mmad_rag")
    ours = (f"mmad_rag {header.library}", f"reply parser {header.parser_version}")
    yield Fact("Versions", ", ".join((*ours, *others)))


def _answers_facts(run: Run) -> Iterator[Fact]:
    """What is known of an answers file: not how its questions were asked."""
    header = run.header
    yield Fact("Answers file", str(run.folder))
    yield Fact("Questions", count(header.questions))
    yield Fact("Images", count(len({question.image_path for question in run.questions})))
    if header.data:
        yield Fact("Data folder", header.data)
        yield Fact("SHA-256 of mmad.json", header.data_sha256)
    yield Fact("How it was asked", "not told by the file: model, wording, example images, parser")
    yield Fact("Versions", f"mmad_rag {header.library}")


def _each(values: Iterator[str | None]) -> str:
    """Every value once, in the order of the first."""
    return ", ".join(dict.fromkeys(value for value in values if value is not None))
