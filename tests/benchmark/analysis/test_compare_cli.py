"""`mmad-rag compare` as a user sees it: both estimands, verdicts, the parts of the gain, JSON, bad input."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from mmad_rag.benchmark.analysis.compare import compare_arms
from mmad_rag.benchmark.analysis.summary import RunSummary, summarise
from mmad_rag.benchmark.data.mmad import load_questions
from mmad_rag.benchmark.run.records import ArmHeader, Run
from mmad_rag.records import Outcome
from mmad_rag.report.tables.verdicts import verdict_lines, verdict_notes
from tests.benchmark.analysis.test_summary import HEADER
from tests.support.bench import make_benchmark, row
from tests.support.running import Cli

RATES = {"none": 0.3, "rag": 0.6, "oracle": 0.7, "wrong": 0.2, "filler": 0.3, "blind": 0.4, "blind-none": 0.3}


def run_with(root: Path, rates: Mapping[str, float], *, images: int = 12) -> Run:
    """A run over the tiny world's questions, answered at random."""
    questions = load_questions(make_benchmark(root, images=images, pictures=False)).questions
    rng = np.random.default_rng(3)
    rows = tuple(
        row(item, Outcome.CORRECT if rng.random() < rate else Outcome.WRONG, arm)
        for arm, rate in rates.items()
        for item in questions
    )
    arms = tuple(ArmHeader(arm, arm, "m", None) for arm in rates)
    return Run(root, dataclasses.replace(HEADER, arms=arms, questions=len(questions)), questions, rows)


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is read as a run of seven arms."""
    run = run_with(tmp_path, RATES)
    monkeypatch.setattr("mmad_rag.benchmark.run.reader.read_run", lambda _folder: run)
    return tmp_path


def test_both_estimands_verdicts_and_parts_are_printed(cli: Cli, shown: Path) -> None:
    found = cli("compare", shown, "--replicates", "200")
    assert found.code == 0, found.err
    for words in (
        "rag - none",
        "new products from",
        "oracle against none, on these products: better on average",
        "oracle against none, on new products: ",
        "What the gain is made of",
        "knowledge effect: oracle - none",
        "gain beyond text: rag - none - blind + blind-none",
        "break-even routing",
    ):
        assert words in found.out
    assert "200 bootstrap draws" in found.err
    assert "adjusted by Holm" in found.err
    assert "lies within 1 points" in found.err
    assert "McNemar's exact test" in " ".join(found.err.split())


def test_json_keeps_its_fields_and_adds_to_them(cli: Cli, shown: Path) -> None:
    first, *_ = json.loads(cli("compare", shown, "--json", "--replicates", "50", "--margin", "2").out)[
        "comparisons"
    ]
    assert {"baseline", "arm", "columns", "images", "replicates", "seed", "margin"} == set(first)
    assert first["margin"] == 2.0
    last = first["columns"][-1]
    assert {"column", "questions", "baseline", "arm", "difference", "low", "high"} < set(last)
    assert {"wrong_to_right", "right_to_wrong", "p_value", "adjusted_p", "verdict", "new_products"} < set(
        last
    )


def test_the_parts_alone_as_table_and_json(cli: Cli, shown: Path) -> None:
    told = json.loads(cli("compare", shown, "--decompose", "--json", "--replicates", "50").out)
    assert [effect["name"] for effect in told["effects"]] == [
        "knowledge effect",
        "retrieval loss",
        "length effect",
        "text alone",
        "gain beyond text",
    ]
    assert 0 < told["break_even"][-1]["percent"] < 100
    table = cli("compare", shown, "--decompose", "--replicates", "50").out
    assert table.startswith("What the gain is made of")
    assert "against none" not in table


def test_a_run_whose_arms_tell_no_effect_says_what_to_run(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_with(tmp_path, {"none": 0.3, "rag": 0.6}, images=2)
    monkeypatch.setattr("mmad_rag.benchmark.run.reader.read_run", lambda _folder: run)
    assert "What the gain" not in cli("compare", tmp_path).out
    found = cli("compare", tmp_path, "--decompose")
    assert found.code == 1
    assert "the arms none, rag tell no effect; run also `none` and `oracle`" in " ".join(found.err.split())


@pytest.mark.parametrize("option", [("--replicates", "0"), ("--margin", "-1")])
def test_numbers_out_of_range_are_wrong_usage(cli: Cli, shown: Path, option: tuple[str, str]) -> None:
    assert cli("compare", shown, *option).code == 2


def test_a_summary_has_the_comparisons_that_stand_alone_would_give(tmp_path: Path) -> None:
    """Whatever arms stand beside them, two arms see the same draws."""
    run = run_with(tmp_path, RATES, images=4)
    summary: RunSummary = summarise(run, replicates=60, seed=4)
    for comparison in summary.comparisons:
        alone = compare_arms(run.rows, run.questions, "none", comparison.arm.arm, replicates=60, seed=4)
        assert alone == comparison


def test_a_column_that_products_cannot_tell_says_so(tmp_path: Path) -> None:
    """VisA has one product in the tiny world, so nothing is said of new ones."""
    summary = summarise(run_with(tmp_path, {"none": 0.3, "rag": 0.6}, images=2), replicates=20)
    _, new = verdict_lines(summary.comparisons)
    assert new.startswith("rag against none, on new products: not told on average; ")
    assert any(
        line.startswith("not told: a dataset has one product") for line in verdict_notes(summary.comparisons)
    )
    assert list(verdict_notes(())) == []
