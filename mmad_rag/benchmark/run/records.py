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
"""Version of the run folder's layout."""


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
    """Fingerprint of the index that holds the knowledge; None for an arm without knowledge."""
    counter: str | None = None
    """Name of the token counter for knowledge; None for an arm without knowledge, and in runs of versions
    that did not record it."""


@dataclass(frozen=True, slots=True)
class RunHeader:
    """The identity of a run: everything that can change an outcome, and where the run was started from."""

    version: int
    """`RUN_VERSION`."""
    library: str
    """Version of mmad_rag that started the run."""
    created: str
    """Time of the run's start: ISO 8601, UTC."""
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
    """Whether the query images are shown; False for a run on the text alone."""
    wording: str
    """Name of the prompt's wording."""
    shots: int
    """Normal example images shown with each question, at most."""
    templates: str
    """Which list the example images are taken from: `random` or `similar`."""
    parser_version: int
    """Version of the reply parser."""
    shuffle_options: int | None = None
    """Seed for the order in which each question's options were shown; None for the file's order."""
    image_size: int | None = None
    """Longest side, in pixels, that images were scaled down to; None for images as they are."""
    errata: tuple[str, ...] = ()
    """Names of the known errata whose questions were left out."""
    circular: int = 0
    """How many questions are also asked in every other rotation of their options."""
    circular_seed: int = 0
    """Seed for choosing those questions."""
    wording_sha256: str = ""
    """SHA-256 (hex) of the wording's fixed text, including the text around knowledge."""
    sample_seed: int | None = None
    """Seed for question sampling; None if all questions were taken."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Versions of Python and of the libraries that a run passes through, at its start."""
    hard_sha256: str | None = None
    """SHA-256 (hex) of the file that holds the hard subset; None for a run without one."""


CREATION_FIELDS = frozenset(
    {"library", "created", "data", "missing_images", "missing_questions", "sample_seed", "versions"}
)
"""Fields of a header that may differ when a run is continued; all others identify the run."""


@dataclass(frozen=True, slots=True)
class OutcomeRow:
    """What became of one question in one arm."""

    key: str
    """SHA-256 (hex) over question, arm, model identity, prompt before retrieval, image size and rotation."""
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
    """The model's name as the provider reports it."""
    usage: Usage | None = None
    """Token counts if the provider gives them."""
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
    """Confidence of the route, in [0, 1]."""
    passages: tuple[str, ...] = ()
    """Ids of the passages that were shown, in order."""
    source: str | None = None
    """Fingerprint of the index or retriever that gave the knowledge."""
    error: str | None = None
    """The reason why no reply came."""
    rotation: int = 0
    """How many options were moved from the top to the end, for circular evaluation."""
    knowledge: str | None = None
    """SHA-256 (hex) over ids and texts of the passages that were shown; None if none were."""
    probabilities: Mapping[str, float] | None = None
    """Letter of the file -> probability that the reply begins with it; None if it is not known."""
    finish: str | None = None
    """Why the reply ended, in the provider's words, see `Reply.finish`; None if it does not say, and in runs
    of versions that did not record it."""
    expected: float | None = None
    """Probability, in [0, 1], that the model's draw among tied options is right, see `Reply.odds`; None for a
    model that does not draw."""

    @property
    def credit(self) -> float:
        """How much the answer counts, in [0, 1]: what is expected of a draw, else 1 for a correct answer."""
        return float(self.outcome is Outcome.CORRECT) if self.expected is None else self.expected

    @property
    def has_no_text(self) -> bool:
        """Whether a reply came and is empty."""
        return self.reply is not None and not self.reply.strip()


@dataclass(frozen=True, slots=True)
class Run:
    """A run folder that has been read."""

    folder: Path
    """The run folder."""
    header: RunHeader
    """What the run is."""
    questions: tuple[Question, ...]
    """What is asked of each arm, in order."""
    rows: tuple[OutcomeRow, ...]
    """The latest row of every question and arm that has one: questions in order, arms in order."""
    rotated: tuple[OutcomeRow, ...] = ()
    """The latest rows for the further rotations of circular evaluation."""
    passages: Mapping[str, Passage] = field(default_factory=dict)
    """Id -> passage, for the passages that rows name; without those of arms that keep none, see
    `Arm.keeps_passages`."""
    hard: HardSubset | None = None
    """The hard subset that was fixed before the run began."""
    whole_columns: Columns | None = None
    """The columns of the whole run, if this is a part of one."""
    answers_file: bool = False
    """Whether it was read from an answers file, which does not tell how its questions were asked."""

    @property
    def columns(self) -> Columns:
        """The columns in which the run's questions are reported; a part of a run keeps the columns of the
        whole."""
        return columns_of(self.questions) if self.whole_columns is None else self.whole_columns

    def only(self, questions: Collection[str]) -> Run:
        """The run, restricted to the questions with these ids; ids that it does not ask are ignored."""
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
    """One difference between two headers."""

    field: str
    """Name of the header's field."""
    name: str
    """The field in words, e.g. `model of arm rag`."""
    first: object
    """The field's value in the first header."""
    second: object
    """The field's value in the second header."""


def header_differences(first: RunHeader, second: RunHeader) -> Iterator[HeaderDifference]:
    """Every difference that makes two runs different; when and where they were started does not count."""
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
    """Refuse to continue the run in a folder under another header, and name what differs.

    Args:
        found: The header in the folder.
        wanted: What the run would be now.
        folder: The run folder.
        passing_over: Fields that may differ.

    Raises:
        DataError: another field differs; the message says what to do.
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
