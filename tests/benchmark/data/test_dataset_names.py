"""`MVTec-AD` counts as `DS-MVTec` wherever a dataset counts, and paths stay as the file has them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmad_rag.benchmark import run_arms, score_run
from mmad_rag.benchmark.audit.choose_hard import choose_hard
from mmad_rag.benchmark.data.dataset_names import counted_path, dataset_of, file_of, spellings
from mmad_rag.benchmark.data.errata import ERRATA
from mmad_rag.benchmark.data.mmad import TemplateKind, load_questions, templates_of
from mmad_rag.benchmark.data.selection import select
from mmad_rag.benchmark.dataset.file_version import FileVersion, version_line, version_of
from mmad_rag.benchmark.dataset.findings import FindingKind
from mmad_rag.benchmark.dataset.verify import verify_data
from mmad_rag.benchmark.run.reader import HEADER_FILE, QUESTIONS_FILE, questions_sha256, read_run
from mmad_rag.benchmark.run.settings import RunSettings
from mmad_rag.benchmark.score.answers_file import AnswerRecord
from mmad_rag.benchmark.score.rules import Rule
from mmad_rag.benchmark.score.score import score_answers
from mmad_rag.benchmark.stats.jackknife import leave_out
from mmad_rag.benchmark.stats.resample import strata_of
from mmad_rag.rag import run_sync
from mmad_rag.report.html.thumbnail import thumbnail
from mmad_rag.retrieval_eval.images import find_images
from tests.support.bench import arm_of, make_benchmark, scripted
from tests.support.running import Cli
from tests.support.shared import MMAD, needs_shared

OLD = "DS-MVTec/red_disc/image/good/"
NEW = "MVTec-AD/red_disc/test/good/"


def renamed(path: str) -> str:
    return path.replace(OLD, NEW)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The tiny world, whose red discs that are good have the other key, and lie there."""
    root = make_benchmark(tmp_path / "data", images=3)
    records: dict[str, Any] = json.loads((root / "mmad.json").read_text())
    (root / "mmad.json").write_text(json.dumps({renamed(path): value for path, value in records.items()}))
    (root / NEW).parent.mkdir(parents=True)
    (root / OLD).rename(root / NEW)
    return root


def move_to_the_sibling(root: Path) -> Path:
    target = root / "DS-MVTec/red_disc/test/good"
    target.parent.mkdir(parents=True)
    (root / NEW).rename(target)
    return target


def test_one_dataset_has_two_first_components() -> None:
    assert dataset_of("MVTec-AD/pill/test/good/000.png") == "DS-MVTec"
    for name in ("MVTec-LOCO", "VisA", "GoodsAD", "DS-MVTec"):
        assert dataset_of(f"{name}/p/test/good/0.png") == name
    assert counted_path("MVTec-AD/pill/test/good/0.png") == "DS-MVTec/pill/test/good/0.png"
    assert spellings("VisA/x/y") == ("VisA/x/y",)
    assert spellings("DS-MVTec/x/y") == ("DS-MVTec/x/y", "MVTec-AD/x/y")


def test_the_path_stays_and_the_dataset_counts(data: Path) -> None:
    benchmark = load_questions(data)
    assert {question.dataset for question in benchmark.questions} == {"DS-MVTec", "VisA"}
    assert sum(question.image_path.startswith(NEW) for question in benchmark.questions) == 9
    assert benchmark.missing_images == ()


def test_datasets_are_strata_of_bootstrap_jackknife_and_the_hard_subset(data: Path) -> None:
    """Renamed keys change none of them."""
    plain = make_benchmark(data.parent / "plain", images=3)
    found, wanted = load_questions(data), load_questions(plain)
    right = np.arange(len(found.questions))[:, None] % 3 == 0
    for one, other in zip(strata_of(found.questions, right), strata_of(wanted.questions, right), strict=True):
        assert (one.dataset, one.side) == (other.dataset, other.side)
        assert np.array_equal(one.counts, other.counts)
    without, others = (leave_out(item.questions, right).averages for item in (found, wanted))
    assert np.array_equal(without, others, equal_nan=True)
    assert len(choose_hard(found, None).questions) == len(choose_hard(wanted, None).questions)
    drawn, same = (select(item, limit=11, seed=2).questions for item in (found, wanted))
    assert [(q.product, q.label, q.type) for q in drawn] == [(q.product, q.label, q.type) for q in same]


def test_only_takes_the_dataset_under_either_name(data: Path) -> None:
    benchmark = load_questions(data)
    assert len(select(benchmark, only="DS-MVTec/*").questions) == 36
    assert len(select(benchmark, only="DS-MVTec/red_disc/*").questions) == 18
    assert len(select(benchmark, only="red_disc").questions) == 18
    assert len(select(benchmark, only=NEW + "*").questions) == 9


