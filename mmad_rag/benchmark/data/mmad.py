"""Read MMAD's question file, `mmad.json`.

MMAD: arXiv 2410.09453 (ICLR 2025). The file is one object, image path -> record:

    {"DS-MVTec/bottle/image/broken_large/000.png": {
        "image_path": "image/broken_large/000.png",
        "conversation": [{"Question": "Is there any defect in the object?", "Answer": "A",
                          "Options": {"A": "Yes.", "B": "No."}, "type": "Anomaly Detection"}],
        "mask_path": "rbg_mask/broken_large/000_rbg_mask.png",
        "similar_templates": ["MVTec-AD/bottle/train/good/001.png"],
        "random_templates": ["MVTec-AD/bottle/train/good/004.png"]}}

MMAD's nine types are reported in seven columns. Another question set in this form has its own types, and a
column for each.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

from mmad_rag.benchmark.data.columns import AVERAGE, Column, Columns, Subject
from mmad_rag.benchmark.data.dataset_names import dataset_of, file_of, is_file
from mmad_rag.benchmark.data.question_types import TypeReader
from mmad_rag.benchmark.data.strict_json import (
    MEND,
    as_list,
    as_object,
    as_relative_path,
    as_text,
    parse_json,
)
from mmad_rag.errors import DataError
from mmad_rag.records import Choice, Json, Question

FILE_NAME = "mmad.json"
"""The file that holds the questions, in the data folder."""

LETTERS = ("A", "B", "C", "D", "E")
"""The letters that an option may have."""

NORMAL_LABEL = "good"
"""The label component of a normal image's path, in all four datasets."""

DETECTION = "Anomaly Detection"
"""MMAD's type that asks whether an image is normal."""

MMAD_COLUMNS = Columns(
    (
        Column(DETECTION, "AD", (DETECTION,)),
        Column("Defect Classification", "DefCls", ("Defect Classification",), Subject.DEFECT),
        Column("Defect Localization", "DefLoc", ("Defect Localization",), Subject.DEFECT),
        Column("Defect Description", "DefDesc", ("Defect Description",), Subject.DEFECT),
        Column("Defect Analysis", "DefAna", ("Defect Analysis",), Subject.DEFECT),
        Column("Object Classification", "ObjCls", ("Object Classification",), Subject.OBJECT),
        Column(
            "Object Analysis",
            "ObjAna",
            ("Object Analysis", "Object Structure", "Object Details"),
            Subject.OBJECT,
        ),
    ),
    detection=DETECTION,
)
"""The seven columns of MMAD's table, with the nine raw types that fold into them."""


class TemplateKind(StrEnum):
    """The two lists of normal example images that a record has."""

    RANDOM = "random"
    """`random_templates`: any normal training images of the product."""
    SIMILAR = "similar"
    """`similar_templates`: the normal training images nearest to the image."""


@dataclass(frozen=True, slots=True)
class PathParts:
    """What an image's path says about it."""

    dataset: str
    """The dataset that the image counts to, e.g. `DS-MVTec`, see `dataset_names`."""
    product: str
    """Second component of the path, e.g. `bottle`."""
    label: str
    """Fourth component of the path: `good` or a kind of defect."""


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """What the file says about an image apart from its questions; all paths are relative to the data
    folder."""

    path: str
    """Path of the image, exactly as in the file."""
    similar: tuple[str, ...]
    """Paths of the normal images nearest to the image."""
    random: tuple[str, ...]
    """Paths of normal images drawn at random."""
    mask: str | None
    """Path of the defect's mask; None for a normal image."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A question file that has been read and checked."""

    root: Path
    """The data folder."""
    questions: tuple[Question, ...]
    """Every question, in the file's order."""
    images: Mapping[str, ImageRecord]
    """Image path -> its record, in the file's order."""
    missing_images: tuple[str, ...]
    """Paths of images that have no file in the data folder, in the file's order."""
    sha256: str
    """SHA-256 (hex) of mmad.json."""
    errata: tuple[str, ...] = ()
    """Names of the errata whose questions have been left out, see `errata.apply_errata`."""


