"""The command line: the whole job on real parts, one clear message for bad input, exit codes, JSON."""

from __future__ import annotations

import datetime as dt
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from mmad_rag.benchmark.sample import render_sample
from mmad_rag.index import KnowledgeIndex
from mmad_rag.knowledge.new import new_product
from tests.support.golden_file import check_golden
from tests.support.paths import ROOT
from tests.support.running import Cli
from tests.support.servers.openai_server import OpenAIServer, Request, fails, html, replies
from tests.support.world import World

PRODUCTS = ("bottle", "metal_nut", "capsule", "capsules")
BLOCK = re.compile(r"\A<reference_material>\n.*\n</reference_material>\n\n", re.DOTALL)
QUESTION = "Is there any defect in the object?"


@dataclass(frozen=True)
class Bench:
    """A small sample with its index."""

    data: Path
    index: Path

    def image(self, name: str) -> Path:
        return self.data / name


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory, shipped: KnowledgeIndex) -> Bench:
    """Four drawn products, indexed by builtin:tiny with the shipped knowledge."""
    root = tmp_path_factory.mktemp("bench")
    render_sample(root / "data", products=PRODUCTS, per_defect=1, templates=3, unknown=1)
    index = KnowledgeIndex.build(ROOT / "knowledge", "builtin:tiny", references=root / "data", reuse=shipped)
    index.save(root / "index")
    return Bench(root / "data", root / "index")


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


def test_the_index_is_built_and_described(cli: Cli, world: World, bench: Bench, tmp_path: Path) -> None:
    knowledge = tmp_path / "knowledge"
    knowledge.mkdir()
    for name in (*PRODUCTS, "screw", "tile"):
        shutil.copy(ROOT / "knowledge" / f"{name}.yaml", knowledge)
    build = ("build-index", knowledge, "--encoder", "builtin:tiny")
    ran = cli(*build, "--references", bench.data, "--out", tmp_path / "i")
    assert ran.code == 0
    assert "6 products" in " ".join(ran.out.split())
    assert "12 reference images, by builtin:tiny" in " ".join(ran.out.split())
    assert "no reference image for 2 product(s)" in ran.err
    assert "can never be routed" not in ran.err
    again = cli(*build, "--out", tmp_path / "j", "--json")
    described = json.loads(again.out)
    assert described["counts"]["products"] == 6
    assert described["counts"]["references"] == 0
    assert described["encoder"]["spec"] == "builtin:tiny"
    assert len(described["fingerprint"]) == 64


def test_a_picture_is_routed_and_explained(cli: Cli, bench: Bench) -> None:
    nut = bench.image("DS-MVTec/metal_nut/image/good/000.png")
    ran = cli("retrieve", nut, "--index", bench.index, "--question", "What is the effect of the defect?")
    assert ran.code == 0
    assert ran.out.startswith("product: metal_nut (confidence ")
    assert "margin to the next product" in ran.out
    line = r"metal_nut \+\d\.\d+ text 0\.\d+ \(adds [+-]\d\.\d+\), reference 0\.\d+ \(adds [+-]\d\.\d+\)"
    assert re.search(line, " ".join(ran.out.split()))
    assert "metal_nut/normal/" in ran.out
    found = json.loads(cli("retrieve", nut, "--index", bench.index, "--json").out)
    assert found["knowledge"]["route"]["products"] == ["metal_nut"]
    assert found["knowledge"]["hits"][0]["passage"]["product"] == "metal_nut"


def test_a_picture_of_something_else_is_not_in_the_catalogue(cli: Cli, bench: Bench) -> None:
    stranger = min((bench.data / "unknown").glob("*/*.png"))
    ran = cli("retrieve", stranger, "--index", bench.index)
    assert ran.out.startswith("product: not in the catalogue")
    assert ran.out.rstrip().endswith("knowledge: none is added to the prompt")


def test_a_model_is_asked_with_and_without_knowledge(cli: Cli, bench: Bench) -> None:
    nut = bench.image("DS-MVTec/metal_nut/image/good/000.png")
    words = ("ask", nut, QUESTION, "--index", bench.index, "--choice", "A=Yes.", "--choice", "B=No.")
    ran = cli(*words, "--model", "builtin:scripted/The answer is B.")
    assert ran.code == 0
    assert ran.out.startswith("The answer is B.\nchoice: B\nproduct: metal_nut")
    alone = cli(*words, "--model", "builtin:scripted/I cannot tell.", "--no-knowledge")
    assert alone.out == "I cannot tell.\nchoice: none could be read\n"
    answer = json.loads(cli(*words, "--model", "builtin:scripted/A", "--json", "--reference", nut).out)
    assert answer["choice"] == "A"
    assert answer["reply"]["knowledge"]["route"]["products"] == ["metal_nut"]
    assert (
        cli("ask", nut, "What is it?", "--model", "builtin:scripted/A nut.", "--no-knowledge").out
        == "A nut.\n"
    )


