"""Write the questions that several models get wrong together as one HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmad_rag.benchmark.analysis.flips import Option
from mmad_rag.benchmark.many.errors import CommonError, ErrorPatterns
from mmad_rag.records import Question
from mmad_rag.report.html.page import render
from mmad_rag.report.html.thumbnail import Thumbnail, thumbnail
from mmad_rag.report.tables.errors import counts_table, errors_notes, group_tables, said
from mmad_rag.report.tables.numbers import count, decimal
from mmad_rag.report.tables.table import Table

_TEMPLATE = "errors.html.jinja"


@dataclass(frozen=True, slots=True)
class ShownError:
    """A question on the page."""

    question: Question
    """The question."""
    options: tuple[Option, ...]
    """Its options with the models that chose them; those that matter where their texts are not known."""
    without_choice: tuple[str, ...]
    """The models without a readable answer."""
    wrong: tuple[str, ...]
    """The models that get it wrong."""
    agreed: str | None
    """The wrong letter that all of these chose."""
    shortcuts: tuple[str, ...] | None
    """Shortcuts that pick the right option; None where they are not known."""


@dataclass(frozen=True, slots=True)
class ErrorsPage:
    """Everything that stands on the page."""

    title: str
    notices: tuple[str, ...]
    """Notes to read before any number."""
    headline: str
    """The number of common errors beside what chance would give."""
    tables: tuple[Table, ...]
    notes: tuple[str, ...]
    """How to read the tables."""
    total: int
    """Number of common errors."""
    shown: tuple[ShownError, ...]
    images: Mapping[str, Thumbnail]
    """Image path -> the image, of every question that is shown."""


def render_errors(patterns: ErrorPatterns, listed: Sequence[CommonError], *, data: Path | None = None) -> str:
    """The page as HTML: no script, nothing fetched, everything that was read from files escaped.

    Args:
        patterns: The common errors.
        listed: The questions to show.
        data: The data folder with the images; None shows no image.
    """
    paths = {item.question.image_path for item in listed}
    notices = []
    if listed and (data is None or not data.is_dir()):
        where = "No data folder is known" if data is None else f"The data folder {data} is not here"
        notices.append(f"{where}, so the images are left out; --data says where it is.")
    total = patterns.total
    page = ErrorsPage(
        title=f"What {said(patterns)} get wrong",
        notices=tuple(notices),
        headline=(
            f"{count(total.found)} of {count(total.questions)} questions; independent errors would give "
            f"{decimal(total.expected, 1)}."
        ),
        tables=(counts_table(patterns), *group_tables(patterns)),
        notes=tuple(errors_notes(patterns)),
        total=len(patterns.found),
        shown=tuple(map(_shown, listed)),
        images={path: _image(data, path) for path in sorted(paths)},
    )
    return render(_TEMPLATE, page=page)


def _image(data: Path | None, path: str) -> Thumbnail:
    if data is None:
        return Thumbnail(None, 0, 0, f"{path}: no data folder")
    return thumbnail(data, path)


def _shown(item: CommonError) -> ShownError:
    question = item.question
    options = tuple(
        Option(
            choice.letter,
            choice.text,
            choice.letter == question.answer,
            tuple(model for model, letter in item.chosen.items() if letter == choice.letter),
        )
        for choice in question.choices
    )
    known = tuple(option for option in options if option.text or option.right or option.chosen_by)
    without = tuple(model for model, letter in item.chosen.items() if letter is None)
    return ShownError(question, known, without, item.wrong, item.agreed, item.shortcuts)
