"""The command line: help, runs, scores, one clear message for bad input, exit codes, JSON."""

from __future__ import annotations

import datetime as dt
import json
import re
import shutil
from pathlib import Path

import pytest

from mmad_rag.benchmark.sample import render_sample
from mmad_rag.knowledge.new import new_product
from tests.support.golden_file import check_golden
from tests.support.paths import ROOT
from tests.support.running import Cli
from tests.support.sample_world import PRODUCTS, Bench


def test_the_help_of_every_command_is_pinned(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    pages = []
    for words in (
        (),
        ("demo",),
        ("build-index",),
        ("retrieve",),
        ("ask",),
        ("eval",),
        ("eval-retrieval",),
        ("score",),
        ("compare",),
        ("errors",),
        ("report",),
        ("audit",),
        ("serve",),
        ("knowledge",),
        ("data",),
        ("data", "sample"),
        ("data", "download"),
        ("data", "verify"),
    ):
        ran = cli(*words, "--help")
        assert ran.code == 0
        pages.append(ran.out)
    check_golden("help.txt", "\n".join(pages))


def test_the_version_is_printed(cli: Cli) -> None:
    assert re.fullmatch(r"mmad-rag \d+\.\d+\.\d+\n", cli("--version").out)


@pytest.mark.parametrize(
    "words", [("no-such-command",), ("eval",), ("score", "x", "--rule", "kind"), ("ask", "x")]
)
def test_wrong_usage_ends_with_two(cli: Cli, words: tuple[str, ...]) -> None:
    assert cli(*words).code == 2


def test_eval_score_and_compare_agree_and_ask_nothing_twice(cli: Cli, bench: Bench, tmp_path: Path) -> None:
    command = (
        *("eval", "--data", bench.data, "--model", "builtin:reader", "--arms", "none,rag,oracle"),
        *("--index", bench.index, "--out", tmp_path / "run"),
    )
    ran = cli(*command)
    assert ran.code == 0, ran.err
    for column in ("AD", "DefCls", "DefLoc", "DefDesc", "DefAna", "ObjCls", "ObjAna", "Average"):
        assert column in ran.out
    assert "rag - none" in ran.out
    assert "oracle - none" in ran.out
    assert "routing in rag: " in ran.err
    outcomes = (tmp_path / "run" / "outcomes.jsonl").read_bytes()
    again = json.loads(cli(*command, "--json").out)
    assert (tmp_path / "run" / "outcomes.jsonl").read_bytes() == outcomes
    assert again["progress"]["kept"] == again["progress"]["total"]
    tables = json.loads(cli("score", tmp_path / "run", "--json").out)
    assert set(tables) == {"none", "rag", "oracle"}
    average = {arm: table["rows"][-1]["cells"][-1]["percent"] for arm, table in tables.items()}
    compared = json.loads(cli("compare", tmp_path / "run", "--json").out)
    last = compared["comparisons"][0]["columns"][-1]
    assert last["difference"] == pytest.approx(average["rag"] - average["none"], abs=1e-9)
    assert last["low"] <= last["difference"] <= last["high"]
    assert average["oracle"] > average["none"]
    strict = cli("score", tmp_path / "run", "--rule", "strict-mmad")
    assert strict.out.count("rule strict-mmad") == 3
    against_oracle = cli("compare", tmp_path / "run", "--baseline", "oracle")
    assert "rag - oracle" in against_oracle.out
    assert cli("compare", tmp_path / "run", "--baseline", "wrong").code == 1


def test_a_limit_and_shots_are_part_of_the_run(cli: Cli, bench: Bench, tmp_path: Path) -> None:
    command = (
        "eval",
        "--data",
        bench.data,
        "--model",
        "builtin:longest",
        "--arms",
        "none",
        "--out",
        tmp_path / "run",
    )
    ran = json.loads(cli(*command, "--limit", 20, "--shots", 2, "--json").out)
    assert ran["header"]["questions"] == 20
    assert ran["header"]["shots"] == 2
    other = cli(*command, "--limit", 20)
    assert other.code == 1
    assert "another shots: 2 there, 0 now; give another --out" in " ".join(other.err.split())


def test_questions_without_a_picture_are_counted_not_lost(cli: Cli, bench: Bench, tmp_path: Path) -> None:
    data = shutil.copytree(bench.data, tmp_path / "data")
    shutil.rmtree(data / "DS-MVTec" / "bottle" / "image" / "good")
    (data / "DS-MVTec" / "metal_nut" / "image" / "good" / "000.png").write_bytes(b"torn")
    ran = cli(
        "eval", "--data", data, "--model", "builtin:longest", "--arms", "none", "--out", tmp_path / "run"
    )
    assert ran.code == 1
    assert re.search(
        r"\d+ images have no file in .*: \d+ questions about them are not asked", " ".join(ran.err.split())
    )
    assert "replies did not come: 5 x the image" in " ".join(ran.err.split())


ANSWERS = [
    {
        "image": f"DS-MVTec/bottle/image/{label}/00{number}.png",
        "question": f"Q{number}",
        "question_type": kind,
        "correct_answer": "A",
        "gpt_answer": answer,
    }
    for number, (label, kind, answer) in enumerate(
        [
            ("good", "Anomaly Detection", "A"),
            ("broken_large", "Anomaly Detection", "B"),
            ("broken_large", "Defect Analysis", ""),
            ("broken_large", "Defect Analysis", "A"),
            ("broken_large", "Defect Analysis", "B"),
            ("good", "Object Details", "A"),
            ("good", "Object Structure", "C"),
        ]
    )
]


def test_an_answers_file_is_scored_by_both_rules(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "answers.json"
    path.write_text(json.dumps(ANSWERS))
    strict = json.loads(cli("score", path, "--rule", "strict-mmad", "--json").out)
    cells = dict(zip(strict["columns"], strict["rows"][0]["cells"], strict=True))
    assert cells["Anomaly Detection"]["percent"] == 50.0
    assert cells["Defect Analysis"]["percent"] == 0.0
    assert cells["Object Analysis"]["percent"] == 50.0
    assert cells["Average"]["percent"] == pytest.approx(100 / 3)
    assert strict["counted"] == 5
    fixed = json.loads(cli("score", path, "--json").out)
    cells = dict(zip(fixed["columns"], fixed["rows"][0]["cells"], strict=True))
    assert cells["Defect Analysis"]["percent"] == pytest.approx(100 / 3)
    assert cells["Defect Analysis"]["invalid"] == 1
    assert strict["detection"][0]["overkill"] == 0.0
    assert fixed["detection"][0]["miss"] == 100.0
    shown = cli("score", path)
    assert "AD: overkill 0.00 %, miss 100.00 %" in shown.out
    assert "1 invalid and 0 failed of 7 answers count as wrong" in shown.err
    assert "2 of 7 answers are not counted" in cli("score", path, "--rule", "strict-mmad").err


def test_two_knowledge_bases_are_measured_against_each_other(cli: Cli, bench: Bench, tmp_path: Path) -> None:
    """Texts alone, no image; a base against itself differs by nothing."""
    for name in PRODUCTS:
        (tmp_path / "kb").mkdir(exist_ok=True)
        text = (ROOT / "knowledge" / f"{name}.yaml").read_text()
        (tmp_path / "kb" / f"{name}.yaml").write_text(text)
    shutil.copytree(tmp_path / "kb", tmp_path / "same")
    words = ("knowledge", "measure", tmp_path / "kb", "--data", bench.data, "--tokens", 200)
    same = json.loads(cli(*words, "--against", tmp_path / "same", "--json").out)
    assert {column["difference"] for item in same["comparisons"] for column in item["columns"]} == {0.0}
    assert set(same["specific"]) == {"alike", "wrong"}
    specific = [values for by_budget in same["specific"].values() for values in by_budget.values()]
    assert {value["difference"] for values in specific for value in values} == {0.0}
    assert [row["product"] for row in same["sizes"]] == [*sorted(PRODUCTS), "all"]
    published = tmp_path / "published.json"
    published.write_text(
        json.dumps({"MVTec": {name: {"good": "<Normal> A thing."} for name in PRODUCTS}}), encoding="utf-8"
    )
    ran = cli(*words, "--against", published, "--out", tmp_path / "run")
    assert ran.code == 0, ran.err
    assert "this@200 - other@200" in ran.out
    assert "True less wrong product's text, drawn in its dataset, budget 200" in ran.out
    assert "True less wrong product's text, drawn among all, budget 200" in ran.out
    assert (tmp_path / "run" / "outcomes.jsonl").is_file()


def test_the_sample_is_drawn_and_described(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mmad_rag.benchmark import sample

    def small(out: Path, **options: object) -> object:
        return render_sample(out, products=("bottle",), per_defect=1, templates=1, unknown=0, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(sample, "render_sample", small)
    ran = cli("data", "sample", tmp_path / "a")
    assert ran.code == 0
    assert "3 normal and 3 defective images" in " ".join(ran.out.split())
    described = json.loads(cli("data", "sample", tmp_path / "b", "--seed", 5, "--json").out)
    assert described["products"] == 1
    assert cli("data", "sample", tmp_path / "b", "--seed", 5).code == 0
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "mine.txt").write_text("x")
    assert cli("data", "sample", tmp_path / "c").code == 1


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("retrieve", "{tmp}/none.png", "--index", "{index}"), "there is no image at"),
        (
            ("retrieve", "{tmp}/text.png", "--index", "{index}"),
            "text.png cannot be read (it is not an image of a known format); replace the file",
        ),
        (("retrieve", "{nut}", "--index", "{tmp}/none"), "mmad-rag build-index"),
        (("retrieve", "{nut}", "--index", "{index}", "--encoder", "timm:"), "timm:"),
        (("build-index", "{tmp}/empty", "--encoder", "builtin:tiny"), "holds no <product>.yaml file"),
        (("build-index", "{tmp}/none", "--encoder", "builtin:tiny"), "there is no knowledge folder"),
        (("build-index", "{tmp}/bad", "--encoder", "builtin:tiny"), "bad/x.yaml:1: "),
        (
            ("build-index", "{tmp}/new", "--encoder", "builtin:tiny", "--out", "{tmp}/built"),
            "new/gear.yaml:12: visual.aliases.0 holds a placeholder; write the text or remove the field",
        ),
        (("build-index", "knowledge", "--encoder", "nonsense:x"), "nonsense"),
        (("ask", "{nut}", "Q", "--model", "nonsense:x", "--no-knowledge"), "there is no model 'nonsense:x'"),
        (("ask", "{nut}", "Q", "--model", "builtin:first", "--choice", "Yes"), "is not of the form"),
        (("ask", "{nut}", " ", "--model", "builtin:first", "--no-knowledge"), "the question is empty"),
        (
            ("ask", "{nut}", "Q", "--model", "builtin:first", "--choice", "A=Yes.", "--choice", "a=No."),
            "--choice gives the letter A twice",
        ),
        (("ask", "{nut}", "Q", "--model", "openai:gpt-4o", "--no-knowledge"), "OPENAI_API_KEY"),
        (
            ("eval", "--data", "{tmp}/empty", "--model", "builtin:first", "--arms", "none"),
            "mmad.json cannot be read",
        ),
        (("eval", "--data", "{tmp}/bad", "--model", "builtin:first", "--arms", "none"), "is not valid JSON"),
        (
            ("eval", "--data", "{data}", "--model", "builtin:first", "--arms", "magic", "--index", "{index}"),
            "no arm",
        ),
        (
            ("eval", "--data", "{data}", "--model", "builtin:first", "--index", "{tmp}/none"),
            "there is no index",
        ),
        (("score", "{tmp}/none"), "cannot be read"),
        (
            ("score", "{tmp}/answers.json"),
            "answers.json, record 1: the image path 'nut.png' is not of the form",
        ),
        (("score", "{tmp}/empty"), "is not a run folder"),
        (("compare", "{tmp}/empty"), "is not a run folder"),
    ],
)
def test_bad_input_gets_one_message_and_exit_code_one(
    cli: Cli, bench: Bench, tmp_path: Path, words: tuple[str, ...], expected: str
) -> None:
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "x.yaml").write_text("nonsense: true\n")
    (tmp_path / "bad" / "mmad.json").write_text("{")
    (tmp_path / "answers.json").write_text(json.dumps([ANSWERS[0], {**ANSWERS[0], "image": "nut.png"}]))
    new_product("gear", tmp_path / "new", today=dt.date(2026, 1, 31))
    nut = bench.image("DS-MVTec/metal_nut/image/good/000.png")
    places = {"tmp": tmp_path, "index": bench.index, "nut": nut, "data": bench.data}
    ran = cli(*(word.format(**places) for word in words))
    assert ran.code == 1
    assert ran.out == ""
    assert "error: " in ran.err
    assert expected in " ".join(ran.err.split())
    assert "Traceback" not in ran.err
    assert " at 0x" not in ran.err
    assert not (tmp_path / "built").exists()


def test_an_interrupt_is_told_without_a_traceback(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupted(_path: Path) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr("mmad_rag.benchmark.run.reader.read_run", interrupted)
    (tmp_path / "run").mkdir()
    ran = cli("score", tmp_path / "run")
    assert ran.code == 130
    assert ran.err.strip() == "interrupted"
