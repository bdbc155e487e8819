"""What several models get wrong together, as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mmad_rag.benchmark.many.errors import NO_SHORTCUT, CommonError, ErrorGroup, ErrorPatterns
from mmad_rag.report.tables.numbers import NOTHING, count, decimal, percent
from mmad_rag.report.tables.table import Table, TableColumn, corner, table_row


def counts_table(patterns: ErrorPatterns) -> Table:
    """Numbers of models down: how many questions so many get wrong, and how many chance would give."""
    rows = (
        table_row(str(item.models), (count(item.questions), decimal(item.expected, 1)))
        for item in patterns.counts
    )
    headings = ("Questions", "Expected by chance")
    title = f"{count(patterns.questions)} questions by the number of models that get them wrong"
    return Table(title, (corner("Models"), *map(TableColumn, headings)), tuple(rows))


def group_tables(patterns: ErrorPatterns, *, longest: int | None = None) -> Iterator[Table]:
    """The common errors by subtask, by product and by shortcut, each beside what chance would give.

    Args:
        patterns: The common errors.
        longest: Largest number of products to list; None lists all.
    """
    who = said(patterns)
    yield _groups(f"Questions that {who} get wrong, by subtask", (patterns.total, *patterns.by_subtask))
    products = patterns.by_product[:longest]
    some = f" ({count(len(products))} of {count(len(patterns.by_product))})"
    shown = "" if len(products) == len(patterns.by_product) else some
    yield _groups(f"By product{shown}, most above chance first", products)
    if patterns.by_shortcut:
        yield _groups("By shortcut that picks the right option without the image", patterns.by_shortcut)


def said(patterns: ErrorPatterns) -> str:
    """The models that get a question wrong, in words: e.g. `all 3 models` or `at least 2 of 3 models`."""
    models = len(patterns.models)
    if patterns.at_least == models:
        return f"all {models} models" if models > 1 else "the model"
    return f"at least {patterns.at_least} of {models} models"


def _groups(title: str, groups: Sequence[ErrorGroup]) -> Table:
    headings = ("Questions", "Wrong", "Percent", "Expected by chance", "Deviations")
    rows = (
        table_row(
            group.name,
            (
                count(group.questions),
                count(group.found),
                percent(100 * group.found / group.questions),
                decimal(group.expected, 1),
                decimal(group.deviations, 1, signed=True),
            ),
        )
        for group in groups
    )
    return Table(title, (corner("Group"), *map(TableColumn, headings)), tuple(rows))


def questions_table(patterns: ErrorPatterns, found: Sequence[CommonError]) -> Table:
    """Some of the questions, with what the models chose."""
    headings = ("Subtask", "Right", "Chosen", "Shortcuts", "Question")
    rows = (
        table_row(
            item.question.id,
            (
                item.question.subtask,
                item.question.answer,
                " ".join(letter or NOTHING for letter in item.chosen.values()),
                NOTHING if item.shortcuts is None else ", ".join(item.shortcuts) or NO_SHORTCUT,
                item.question.text,
            ),
        )
        for item in found
    )
    title = f"{count(len(found))} of {count(len(patterns.found))} questions that {said(patterns)} get wrong"
    columns = (TableColumn(heading, number=False) for heading in headings)
    return Table(title, (corner("Image and question"), *columns), tuple(rows))


def errors_notes(patterns: ErrorPatterns) -> Iterator[str]:
    """How to read the tables, with what was left out."""
    names = ", ".join(rates.arm for rates in patterns.models)
    yield f"Models, in the order of the letters chosen: {names}. Invalid and missing answers are wrong."
    yield (
        "Expected by chance: what errors would give that are independent of each other, each model erring as "
        "often as it does in the subtask; deviations: how far the number lies above that, in standard "
        "deviations."
    )
    agreed = sum(item.agreed is not None for item in patterns.found)
    if agreed:
        yield (
            f"On {count(agreed)} of {count(len(patterns.found))} questions all models that are wrong chose "
            "the same option: look at the answer key there too."
        )
    if len(patterns.models) == 1:
        yield "With one model the expected number is the observed one; give more models."
    if patterns.unanswered:
        yield f"{count(patterns.unanswered)} questions that no model answered are not looked at."
    if not patterns.by_shortcut:
        yield "The options are not known, so that shortcuts are not told; give --data."
