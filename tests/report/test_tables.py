"""A table is built once: how its numbers are written, and how a terminal shows what a page shows."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from mmad_rag.benchmark.analysis.decompose import BreakEven, Decomposition, Effect, EffectColumn
from mmad_rag.benchmark.stats.estimate import Estimate
from mmad_rag.report.tables import numbers
from mmad_rag.report.tables.gains import decomposition_table
from mmad_rag.report.tables.table import (
    Table,
    TableCell,
    TableColumn,
    corner,
    estimate_cell,
    plain_table,
    table_row,
    text_rows,
)
from mmad_rag.report.terminal import terminal_table

GAIN = Estimate("Average", 3.14, -0.96, 5.25)


def drawn(table: Table) -> list[str]:
    """The lines of a wide terminal."""
    console = Console(width=200, file=io.StringIO(), color_system=None)
    with console.capture() as capture:
        console.print(terminal_table(table))
    return [line.rstrip() for line in capture.get().splitlines()]


def test_numbers_are_written_one_way() -> None:
    assert (numbers.points(1.25), numbers.points(-0.96), numbers.points(None)) == ("+1.2", "-1.0", "-")
    assert (numbers.percent(12.34), numbers.fine_percent(12.345), numbers.whole(12.6)) == (
        "12.3",
        "12.35",
        "13",
    )
    assert numbers.whole(None, "∞") == "∞"
    assert (numbers.usd(1234.5), numbers.usd(1, signed=True), numbers.usd(None)) == ("1,234.50", "+1.00", "-")
    assert (numbers.count(39670), numbers.fraction(0.1254), numbers.likely(0.976)) == (
        "39,670",
        "0.125",
        "0.98",
    )


@pytest.mark.parametrize(
    ("number", "shown"),
    [(0.0004, "p < 0.001"), (0.001, "p = 0.001"), (0.0123, "p = 0.012"), (1, "p = 1.000")],
)
def test_chances_are_written_with_three_digits(number: float, shown: str) -> None:
    assert numbers.p_value(number) == shown


def test_an_interval_stands_behind_its_value_where_there_is_one() -> None:
    assert numbers.with_interval(GAIN, numbers.points) == "+3.1 [-1.0, +5.2]"
    assert numbers.with_interval(Estimate("Average", 50.0, None, None), numbers.percent) == "50.0"
    assert numbers.interval(None, 1.0, numbers.points, otherwise="not told") == "not told"


def test_a_cell_holds_its_intervals_as_text() -> None:
    cell = estimate_cell(GAIN, numbers.points, elsewhere=None, both=True, untold="not told")
    assert cell.text == "+3.1"
    assert [(item.low, item.high, item.text) for item in cell.intervals] == [
        ("-1.0", "+5.2", "[-1.0, +5.2]"),
        ("-", "-", "not told"),
    ]
    assert estimate_cell(None, numbers.points) == TableCell("-")


def test_a_terminal_gives_the_ends_of_intervals_rows_of_their_own() -> None:
    table = Table(
        "Title",
        (corner("Arm", "arm"), TableColumn("Anomaly Detection", "AD"), TableColumn("Average")),
        (
            table_row("none", ["50.0", TableCell("25.0", notes=("1 of 4",))]),
            table_row("rag", ["-", estimate_cell(GAIN, numbers.points)], apart=True),
        ),
        legend="never drawn in a terminal",
    )
    assert list(text_rows(table)) == [
        ("none", "50.0", "25.0 (1 of 4)"),
        ("", "", ""),
        ("rag", "-", "+3.1"),
        ("  95 % from", "-", "-1.0"),
        ("  95 % to", "-", "+5.2"),
    ]
    lines = drawn(table)
    assert lines[:2] == ["Title", "arm           AD       Average"]
    assert lines[-1].split() == ["95", "%", "to", "-", "+5.2"]


def test_what_rich_would_read_as_markup_is_shown_as_it_is() -> None:
    table = plain_table("[bold]t", [("[red]a", "[/]")], "[x]", "[y]", numbers=False)
    assert drawn(table) == ["[bold]t", "[x]    [y]", "[red]a [/]"]


def test_a_title_is_not_broken_where_the_table_is_narrow() -> None:
    title = "A title that is longer than the two columns below it"
    assert drawn(plain_table(title, [("a", "1")], "x", "y"))[0] == title


def test_effects_and_open_ends_of_the_break_even_point() -> None:
    effect = Effect("knowledge effect", "oracle - none", (EffectColumn("Average", 3.14, -0.96, 5.25, None),))
    table = decomposition_table(Decomposition((effect,), (BreakEven("Average", 50.4, None, 80.0),), 4, 9, 0))
    first, even = table.rows
    assert (first.head.text, first.head.notes) == ("knowledge effect", ("oracle - none",))
    assert [item.text for item in first.cells[0].intervals] == ["[-1.0, +5.2]", "not told"]
    assert (even.cells[0].text, even.cells[0].intervals[0].text) == ("50", "[-∞, 80]")
    assert list(text_rows(table)) == [
        ("knowledge effect: oracle - none", "+3.1"),
        ("  95 % from", "-1.0"),
        ("  95 % to", "+5.2"),
        ("  new products from", "-"),
        ("  new products to", "-"),
        ("break-even routing", "50"),
        ("  95 % from", "-∞"),
        ("  95 % to", "80"),
    ]