def load_questions(data: Path) -> Benchmark:
    """Read `mmad.json` in the folder `data`.

    Raises:
        DataError: the file is absent, is not JSON, or breaks the schema; the message names the question.
    """
    path = data / FILE_NAME
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror}); give the folder that holds {FILE_NAME}"
        ) from error
    questions: list[Question] = []
    images: dict[str, ImageRecord] = {}
    types = TypeReader(MMAD_COLUMNS.folds)
    for image_path, value in as_object(parse_json(raw, path), str(path)).items():
        where = f"{path}, image {image_path}"
        record = as_object(value, where)
        parts = _parts(image_path, where)
        images[image_path] = _image_record(image_path, record, parts, where)
        questions.extend(_questions(image_path, record, parts, types, where))
    if not questions:
        raise DataError(f"{path} holds no questions; {MEND}")
    missing = tuple(image for image in images if not is_file(file_of(data, image)))
    return Benchmark(
        data, tuple(questions), MappingProxyType(images), missing, hashlib.sha256(raw).hexdigest()
    )


def split_path(path: str) -> PathParts:
    """Take an image path apart; the four datasets share the form `dataset/product/split/label/file`.

    Raises:
        DataError: the path has another form, or its dataset is called `Average`.

    Example:
        >>> split_path("VisA/pcb1/test/bad/004.JPG").label
        'bad'
    """
    components = path.split("/")
    if len(components) < 5 or not all(components):
        raise DataError(
            f"the image path {path!r} is not of the form dataset/product/split/label/file; correct it"
        )
    if components[0] == AVERAGE:
        raise DataError(f"the dataset of {path!r} is called as the average over datasets is; rename it")
    return PathParts(dataset_of(path), components[1], components[3])


def templates_of(benchmark: Benchmark, image_path: str, kind: TemplateKind) -> tuple[Path, ...]:
    """The normal example images of an image that have a file, in the file's order, never the image itself."""
    record = benchmark.images[image_path]
    names = record.similar if kind is TemplateKind.SIMILAR else record.random
    paths = [file_of(benchmark.root, name) for name in dict.fromkeys(names) if name != image_path]
    return tuple(path for path in paths if is_file(path))


def _parts(image_path: str, where: str) -> PathParts:
    path = as_relative_path(image_path, where)
    try:
        return split_path(path)
    except DataError as error:
        raise DataError(f"{where}: {error}") from None


def _image_record(image_path: str, record: Json, parts: PathParts, where: str) -> ImageRecord:
    """Check a record: `image_path` and `mask_path` are relative to the product's folder, templates to the
    data folder."""
    as_relative_path(record.get("image_path", image_path), f"{where}, image_path")
    mask = record.get("mask_path")
    if mask is not None:
        folder = image_path.split("/", maxsplit=1)[0]
        mask = f"{folder}/{parts.product}/{as_relative_path(mask, f'{where}, mask_path')}"
    similar = tuple(_templates(record, "similar_templates", where))
    return ImageRecord(image_path, similar, tuple(_templates(record, "random_templates", where)), mask)


def _templates(record: Json, name: str, where: str) -> Iterator[str]:
    for template in as_list(record.get(name, []), f"{where}, {name}"):
        yield as_relative_path(template, f"{where}, {name}")


def _questions(
    image_path: str, record: Json, parts: PathParts, types: TypeReader, where: str
) -> Iterator[Question]:
    if "conversation" not in record:
        raise DataError(f"{where}: 'conversation' is missing; {MEND}")
    for position, value in enumerate(as_list(record["conversation"], f"{where}, conversation")):
        place = f"{where}, question {position}"
        entry = as_object(value, place)
        raw_type = as_text(entry, "type", place)
        choices = _choices(entry, place)
        answer = as_text(entry, "Answer", place)
        if answer not in [choice.letter for choice in choices]:
            options = ", ".join(choice.letter for choice in choices)
            raise DataError(f"{place}: the answer {answer!r} is none of its options {options}; {MEND}")
        yield Question(
            id=f"{image_path}#{position}",
            image_path=image_path,
            text=as_text(entry, "Question", place),
            choices=choices,
            answer=answer,
            type=raw_type,
            subtask=types.column_of(raw_type, place),
            dataset=parts.dataset,
            product=parts.product,
            label=parts.label,
        )


def _choices(entry: Json, place: str) -> tuple[Choice, ...]:
    if "Options" not in entry:
        raise DataError(f"{place}: 'Options' is missing; {MEND}")
    options = as_object(entry["Options"], f"{place}, Options")
    if not 2 <= len(options) <= len(LETTERS):
        raise DataError(f"{place}: {len(options)} options, expected 2 to {len(LETTERS)}; {MEND}")
    for letter in options:
        if letter not in LETTERS:
            raise DataError(f"{place}: the option {letter!r} is none of {', '.join(LETTERS)}; {MEND}")
    return tuple(Choice(letter, as_text(options, letter, f"{place}, Options")) for letter in options)
