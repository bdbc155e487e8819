"""`evaluate` does what `mmad-rag eval` does, and its result shows what the run folder holds."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.table import Table as RichTable

import mmad_rag
from mmad_rag import Evaluation, KnowledgeIndex, RunSettings, evaluate
from mmad_rag.benchmark.analysis.summary import summarise
from mmad_rag.benchmark.audit.choose_hard import hard_bytes, read_hard
from mmad_rag.benchmark.data.columns import AVERAGE
from mmad_rag.benchmark.data.mmad import load_questions
from mmad_rag.benchmark.run.reader import read_run
from mmad_rag.benchmark.run.worker import RunProgress
from mmad_rag.benchmark.sample import render_sample
from mmad_rag.cli.console import plain
from mmad_rag.errors import DataError, ExtraError, InputError, ModelActionError, SpecError
from mmad_rag.evaluation import prepare
from mmad_rag.evaluation.experiment import default_folder, hard_subset_for
from mmad_rag.evaluation.shown_table import ShownTable
from mmad_rag.records import Outcome
from mmad_rag.report.tables.table import Table, TableColumn, corner, table_row
from tests.support.bench import scripted
from tests.support.paths import ROOT
from tests.support.running import Cli
from tests.support.servers.openai_server import OpenAIServer, replies

ARMS = ("none", "rag", "wrong")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two drawn products under `data`, indexed by builtin:tiny under `index`."""
    root = tmp_path_factory.mktemp("bench")
    render_sample(root / "data", products=("bottle", "metal_nut"), per_defect=1, templates=2, unknown=1)
    KnowledgeIndex.build(ROOT / "knowledge", "builtin:tiny", references=root / "data").save(root / "index")
    return root


