"""What people look at: a run summed up, routing counted per image, lost answers named."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import pytest
from rich.console import Console

from mmad_rag.benchmark.analysis.compare import compare_arms
from mmad_rag.benchmark.analysis.summary import RoutingCounts, summarise
from mmad_rag.benchmark.run.records import RUN_VERSION, ArmHeader, OutcomeRow, Run, RunHeader
from mmad_rag.benchmark.score.rules import Rule
from mmad_rag.benchmark.score.score import score_run
from mmad_rag.errors import DataError
from mmad_rag.records import Choice, Outcome, Question, RouteOutcome
from mmad_rag.report.tables.scores import arms_notes, arms_table, score_notes, score_table


def asked(number: int, place: int) -> Question:
    path = f"VisA/pcb1/test/bad/{number}.png"
    choices = (Choice("A", "Yes."), Choice("B", "No."))
    return Question(
        id=f"{path}#{place}",
        image_path=path,
        text="Is there any defect?",
        choices=choices,
        answer="A",
        type="Anomaly Detection",
        subtask="Anomaly Detection",
        dataset="VisA",
        product="pcb1",
        label="bad",
    )


QUESTIONS = tuple(asked(number, place) for number in range(4) for place in range(2))
ROUTES = {
    0: (RouteOutcome.PRODUCT, ("pcb1",)),
    1: (RouteOutcome.PRODUCT, ("pcb2",)),
    2: (RouteOutcome.NEAR_TIE, ("pcb2", "pcb1")),
    3: (RouteOutcome.UNKNOWN, ()),
}


def row(question: Question, arm: str, outcome: Outcome) -> OutcomeRow:
    letter = {Outcome.CORRECT: "A", Outcome.WRONG: "B"}.get(outcome)
    return OutcomeRow(f"{question.id}/{arm}", question.id, arm, outcome, letter)


def routed(question: Question) -> OutcomeRow:
    route, products = ROUTES[int(question.image_path.split("/")[-1].removesuffix(".png"))]
    found = row(question, "rag", Outcome.CORRECT)
    return dataclasses.replace(found, route=route, products=products, confidence=0.5)


NONE_OUTCOMES = (Outcome.CORRECT, Outcome.WRONG, Outcome.INVALID, Outcome.FAILED) * 2
NONE = tuple(row(item, "none", outcome) for item, outcome in zip(QUESTIONS, NONE_OUTCOMES, strict=True))
HEADER = RunHeader(
    version=RUN_VERSION,
    library="0",
    created="2026-01-31T00:00:00+00:00",
    data="data",
    data_sha256="0" * 64,
    questions=8,
    questions_sha256="0" * 64,
    missing_images=0,
    missing_questions=0,
    arms=(ArmHeader("none", "n", "m", None), ArmHeader("rag", "r", "m", "i")),
    images=True,
    wording="default",
    shots=0,
    templates="random",
    parser_version=1,
)
RUN = Run(Path("runs/x"), HEADER, QUESTIONS, (*NONE, *map(routed, QUESTIONS)))


def printed(table: object) -> str:
    console = Console(width=100, file=io.StringIO())
    with console.capture() as capture:
        console.print(table)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def test_routing_is_counted_once_per_picture() -> None:
    (counts,) = summarise(RUN).routing
    assert counts == RoutingCounts("rag", images=4, right=1, near_tie=1, wrong=1, unknown=1)
    assert str(counts) == (
        "routing in rag: 1 of 4 images to the right product, 1 near-ties with it, 1 wrong, 1 called unknown"
    )


def test_a_summary_compares_every_arm_with_the_baseline() -> None:
    summary = summarise(RUN)
    assert [name for name, _ in summary.tables] == ["none", "rag"]
    (comparison,) = summary.comparisons
    assert (comparison.baseline.arm, comparison.arm.arm) == ("none", "rag")
    assert summarise(RUN, baseline="rag").comparisons[0].columns[-1].difference == -75.0
    with pytest.raises(DataError, match="has no arm 'oracle'; it has none, rag"):
        summarise(RUN, baseline="oracle")


def test_a_run_without_the_baseline_is_summed_up_without_differences() -> None:
    alone = dataclasses.replace(
        RUN, header=dataclasses.replace(HEADER, arms=HEADER.arms[1:]), rows=RUN.rows[len(QUESTIONS) :]
    )
    summary = summarise(alone)
    assert summary.comparisons == ()
    assert "rag" in printed(arms_table(summary.tables, summary.comparisons))
    assert list(arms_notes(summary.comparisons)) == []


def test_what_was_lost_is_named_beside_every_table() -> None:
    fixed = score_run(RUN.rows, QUESTIONS, Rule.FIXED, "none")
    assert list(score_notes(fixed)) == ["2 invalid and 2 failed of 8 answers count as wrong"]
    strict = score_run(RUN.rows, QUESTIONS, Rule.STRICT_MMAD, "none")
    (lost,) = score_notes(strict)
    assert lost == "4 of 8 answers are not counted, as in MMAD's script; see --rule fixed"
    notes = list(arms_notes([compare_arms(RUN.rows, QUESTIONS, "none", "rag", replicates=20)]))
    assert notes[0].startswith("rag against none: +75.0 points [")
    assert notes[0].endswith("6 answers turn right, 0 turn wrong")
    assert notes[-1] == "none: 2 invalid and 2 failed replies of 8 count as wrong"


def test_tables_show_percent_and_a_dash_where_nothing_was_asked() -> None:
    summary = summarise(RUN)
    lines = printed(arms_table(summary.tables, summary.comparisons)).splitlines()
    assert lines[0] == "Percent right of 8 questions, mean over datasets, rule fixed"
    assert lines[2].split() == ["none", "25.0", "-", "-", "-", "-", "-", "-", "25.0"]
    assert lines[5].split() == ["rag", "-", "none", "+75.0", "-", "-", "-", "-", "-", "-", "+75.0"]
    one = printed(score_table(summary.tables[0][1], "none")).splitlines()
    assert one[0] == "none, rule fixed: 8 of 8 answers counted"
    assert one[2].split()[:2] == ["VisA", "25.00"]