def test_the_two_arms_requests_differ_in_the_knowledge_block_only(
    cli: Cli, bench: Bench, openai_server: OpenAIServer, tmp_path: Path
) -> None:
    openai_server.default = replies("A")
    ran = cli(
        *("eval", "--data", bench.data, "--model", "openai:any", "--base-url", openai_server.url),
        *("--index", bench.index, "--out", tmp_path / "run", "--arms", "none,rag", "--only", "metal_nut"),
        *("--concurrency", 1),
    )
    assert ran.code == 0, ran.err
    pairs = [openai_server.requests[i : i + 2] for i in range(0, len(openai_server.requests), 2)]
    assert len(pairs) > 10
    with_block = 0
    for without, given in pairs:
        plain, shown = texts_and_images(without), texts_and_images(given)
        without_block = [BLOCK.sub("", part) for part in shown]
        with_block += without_block != shown
        assert without_block == plain
        assert sum(part.count("<reference_material>") for part in shown) <= 1
        assert {**without.body, "messages": None} == {**given.body, "messages": None}
    assert with_block > len(pairs) / 2


def texts_and_images(request: Request) -> list[str]:
    """Every text and image of a request, in order."""
    parts: list[str] = []
    for message in request.body["messages"]:
        content = message["content"]
        if isinstance(content, str):
            parts.append(content)
        else:
            parts += [
                part["text"] if part["type"] == "text" else part["image_url"]["url"] for part in content
            ]
    return parts


def test_ask_goes_to_an_openai_compatible_server(cli: Cli, bench: Bench, openai_server: OpenAIServer) -> None:
    openai_server.default = replies("B")
    nut = bench.image("DS-MVTec/metal_nut/image/good/000.png")
    words = ("ask", nut, QUESTION, "--index", bench.index, "--choice", "A=Yes.", "--choice", "B=No.")
    ran = cli(*words, "--model", "openai:any", "--base-url", openai_server.url)
    assert ran.out.startswith("B\nchoice: B\n")
    assert any("<reference_material>" in text for text in openai_server.requests[0].texts())


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [(fails(401), "OPENAI_API_KEY"), (fails(404), "model"), (html(), "OpenAI-compatible")],
)
def test_a_server_that_refuses_stops_the_run_with_one_message(
    cli: Cli, bench: Bench, openai_server: OpenAIServer, tmp_path: Path, behaviour: object, words: str
) -> None:
    openai_server.script(replies("A"), replies("A"))
    openai_server.default = behaviour  # type: ignore[assignment]
    command = (
        *(
            "eval",
            "--data",
            bench.data,
            "--model",
            "openai:any",
            "--base-url",
            openai_server.url,
            "--arms",
            "none",
        ),
        *("--out", tmp_path / "run", "--concurrency", 1, "--only", "bottle"),
    )
    ran = cli(*command)
    assert ran.code == 1
    message = [line for line in ran.err.splitlines() if line.startswith("error: ")]
    assert len(message) == 1
    assert words in " ".join(ran.err.split())
    assert "Traceback" not in ran.err
    kept = (tmp_path / "run" / "outcomes.jsonl").read_text().splitlines()
    assert len(kept) == 2
    openai_server.default = replies("A")
    before = len(openai_server.requests)
    again = cli(*command)
    assert again.code == 0
    assert "2 of " in again.err
    rows = (tmp_path / "run" / "outcomes.jsonl").read_text().splitlines()
    assert len(openai_server.requests) - before == len(rows) - 2


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
    assert {value["difference"] for values in same["specific"].values() for value in values} == {0.0}
    assert [row["product"] for row in same["sizes"]] == [*sorted(PRODUCTS), "all"]
    published = tmp_path / "published.json"
    published.write_text(
        json.dumps({"MVTec": {name: {"good": "<Normal> A thing."} for name in PRODUCTS}}), encoding="utf-8"
    )
    ran = cli(*words, "--against", published, "--out", tmp_path / "run")
    assert ran.code == 0, ran.err
    assert "this@200 - other@200" in ran.out
    assert "True less wrong product's text, budget 200" in ran.out
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