@pytest.fixture(scope="module")
def found(bench: Path, tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    """The reader on twelve questions in three arms."""
    return evaluate(
        bench / "data",
        "builtin:reader",
        bench / "index",
        arms=ARMS,
        settings=RunSettings(limit=12, seed=4, shuffle_options=7),
        out=tmp_path_factory.mktemp("run") / "out",
        progress=False,
    )


@pytest.mark.slow
def test_the_command_is_the_twin_of_the_call(
    bench: Path,
    found: Evaluation,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ran = Cli(capsys, monkeypatch)(
        *("eval", "--data", bench / "data", "--model", "builtin:reader", "--index", bench / "index"),
        *("--arms", ",".join(ARMS), "--limit", 12, "--seed", 4, "--shuffle-options", 7),
        *("--out", tmp_path / "run", "--json"),
    )
    assert ran.code == 0, ran.err
    run = read_run(tmp_path / "run")
    assert [row.key for row in run.rows] == [row.key for row in found.run.rows]
    told = json.loads(ran.out)
    assert told["summary"] == json.loads(json.dumps(plain(found.summary)))
    written = [json.loads((folder / "run.json").read_bytes()) for folder in (run.folder, found.folder)]
    assert told["header"] == written[0]
    assert {"pictures", "missing_pictures"} <= told["header"].keys()
    assert written[0] | {"created": ""} == written[1] | {"created": ""}


@pytest.mark.slow
def test_the_same_call_goes_on_and_asks_nothing_again(bench: Path, found: Evaluation) -> None:
    told: list[RunProgress] = []
    again = evaluate(
        bench / "data", "builtin:reader", bench / "index", arms=ARMS, out=found.folder,
        settings=RunSettings(limit=12, seed=4, shuffle_options=7), progress=told.append,
    )  # fmt: skip
    assert (found.progress.kept, again.progress.kept, again.progress.total) == (0, 36, 36)
    assert told[-1] == again.progress
    assert len(told) == 36
    assert again.summary == found.summary


def test_the_table_shows_scores_and_differences(found: Evaluation) -> None:
    table = found.table()
    text, page = str(table), table._repr_html_()
    assert isinstance(table.__rich__(), RichTable)
    assert text.startswith("Percent right of 12 questions, mean over datasets, rule fixed")
    for name, scores in found.summary.tables:
        average = scores.cell(AVERAGE, AVERAGE).percent
        (line,) = [
            line for line in text.splitlines() if line.split()[:1] == [name] and line.split()[1] != "-"
        ]
        assert line.split()[-1] == f"{average:.1f}"
        assert f'<td style="text-align:left">{name}</td>' in page
    assert f"{found.compare()[0].columns[-1].difference:+.1f}" in text
    assert found._repr_html_() == page
    assert "12 questions in the arms none, rag, wrong" in repr(found)


def test_a_table_escapes_what_it_is_given() -> None:
    table = Table("<t>", (corner("a"), TableColumn("b")), (table_row("<x>", ["1"]),))
    page = ShownTable(table)._repr_html_()
    assert "<p><b>&lt;t&gt;</b></p>" in page
    assert '<td style="text-align:left">&lt;x&gt;</td><td style="text-align:right">1</td>' in page


def test_compare_takes_any_baseline(found: Evaluation) -> None:
    assert found.compare() == found.summary.comparisons == summarise(found.run, seed=4).comparisons
    other = found.compare("wrong")
    assert [(item.baseline.arm, item.arm.arm) for item in other] == [("wrong", "none"), ("wrong", "rag")]
    with pytest.raises(DataError, match="has no arm 'all'"):
        found.compare("all")


def test_flips_are_those_of_the_comparison(found: Evaluation) -> None:
    right, wrong = found.flips(count=2)
    average = next(item for item in found.compare() if item.arm.arm == "rag").columns[-1]
    assert (right.total, wrong.total) == (average.wrong_to_right, average.right_to_wrong)
    assert len(right.flips) == min(2, right.total) > 0
    assert {flip.arm.arm for flip in right.flips} == {"rag"}
    assert {flip.arm.arm for flip in found.flips("none", baseline="wrong")[0].flips} <= {"none"}
    for arm, baseline in (("all", "none"), ("rag", "all"), ("none", "none")):
        with pytest.raises(DataError, match=r"to compare; it has none, rag, wrong"):
            found.flips(arm, baseline=baseline)


def test_a_data_frame_has_a_row_per_question_and_arm(found: Evaluation) -> None:
    pytest.importorskip("pandas")
    frame: Any = found.to_pandas()
    assert len(frame) == 36
    assert list(frame["arm"][:3]) == list(ARMS)
    right = frame.groupby("arm")["correct"].sum().to_dict()
    for arm in ARMS:
        rows = [row for row in found.run.rows if row.arm == arm]
        assert right[arm] == sum(row.outcome is Outcome.CORRECT for row in rows)
    first, row, question = frame.iloc[1], found.run.rows[1], found.run.questions[0]
    assert (first["question"], first["image"], first["product"]) == (
        *(question.id, question.image_path, question.product),
    )
    assert (first["reply"], first["letter"], first["outcome"]) == (row.reply, row.letter, row.outcome.value)
    assert (first["route"], first["passages"]) == ("product", row.passages)
    assert first["subtask"] == question.subtask


def test_without_pandas_the_package_is_named(found: Evaluation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ExtraError, match="needs the package pandas"):
        found.to_pandas()


def test_the_report_is_written_beside_the_run_or_where_it_is_wanted(
    found: Evaluation, tmp_path: Path
) -> None:
    assert found.report() == found.folder / "report.html"
    page = found.report(str(tmp_path / "page.html"), arm="wrong", flips=1)
    assert page.read_bytes().startswith(b"<!doctype html>")
    assert "wrong against none" in page.read_text()
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match="is not a page"):
        found.report(tmp_path / "mine.txt")


def test_it_works_inside_a_running_loop_with_a_callable(bench: Path, tmp_path: Path) -> None:
    def always_a(_messages: object) -> str:
        return "A"

    async def cell() -> Evaluation:
        return evaluate(
            str(bench / "data"), always_a, arms=["none"], settings=RunSettings(limit=3), out=tmp_path / "run"
        )

    found = asyncio.run(cell())
    assert {row.reply for row in found.run.rows} == {"A"}
    assert found.run.header.arms[0].model.startswith("callable:")
    assert found.compare() == ()


def test_a_client_is_asked_by_the_name_of_a_model(
    bench: Path, tmp_path: Path, openai_server: OpenAIServer
) -> None:
    from openai import OpenAI

    openai_server.default = replies("B")
    client = OpenAI(api_key="k", base_url=openai_server.url)
    found = evaluate(
        bench / "data", client, arms=("none",), settings=RunSettings(limit=2), model_name="m",
        out=tmp_path / "run", progress=False,
    )  # fmt: skip
    assert {row.letter for row in found.run.rows} == {"B"}
    assert {request.body["model"] for request in openai_server.requests} == {"m"}


def test_the_folder_is_named_by_data_and_model(
    bench: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = evaluate(bench / "data", "builtin:first", arms="none", settings=RunSettings(limit=2))
    assert found.folder == Path("runs/data-builtin-first")
    assert (tmp_path / "runs/data-builtin-first/run.json").is_file()
    assert default_folder(Path("x"), "callable:always A, v1").name == "x-callable-always-A-v1"


def test_what_was_left_out_is_said(bench: Path, tmp_path: Path) -> None:
    total = f"{len(load_questions(bench / 'data').questions):,}"
    settings = RunSettings(errata=("transistor-misplaced",), images=False, limit=4)
    experiment = prepare(
        bench / "data", "builtin:reader", bench / "index", arms=("none", "rag"), settings=settings,
        out=tmp_path / "run",
    )  # fmt: skip
    assert experiment.notes == (
        f"erratum transistor-misplaced: 0 of {total} questions left out; this copy does not have it",
        "without images no product is found: rag will show no knowledge",
    )
    assert experiment.run().notes == experiment.notes


def test_a_dry_run_needs_no_key_and_asks_nothing(bench: Path, tmp_path: Path) -> None:
    settings = RunSettings(limit=6)
    with pytest.raises(ModelActionError):
        prepare(bench / "data", "openai:gpt-4o", bench / "index", settings=settings)
    dry = prepare(
        bench / "data", "openai:gpt-4o", bench / "index", settings=settings, out=tmp_path / "run",
        dry_run=True, reply_tokens=0,
    )  # fmt: skip
    forecast = dry.forecast(budget=1.0)
    assert [(arm.arm, arm.requests, arm.output_tokens) for arm in forecast.arms] == [
        ("none", 6, 0),
        ("rag", 6, 0),
    ]
    assert forecast.usd == pytest.approx(sum(arm.input_tokens for arm in forecast.arms) * 2.5e-6)
    assert forecast.budget is not None
    assert forecast.budget.limit == 6
    with pytest.raises(InputError, match="prepare the experiment without dry_run"):
        dry.run()
    assert not (tmp_path / "run").exists()


def test_a_forecast_never_asks_the_model(bench: Path, tmp_path: Path) -> None:
    model = scripted("A")
    experiment = prepare(bench / "data", model, bench / "index", out=tmp_path / "run")
    with pytest.raises(InputError, match="prepare the experiment with dry_run=True"):
        experiment.forecast()
    assert model.prompts == []


def test_a_budget_stops_a_run_and_is_told(
    bench: Path, tmp_path: Path, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request costs 110 tokens at a dollar per thousand: 0.11; 0.66 pay for six."""
    prices = tmp_path / "prices.yaml"
    prices.write_text(
        "version: 1\nprices:\n"
        "  - {model: 'openai:m at *', input: 1000, output: 1000, as_of: 2026-01-31, source: a test}\n"
    )
    openai_server.default = replies("A", tokens=(100, 10))
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.url)

    def go(budget: float, folder: str) -> Evaluation:
        return evaluate(
            bench / "data", "openai:m", bench / "index", settings=RunSettings(limit=6), budget=budget,
            prices=str(prices), concurrency=1, out=tmp_path / folder, progress=False,
        )  # fmt: skip

    stopped = go(0.66, "run")
    assert stopped.stopped
    assert stopped.spent_usd == pytest.approx(0.66)
    assert len(stopped.run.questions) == 3
    assert stopped.notes[-1].endswith(
        "3 of 6 questions are answered in every arm. The same command with a larger --budget goes on"
    )
    assert "3 of 6 questions are answered" in stopped.report().read_text()
    assert go(2.0, "run").stopped is False
    with pytest.raises(DataError, match=r"0 of 6 questions are answered in every arm\. The same"):
        go(0.15, "other")


def test_the_hard_subset_is_the_given_one_or_that_of_the_folder_or_chosen_anew(
    bench: Path, tmp_path: Path
) -> None:
    benchmark = load_questions(bench / "data")
    chosen = hard_subset_for(benchmark, tmp_path, None)
    given = tmp_path / "given.json"
    few = {**json.loads(hard_bytes(chosen)), "questions": [benchmark.questions[0].id]}
    given.write_text(json.dumps(few))
    assert hard_subset_for(benchmark, tmp_path, given) == read_hard(given) != chosen
    (tmp_path / "hard.json").write_text(json.dumps(few))
    assert hard_subset_for(benchmark, tmp_path, None) == read_hard(given)
    (tmp_path / "hard.json").write_text("{")
    assert hard_subset_for(benchmark, tmp_path, None) == chosen
    found = evaluate(
        bench / "data", "builtin:first", arms=("none",), hard=str(given), out=tmp_path / "run", progress=False
    )
    assert found.run.hard == read_hard(given)


def test_arms_and_index_are_refused_before_anything_is_asked(bench: Path, tmp_path: Path) -> None:
    for arms, message in ((("none", "foo"), "no arm 'foo'"), ((), "needs an arm"), ("rag", "needs an index")):
        with pytest.raises(SpecError, match=message):
            evaluate(bench / "data", "builtin:first", arms=arms, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_public_names_are_loaded_when_they_are_used() -> None:
    assert mmad_rag.evaluate is evaluate
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = mmad_rag.nothing  # type: ignore[attr-defined]
