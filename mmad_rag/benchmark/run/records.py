"""What a run writes down: its header, and one row per question and arm."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import Field

from mmad_rag.benchmark.audit.choose_hard import HardSubset
from mmad_rag.benchmark.data.columns import Columns
from mmad_rag.benchmark.data.question_sets import columns_of
from mmad_rag.errors import DataError
from mmad_rag.records import Outcome, Passage, Question, RouteOutcome, Usage

RUN_VERSION = 2
"""Of the run folder's layout."""


@dataclass(frozen=True, slots=True)
class ArmHeader:
    """One condition of a run."""

    name: str
    """One of `mmad_rag.benchmark.ARM_NAMES`."""
    identity: str
    """Everything about the arm that can change a reply."""
    model: str
    """Identity of the model that the arm asks in the end; the same in every arm."""
    index: str | None
    """Fingerprint of the index that knowledge comes from; None for an arm without knowledge."""
    counter: str | None = None
    """What tokens of knowledge are counted by; None for an arm without knowledge, and in runs of versions
    that did not write it down."""


@dataclass(frozen=True, slots=True)
class RunHeader:
    """What a run is: anything that can change an outcome, and what it started from."""

    version: int
    """`RUN_VERSION`."""
    library: str
    """Version of mmad_rag that started the run."""
    created: str
    """When the run was started: ISO 8601, UTC."""
    data: str
    """The data folder, as it was given."""
    data_sha256: str
    """SHA-256 (hex) of mmad.json."""
    questions: int
    """How many are asked of each arm."""
    questions_sha256: str
    """SHA-256 (hex) over the questions themselves, in order."""
    missing_images: Annotated[int, Field(alias="missing_pictures")]
    """Images that were wanted and had no file."""
    missing_questions: int
    """Questions about those images; they are not asked."""
    arms: tuple[ArmHeader, ...]
    """The conditions, in the order they are asked."""
    images: Annotated[bool, Field(alias="pictures")]
    """Whether the query images are shown; False for a run over the text alone."""
    wording: str
    """Name of the prompt's wording."""
    shots: int
    """Normal example images shown with each question, at most."""
    templates: str
    """Which list those images are taken from: `random` or `similar`."""
    parser_version: int
    """Of the reply parser."""
    shuffle_options: int | None = None
    """Seed of the order in which each question's options were shown; None for the file's order."""
    image_size: int | None = None
    """Longest side, in pixels, that images were scaled down to; None for images as they are."""
    errata: tuple[str, ...] = ()
    """Names of the known errata whose questions were left out."""
    circular: int = 0
    """How many questions are also asked in every other rotation of their options."""
    circular_seed: int = 0
    """Of the draw of those questions."""
    wording_sha256: str = ""
    """SHA-256 (hex) of the wording's fixed text, that around knowledge included."""
    sample_seed: int | None = None
    """Of the sample of questions; None where all were taken."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Of Python and of the libraries that a run passes through, when it was started."""
    hard_sha256: str | None = None
    """SHA-256 (hex) of the file that holds the hard subset; None for a run without one."""


CREATION_FIELDS = frozenset(
    {"library", "created", "data", "missing_images", "missing_questions", "sample_seed", "versions"}
)
"""Fields of a header that may differ when a run is continued; all others are what the run is."""