def test_files_are_found_under_the_path_or_else_below_the_sibling(data: Path) -> None:
    image = NEW + "000.png"
    assert file_of(data, image) == data / image
    target = move_to_the_sibling(data)
    assert file_of(data, image) == target / "000.png"
    assert load_questions(data).missing_images == ()
    assert thumbnail(data, image).missing is None
    report = verify_data(data)
    assert [finding.kind for finding in report.findings] == [FindingKind.NO_HASHES]
    assert report.unused == ()
    labelled = {item.name: item.product for item in find_images(data, ["red_disc"]).images}
    assert labelled["DS-MVTec/red_disc/test/good/000.png"] == "red_disc"
    assert file_of(data, NEW + "999.png") == data / NEW / "999.png"
    assert file_of(data, "MVTec-AD/" + "x" * 5_000).name == "x" * 5_000


def test_another_folder_of_the_dataset_does_not_stand_in(data: Path) -> None:
    """`DS-MVTec/pill/image/good` shows metal nuts in older copies."""
    (data / NEW).rename(data / OLD)
    assert load_questions(data).missing_images == tuple(NEW + f"{number:03}.png" for number in range(3))


def test_templates_and_masks_lie_below_either_folder(data: Path) -> None:
    image = "DS-MVTec/red_disc/image/bad/000.png"
    (data / "MVTec-AD/red_disc/train").rename(data / "DS-MVTec/red_disc/train")
    benchmark = load_questions(data)
    templates = templates_of(benchmark, image, TemplateKind.SIMILAR)
    assert [path.relative_to(data).parts[0] for path in templates] == ["DS-MVTec"] * 2
    assert benchmark.images[image].mask == "DS-MVTec/red_disc/ground_truth/bad/000.png"
    assert verify_data(data).unused == ()
    records = json.loads((data / "mmad.json").read_text())
    records[NEW + "000.png"]["mask_path"] = "ground_truth/bad/000.png"
    (data / "mmad.json").write_text(json.dumps(records))
    found = load_questions(data)
    assert found.images[NEW + "000.png"].mask == "MVTec-AD/red_disc/ground_truth/bad/000.png"


def test_an_erratum_is_found_under_either_key(data: Path) -> None:
    records = json.loads((data / "mmad.json").read_text())
    talk = [dict(item, type="Defect Localization") for item in records[NEW + "000.png"]["conversation"][:1]]
    for name in ("MVTec-AD", "DS-MVTec"):
        records[f"{name}/transistor/image/misplaced/001.png"] = {"conversation": talk}
    (data / "mmad.json").write_text(json.dumps(records))
    assert len(ERRATA["transistor-misplaced"].questions(load_questions(data))) == 2


def test_a_run_is_written_as_ever_and_read_as_it_counts(data: Path, tmp_path: Path) -> None:
    """Also a run of an earlier version, whose rows say `MVTec-AD`, and the run goes on."""
    move_to_the_sibling(data)
    benchmark = load_questions(data)
    model = arm_of(scripted("A"))

    def run() -> int:
        result = run_sync(run_arms(benchmark, [model], out=tmp_path / "run", settings=RunSettings()))
        return result.progress.kept

    assert run() == 0
    found = read_run(tmp_path / "run")
    assert {question.dataset for question in found.questions} == {"DS-MVTec", "VisA"}
    assert not any(row.outcome.value == "failed" for row in found.rows)
    lines = (tmp_path / "run" / QUESTIONS_FILE).read_text().splitlines()
    assert {json.loads(line)["dataset"] for line in lines} == {"DS-MVTec", "MVTec-AD", "VisA"}
    assert run() == len(benchmark.questions)
    table = score_run(found.rows, found.questions, Rule.FIXED, "none")
    assert [row.name for row in table.rows] == ["DS-MVTec", "VisA", "Average"]
    digest = json.loads((tmp_path / "run" / HEADER_FILE).read_text())["questions_sha256"]
    old = [dataclasses.replace(q, dataset=q.image_path.split("/")[0]) for q in found.questions]
    assert questions_sha256(old) == questions_sha256(found.questions) == digest


def perfect(paths: list[str]) -> list[AnswerRecord]:
    """Every image is asked the types that it has in MMAD, and all is answered rightly."""
    defect = ("Defect Classification", "Defect Localization", "Defect Description", "Defect Analysis")
    objects = ("Object Classification", "Object Structure")
    return [
        AnswerRecord(path, f"{kind}?", kind, "A", "A")
        for path in paths
        for kind in ("Anomaly Detection", *(objects if "good" in path else defect))
    ]


