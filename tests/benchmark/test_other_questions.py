"""A question set of its own in MMAD's form, through every command: asked, scored, compared, audited."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mmad_rag.benchmark.analysis.compare import compare_arms
from mmad_rag.benchmark.analysis.flips import find_flips
from mmad_rag.benchmark.analysis.summary import summarise
from mmad_rag.benchmark.audit.audit import audit_questions
from mmad_rag.benchmark.data.columns import AVERAGE
from mmad_rag.benchmark.data.errata import ERRATA, apply_errata
from mmad_rag.benchmark.data.mmad import MMAD_COLUMNS, load_questions
from mmad_rag.benchmark.run.reader import read_run
from mmad_rag.benchmark.run.records import OutcomeRow
from mmad_rag.benchmark.score.answers_file import read_answers
from mmad_rag.benchmark.score.rules import RULES_SAID, Rule, scorer_of
from mmad_rag.benchmark.score.score import score_answers, score_run
from mmad_rag.benchmark.score.table import ScoreTable
from mmad_rag.benchmark.stats.power import detectable_gains
from mmad_rag.records import Outcome, Question
from mmad_rag.report.tables.scores import detection_line
from tests.support.bench import entry, qa, row
from tests.support.running import Cli
from tests.support.world import png

COUNT, READ = "Counting", "Reading Small Print"
OPTIONS = {"A": "One.", "B": "Two, or none.", "C": "Three."}

IMAGES = {
    # path: right letter of the counting question, and of the reading question where there is one
    "Shelf/bottle/test/good/0.png": ("A", "A"),
    "Shelf/bottle/test/bad/0.png": ("B", None),
    "Shelf/bolt/test/bad/0.png": ("A", "A"),
    "Shelf/bolt/test/bad/1.png": ("C", None),
    "Bench/cup/photo/good/0.png": ("C", "B"),
    "Bench/cup/photo/torn/0.png": ("C", None),
    "Bench/jar/photo/good/0.png": ("C", None),
    "Bench/jar/photo/torn/0.png": ("A", "A"),
}
"""Shelf: whoever always says A counts rightly in 2 of 4, reads rightly in 2 of 2. Bench: 1 of 4, 1 of 2."""

ALWAYS_A = {
    ("Shelf", COUNT): 50.0,
    ("Shelf", READ): 100.0,
    ("Shelf", AVERAGE): 75.0,
    ("Bench", COUNT): 25.0,
    ("Bench", READ): 50.0,
    ("Bench", AVERAGE): 37.5,
    (AVERAGE, COUNT): 37.5,
    (AVERAGE, READ): 75.0,
    (AVERAGE, AVERAGE): 56.25,
}
"""Balanced over normal and abnormal images, counting on Shelf would be (100 + 33.3) / 2 = 66.7: it is not."""


def write_set(folder: Path, images: dict[str, tuple[str, str | None]] = IMAGES) -> Path:
    """Write the question file, and a file for each image that it names."""
    records: dict[str, Any] = {}
    for number, (path, (count, read)) in enumerate(images.items()):
        talk = [qa(COUNT, count, OPTIONS, "How many are there?")]
        if read is not None:
            talk.append(qa(READ, read, OPTIONS, "What does it say?"))
        records[path] = entry(path, talk)
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(png((60, 90, 20 * number)))
    (folder / "mmad.json").write_text(json.dumps(records))
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_set(tmp_path / "data")


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """No line is broken."""
    monkeypatch.setenv("COLUMNS", "200")


def percents(table: ScoreTable) -> dict[tuple[str, str], float | None]:
    return {
        (found.name, column): cell.percent
        for found in table.rows
        for column, cell in zip(table.columns, found.cells, strict=True)
    }


def answered(questions: tuple[Question, ...], arm: str, letter: str | None = None) -> list[OutcomeRow]:
    """Every question answered by one letter, or rightly."""
    outcomes = [letter in (None, item.answer) for item in questions]
    return [
        row(item, Outcome.CORRECT if right else Outcome.WRONG, arm)
        for item, right in zip(questions, outcomes, strict=True)
    ]


# --- the library


def test_every_type_is_a_column(data: Path) -> None:
    benchmark = load_questions(data)
    assert len(benchmark.questions) == 12
    assert {(item.type, item.subtask) for item in benchmark.questions} == {(COUNT, COUNT), (READ, READ)}
    assert benchmark.missing_images == ()


def test_the_macro_average_is_nested_and_nothing_is_balanced(data: Path) -> None:
    questions = load_questions(data).questions
    table = score_run(answered(questions, "none", "A"), questions, Rule.FIXED, "none")
    assert table.columns == (COUNT, READ, AVERAGE)
    assert percents(table) == ALWAYS_A
    assert table.detection == ()
    assert detection_line(table) is None


def test_strict_mmad_takes_the_types_from_the_answers_as_the_script_does(data: Path) -> None:
    questions = load_questions(data).questions
    table = score_run(answered(questions, "none", "A"), questions, Rule.STRICT_MMAD, "none")
    assert percents(table) == ALWAYS_A
    assert table.detection == ()


def test_types_of_ones_own_beside_detection(tmp_path: Path) -> None:
    """Detection is balanced, as in MMAD: 1 of 1 normal, 1 of 3 abnormal is 66.7; counting is not: 2 of 4."""
    records = {
        path: entry(
            path, [qa(COUNT, count, OPTIONS), qa("Anomaly Detection", right, {"A": "Yes", "B": "No"})]
        )
        for (path, (count, _)), right in zip(list(IMAGES.items())[:4], "AABB", strict=True)
    }
    (tmp_path / "mmad.json").write_text(json.dumps(records))
    questions = load_questions(tmp_path).questions
    table = score_run(answered(questions, "none", "A"), questions, Rule.FIXED, "none")
    assert table.columns == ("Anomaly Detection", COUNT, AVERAGE)
    assert percents(table)["Shelf", "Anomaly Detection"] == pytest.approx((100 + 100 / 3) / 2)
    assert percents(table)["Shelf", COUNT] == 50.0
    assert [rates.overkill for rates in table.detection] == [0.0, 0.0]
    assert [rates.miss for rates in table.detection] == pytest.approx([200 / 3] * 2)
    assert detection_line(table) == "AD: overkill 0.00 %, miss 66.67 %"


def test_a_comparison_has_these_columns(data: Path) -> None:
    """All right against always A: 62.5 points in counting, 25 in reading, (62.5 + 25) / 2 on average."""
    questions = load_questions(data).questions
    rows = [*answered(questions, "none", "A"), *answered(questions, "rag")]
    found = compare_arms(rows, questions, "none", "rag", replicates=50)
    assert [(item.column, item.questions, item.difference) for item in found.columns] == [
        (COUNT, 8, 62.5),
        (READ, 4, 25.0),
        (AVERAGE, 12, 43.75),
    ]


def test_what_a_run_could_show_is_told_for_these_columns(data: Path) -> None:
    gains = detectable_gains(load_questions(data).questions)
    assert [(gain.column, gain.questions) for gain in gains] == [(COUNT, 8), (READ, 4), (AVERAGE, 12)]


def test_the_audit_scores_shortcuts_in_these_columns(data: Path) -> None:
    """The first option is A, so it scores as whoever always says A does; chance is one in three."""
    found = audit_questions(load_questions(data), replicates=20)
    scores = {
        score.shortcut: {cell.score.column: cell.score.value for cell in score.cells}
        for score in found.all_questions
    }
    assert scores["first"] == {COUNT: 37.5, READ: 75.0, AVERAGE: 56.25}
    assert scores["chance"] == pytest.approx({COUNT: 100 / 3, READ: 100 / 3, AVERAGE: 100 / 3})
    assert {cell.score.column for cell in found.hard_questions[0].cells} <= {COUNT, READ, AVERAGE}


def test_mmads_errata_concern_none_of_these_questions(data: Path) -> None:
    benchmark = load_questions(data)
    assert apply_errata(benchmark, list(ERRATA)).questions == benchmark.questions


def test_every_rule_has_its_words_and_its_module() -> None:
    assert set(RULES_SAID) == set(Rule)
    assert [scorer_of(rule).NAME for rule in Rule] == list(Rule)


# --- the command line


@pytest.fixture
def run(data: Path, tmp_path: Path, cli: Cli) -> Path:
    folder = tmp_path / "run"
    words = ("eval", "--data", data, "--model", "builtin:scripted/A", "--arms", "none,blind-none")
    asked = cli(*words, "--out", folder)
    assert asked.code == 0, asked.err
    assert "Counting ReaSmaPri Average" in asked.out
    assert "overkill" not in asked.out
    return folder


@pytest.mark.slow
def test_a_run_is_scored_compared_and_shown(run: Path, cli: Cli) -> None:
    scored = cli("score", run)
    assert "dataset Counting ReaSmaPri Average" in scored.out
    assert "Average    37.50     75.00   56.25" in scored.out
    assert "overkill" not in scored.out
    tables = json.loads(cli("score", run, "--json").out)
    assert tables["none"]["columns"] == [COUNT, READ, AVERAGE]
    assert tables["none"]["detection"] == []
    strict = cli("score", run, "--rule", "strict-mmad")
    assert "Average    37.50     75.00   56.25" in strict.out
    by_product = cli("score", run, "--by", "product", "--json")
    assert [found["name"] for found in json.loads(by_product.out)["none"]["rows"]] == [
        "Shelf/bottle",
        "Shelf/bolt",
        "Bench/cup",
        "Bench/jar",
        AVERAGE,
    ]

    compared = cli("compare", run, "--replicates", "50")
    assert compared.code == 0, compared.err
    assert "undecided in Counting, ReaSmaPri" in compared.out

    assert cli("report", run, "--replicates", "50").code == 0
    page = (run / "report.html").read_text()
    assert READ in page
    for name in ("Detection", *MMAD_COLUMNS.names):
        assert name not in page


@pytest.mark.slow
def test_a_part_of_a_run_keeps_the_columns_of_the_whole(run: Path) -> None:
    """Reading alone would be one column; the first question of the part must not change the order either."""
    whole = read_run(run)
    part = whole.only({item.id for item in whole.questions if item.subtask == READ})
    again = part.only({item.id for item in part.questions})
    assert part.columns == again.columns == whole.columns
    table = score_run(part.rows, part.questions, Rule.FIXED, "none", columns=part.columns)
    assert table.columns == (COUNT, READ, AVERAGE)
    assert percents(table)[AVERAGE, COUNT] is None
    assert summarise(part, replicates=20).tables[0][1] == table


@pytest.mark.slow
def test_a_flip_is_drawn_from_every_column(run: Path) -> None:
    whole = read_run(run)
    rows = tuple(answered(whole.questions, "none", "A") + answered(whole.questions, "blind-none"))
    right, _ = find_flips(
        type(whole)(whole.folder, whole.header, whole.questions, rows), "none", "blind-none", count=2
    )
    assert [flip.question.subtask for flip in right.flips] == [COUNT, READ]


def test_the_audit_command(data: Path, cli: Cli, tmp_path: Path) -> None:
    found = cli("audit", "--data", data, "--replicates", "20", "--out", tmp_path / "hard.json")
    assert found.code == 0, found.err
    assert "Counting ReaSmaPri Average" in found.out
    assert (tmp_path / "hard.json").exists()


def test_an_answers_file_with_its_data_and_without(data: Path, cli: Cli, tmp_path: Path) -> None:
    """One question is left out: with --data it counts as wrong, and reading on Shelf falls to 50."""
    questions = load_questions(data).questions
    records = [
        {
            "image": item.image_path,
            "question": item.text,
            "question_type": item.type,
            "correct_answer": item.answer,
            "gpt_answer": "A",
        }
        for item in questions
    ]
    file = tmp_path / "answers.json"
    file.write_text(json.dumps(records))
    assert percents(score_answers(read_answers(file), Rule.FIXED)) == ALWAYS_A
    file.write_text(json.dumps(records[:1] + records[2:]))
    table = json.loads(cli("score", file, "--data", data, "--json").out)
    assert table["columns"] == [COUNT, READ, AVERAGE]
    assert [cell["percent"] for cell in table["rows"][0]["cells"]] == [50.0, 50.0, 50.0]
    shown = cli("score", file)
    assert (shown.code, "dataset Counting ReaSmaPri Average" in shown.out) == (0, True)


def test_a_heading_is_shown_as_it_is_written(data: Path, cli: Cli, tmp_path: Path) -> None:
    """A type in brackets is not a markup of the terminal's tables."""
    text = (data / "mmad.json").read_text().replace(COUNT, "[red]Tally[/]")
    (data / "mmad.json").write_text(text)
    found = cli("audit", "--data", data, "--replicates", "20")
    assert (found.code, "[red]Tally[/] ReaSmaPri Average" in found.out) == (0, True)