@dataclass(frozen=True, slots=True)
class OutcomeRow:
    """What became of one question in one arm."""

    key: str
    """SHA-256 (hex) over question, arm, model's identity, prompt before retrieval, image size, rotation."""
    question: str
    """The question's id."""
    arm: str
    """The arm's name."""
    outcome: Outcome
    """Correct, wrong, invalid or failed."""
    letter: str | None = None
    """The choice that was read from the reply, by the letter that the question's file gives it."""
    reply: str | None = None
    """The reply as it came (lone surrogates replaced); None when none came."""
    model: str | None = None
    """The model's own name for itself."""
    usage: Usage | None = None
    """Token counts where the provider gives them."""
    latency_s: float = 0.0
    """Seconds from request to reply, retries included."""
    prompt: str | None = None
    """SHA-256 (hex) of the prompt before retrieval; None when no prompt could be made."""
    references: int = 0
    """Normal example images in the prompt, before an arm took the images out of it."""
    route: RouteOutcome | None = None
    """What routing concluded; None in an arm without knowledge."""
    products: tuple[str, ...] = ()
    """The products whose knowledge was used."""
    confidence: float | None = None
    """Of the route, in [0, 1]."""
    passages: tuple[str, ...] = ()
    """Ids of the passages that were shown, in order."""
    source: str | None = None
    """Fingerprint of what the knowledge came from."""
    error: str | None = None
    """Why no reply came."""
    rotation: int = 0
    """How many options were moved from the top to the end, for circular evaluation."""
    knowledge: str | None = None
    """SHA-256 (hex) over ids and texts of the passages that were shown; None where none were."""
    probabilities: Mapping[str, float] | None = None
    """Per letter of the file the probability that the reply begins with it; None where it is not known."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run folder that has been read."""

    folder: Path
    """Where it is."""
    header: RunHeader
    """What the run is."""
    questions: tuple[Question, ...]
    """What is asked of each arm, in order."""
    rows: tuple[OutcomeRow, ...]
    """The latest row of every question and arm that has one: questions in order, arms in order."""
    rotated: tuple[OutcomeRow, ...] = ()
    """The same for the further rotations of circular evaluation."""
    passages: Mapping[str, Passage] = field(default_factory=dict)
    """Id -> passage, of those that rows name; arms that keep none are left out, see `Arm.keeps_passages`."""
    hard: HardSubset | None = None
    """The hard subset that was fixed before the run began."""
    whole_columns: Columns | None = None
    """The columns of the whole run, where this is a part of one."""

    @property
    def columns(self) -> Columns:
        """The columns that the run's questions are reported in; a part of a run keeps those of the whole."""
        return columns_of(self.questions) if self.whole_columns is None else self.whole_columns

    def only(self, questions: Collection[str]) -> Run:
        """The run, restricted to the questions with these ids; those it does not ask are passed over."""
        wanted = frozenset(questions)
        return dataclasses.replace(
            self,
            questions=tuple(question for question in self.questions if question.id in wanted),
            rows=tuple(row for row in self.rows if row.question in wanted),
            rotated=tuple(row for row in self.rotated if row.question in wanted),
            whole_columns=self.columns,
        )


@dataclass(frozen=True, slots=True)
class HeaderDifference:
    """One thing that differs."""

    field: str
    """Of the header."""
    name: str
    """In words, e.g. `model of arm rag`."""
    first: object
    """Its value in one header."""
    second: object
    """Its value in the other."""


def header_differences(first: RunHeader, second: RunHeader) -> Iterator[HeaderDifference]:
    """Everything that the runs are and that differs; when and from where they were started does not count."""
    names = [",".join(arm.name for arm in header.arms) for header in (first, second)]
    if names[0] != names[1]:
        yield HeaderDifference("arms", "list of arms", *names)
    for one, other in zip(first.arms, second.arms, strict=False):
        for item in dataclasses.fields(ArmHeader):
            field = item.name if item.name == "counter" else "arms"
            yield from _difference(field, f"{item.name} of arm {other.name}", one, other, item.name)
    for item in dataclasses.fields(RunHeader):
        if item.name not in CREATION_FIELDS | {"arms"}:
            yield from _difference(item.name, item.name.replace("_", " "), first, second, item.name)


def refuse_another(
    found: RunHeader, wanted: RunHeader, folder: Path, *, passing_over: Collection[str] = ()
) -> None:
    """Refuse to go on with the run of a folder under another header, and name what differs.

    Args:
        found: The header in the folder.
        wanted: What the run would be now.
        folder: Of the run.
        passing_over: Fields that may differ.

    Raises:
        DataError: something else does; the message says how to go on.
    """
    differences = [item for item in header_differences(found, wanted) if item.field not in passing_over]
    if any(item.field == "counter" and item.first is None for item in differences):
        counters = ", ".join(sorted({arm.counter for arm in wanted.arms if arm.counter is not None}))
        raise DataError(
            f"{folder} holds a run of an earlier version, which did not write down what tokens of knowledge "
            f"are counted by ({counters} now), so that it may have shown other passages; it can be scored "
            "and compared, but not continued: give another --out"
        )
    for item in differences:
        mend = "give another --out, or the settings of that run"
        if item.field == "hard_sha256":
            mend = "leave --hard out, so that the run keeps the subset it was begun with"
        if item.field == "parser_version":
            mend = f"`mmad-rag rescore {folder}` reads its replies again without asking, then it goes on"
        raise DataError(
            f"{folder} holds a run with another {item.name}: {item.first!r} there, {item.second!r} now; "
            f"{mend}"
        )


def _difference(
    field: str, name: str, one: object, other: object, attribute: str
) -> Iterator[HeaderDifference]:
    before, after = getattr(one, attribute), getattr(other, attribute)
    if before != after:
        yield HeaderDifference(field, name, before, after)