def test_strict_mmad_says_both_and_only_where_they_differ() -> None:
    """By hand: the extra row has 50 for detection, 0 for four defect columns and 100 for two object columns:
    250 / 7; beside two rows of 100 that is an average of 78.57."""
    paths = [*("DS-MVTec/pill/image/bad/0.png", "DS-MVTec/nut/image/good/0.png"),
             *("VisA/pcb1/test/bad/0.JPG", "VisA/pcb1/test/good/0.JPG")]  # fmt: skip
    records = perfect(paths)
    assert score_answers(records, Rule.STRICT_MMAD).comparable is None
    records += perfect(["MVTec-AD/pill/test/good/000.png"])
    table = score_answers(records, Rule.STRICT_MMAD)
    assert [row.name for row in table.rows] == ["DS-MVTec", "VisA", "MVTec-AD", "Average"]
    assert table.cell("MVTec-AD", "Average").percent == pytest.approx(250 / 7)
    assert table.cell("Average", "Average").percent == pytest.approx(78.57, abs=0.005)
    assert table.comparable is not None
    assert [row.name for row in table.comparable.rows] == ["DS-MVTec", "VisA", "Average"]
    assert table.comparable.cell("Average", "Average").percent == 100.0
    assert (table.comparable.questions, table.comparable.counted) == (table.questions, table.counted)
    fixed = score_answers(records, Rule.FIXED)
    assert [row.name for row in fixed.rows] == ["DS-MVTec", "VisA", "Average"]
    assert fixed.comparable is None
    alone = score_answers(perfect(["MVTec-AD/pill/test/good/000.png"]), Rule.STRICT_MMAD)
    assert alone.comparable is None


def test_the_command_prints_both(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cli = Cli(capsys, monkeypatch)
    paths = ["DS-MVTec/pill/image/bad/0.png", "MVTec-AD/pill/test/good/000.png"]
    file = tmp_path / "answers.json"
    file.write_text(json.dumps([dataclasses.asdict(record) for record in perfect(paths)]))
    shown = cli("score", file, "--rule", "strict-mmad")
    assert "rule strict-mmad, as the official script reads this file: 8 of 8" in shown.out
    assert "rule strict-mmad, comparable with published tables: 8 of 8" in shown.out
    assert "counts MVTec-AD apart from DS-MVTec" in " ".join(shown.err.split())
    told = json.loads(cli("score", file, "--rule", "strict-mmad", "--json").out)
    assert (len(told["rows"]), len(told["comparable"]["rows"])) == (3, 2)
    once = cli("score", file)
    assert "as the official script" not in once.out + once.err


@needs_shared
@pytest.mark.slow
def test_perfect_answers_on_the_real_questions_with_the_keys_of_the_newer_file() -> None:
    pill = "DS-MVTec/pill/image/good"
    records = [
        AnswerRecord(
            q.image_path.replace(pill, "MVTec-AD/pill/test/good"), q.text, q.type, q.answer, q.answer
        )
        for q in load_questions(MMAD).questions
    ]
    assert len({record.image for record in records if record.image.startswith("MVTec-AD")}) == 26
    table = score_answers(records, Rule.STRICT_MMAD)
    assert table.comparable is not None
    averages = [found.cell("Average", "Average").percent for found in (table, table.comparable)]
    assert averages == pytest.approx([78.57, 100.0], abs=0.005)
    assert score_answers(records, Rule.FIXED).cell("Average", "Average").percent == 100.0


def test_the_version_of_a_question_file_is_named(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By counts and keys; the counts are made up of copies of one question."""
    benchmark = load_questions(data)
    for size, keyed, version in (
        (39_672, False, FileVersion.PUBLISHED),
        (39_670, True, FileVersion.REVISED),
        (39_670, False, FileVersion.OTHER),
        (39_672, True, FileVersion.OTHER),
        (36, False, FileVersion.OTHER),
    ):
        images = {
            path: image
            for path, image in benchmark.images.items()
            if keyed or not path.startswith("MVTec-AD")
        }
        made = dataclasses.replace(benchmark, questions=benchmark.questions[:1] * size, images=images)
        assert version_of(made) is version, (size, keyed)
        assert f"{size:,} questions; images by key: " in version_line(made)
    cli = Cli(capsys, monkeypatch)
    shown = cli("data", "verify", data, "--fast")
    assert "neither version of MMAD's mmad.json in circulation" in shown.out
    assert "MVTec-AD counts as DS-MVTec" in " ".join(shown.out.split())
    assert json.loads(cli("data", "verify", data, "--fast", "--json").out)["version"] == "other"
