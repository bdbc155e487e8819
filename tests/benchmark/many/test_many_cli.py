"""Commands take answers files as they take runs: score, compare, errors, report and audit."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from mmad_rag.benchmark.data.mmad import load_questions
from mmad_rag.benchmark.many.matrix import compare_models
from mmad_rag.records import Question
from tests.benchmark.many.answers_files import write_answers
from tests.report.page_reader import PageReader
from tests.support.bench import make_benchmark
from tests.support.running import Cli


@pytest.fixture
def questions(tmp_path: Path) -> tuple[Question, ...]:
    return load_questions(make_benchmark(tmp_path / "data", images=3)).questions


@pytest.fixture
def paths(questions: tuple[Question, ...], tmp_path: Path) -> list[Path]:
    return [
        write_answers(tmp_path / "a.json", questions, range(0, 54, 2), form="sent"),
        write_answers(tmp_path / "b.json", questions, range(0, 54, 3), form="options", turn=1),
        write_answers(tmp_path / "c.json", questions[:-3], range(0, 51, 5), form="sent"),
    ]


def test_the_matrix_as_tables_and_json(cli: Cli, paths: list[Path]) -> None:
    shown = cli("compare", *paths, "--matrix", "--replicates", "50")
    assert shown.code == 0, shown.err
    assert "Percent right of the same 51 questions" in shown.out
    assert "points, on these products" in shown.out
    assert "points, on new products" in shown.out
    assert "adjusted by Holm over 3 pairs" in " ".join(shown.err.split())
    assert "a: 51 questions are compared, 3 of its 54 are left out" in shown.err
    told = json.loads(cli("compare", *paths, "--matrix", "--replicates", "50", "--json").out)
    found = compare_models(paths, replicates=50)
    assert [pair["columns"][-1]["difference"] for pair in told["pairs"]] == [
        pair.columns[-1].difference for pair in found.pairs
    ]
    assert [source["left_out"] for source in told["sources"]] == [3, 3, 0]


def test_several_files_against_the_first_or_another(cli: Cli, paths: list[Path], tmp_path: Path) -> None:
    shown = cli("compare", *paths[:2], "--replicates", "50")
    assert "b against a, on these products" in shown.out
    told = json.loads(
        cli(
            "compare", *paths, "--baseline", "c", "--replicates", "50", "--data", tmp_path / "data", "--json"
        ).out
    )
    comparisons = told["summary"]["comparisons"]
    assert [(item["baseline"]["arm"], item["arm"]["arm"]) for item in comparisons] == [("c", "a"), ("c", "b")]
    assert comparisons[0]["baseline"]["failed"] == 3
    assert comparisons[0]["columns"][-1]["questions"] == 54


def test_what_cannot_be_compared_is_refused(cli: Cli, paths: list[Path], tmp_path: Path) -> None:
    for command, message in (
        (("compare", paths[0]), "alone has nothing to be compared with"),
        (("compare", paths[0], "--matrix"), "a matrix compares two models or more, and there is only a"),
        (("compare", *paths, "--decompose"), "--decompose takes one run apart"),
        (("compare", *paths, "--baseline", "z"), "there is no model 'z'"),
        (("compare", paths[0], tmp_path / "no.json"), "no.json is not a run folder and not an answers file"),
        (("errors", paths[0], paths[0]), "is given twice"),
        (("errors", *paths, "--at-least", "4"), "4 is not a number of models out of 3"),
        (("score", paths[0], "--hard"), "is not a run folder: --hard and --answered need one"),
        (("audit",), "there is nothing to audit"),
    ):
        refused = cli(*command)
        assert refused.code == 1, command
        assert message in " ".join(refused.err.split()), command


def test_errors_as_tables_json_and_page(cli: Cli, paths: list[Path], tmp_path: Path) -> None:
    page = tmp_path / "errors.html"
    shown = cli("errors", *paths, "--data", tmp_path / "data", "--html", page, "--show", "2")
    assert shown.code == 0, shown.err
    assert "questions that all 3 models get wrong" in shown.out
    assert "Expected by chance" in shown.out
    assert shown.out.strip().endswith(str(page))
    assert len(PageReader(page.read_text(encoding="utf-8")).articles["questions"]) == 2
    told = json.loads(cli("errors", *paths, "--json").out)
    assert [item["question"]["id"] for item in told["found"]] == [
        load_questions(tmp_path / "data").questions[place].id for place in (0, 30)
    ]
    most = json.loads(cli("errors", *paths, "--at-least", "2", "--json").out)
    wrong = [sum((n % 2 == 0, n % 3 == 0, n % 5 == 0)) for n in range(51)]
    assert most["total"]["found"] == sum(count >= 2 for count in wrong)
    assert [item["questions"] for item in most["counts"]] == [wrong.count(count) for count in range(4)]


def test_score_by_product(cli: Cli, paths: list[Path]) -> None:
    told = json.loads(cli("score", paths[0], "--by", "product", "--json").out)
    names = [row["name"] for row in told["rows"]]
    assert len(names) == 4
    assert names[0] == "DS-MVTec/red_disc"


def test_a_report_of_an_answers_file(cli: Cli, paths: list[Path], tmp_path: Path) -> None:
    shown = cli("report", paths[0], "--replicates", "20")
    assert shown.code == 0, shown.err
    page = PageReader((tmp_path / "a.report.html").read_text(encoding="utf-8"))
    assert "Answers a.json" in page.text
    assert "not told by the file" in page.text
    out = tmp_path / "own.html"
    assert cli("report", paths[2], "--data", tmp_path / "data", "--out", out, "--replicates", "20").code == 0
    assert "the answers file does not answer it" in PageReader(out.read_text(encoding="utf-8")).text


def test_an_audit_scores_models_where_shortcuts_miss(cli: Cli, paths: list[Path], tmp_path: Path) -> None:
    command = ("audit", *paths, "--data", tmp_path / "data", "--replicates", "20")
    told = json.loads(cli(*command, "--json").out)
    parts = {part["name"]: part for part in told["models"]}
    assert parts["all"]["questions"] == 54
    assert [score["arm"] for score in parts["all"]["scores"]] == ["a", "b", "c"]
    longest = {item["question"] for item in told["questions"] if "longest" not in item["hit_by"]}
    assert parts["longest misses"]["questions"] == len(longest)
    assert "longest misses (" in cli(*command).out
    alone = cli("audit", paths[0], "--replicates", "20")
    assert alone.code == 0, alone.err
    plain = json.loads(cli("audit", "--data", tmp_path / "data", "--replicates", "20", "--json").out)
    assert "models" not in plain


def test_an_audit_needs_options(cli: Cli, questions: tuple[Question, ...], tmp_path: Path) -> None:
    file = write_answers(tmp_path / "d.json", [dataclasses.replace(item) for item in questions])
    refused = cli("audit", file)
    assert (refused.code, "does not keep the options" in refused.err) == (1, True)
