"""Known errata: recognised by what a copy says, left out by name, never silently."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mmad_rag.benchmark.data.errata import ERRATA, apply_errata, errata_in
from mmad_rag.benchmark.data.mmad import Benchmark, load_questions
from mmad_rag.benchmark.run.reader import read_run
from mmad_rag.errors import DataError
from tests.support.bench import entry, qa
from tests.support.running import Cli
from tests.support.shared import MMAD, needs_shared
from tests.support.world import COLOURS, png

NUT = "pill-good-metal-nut"
BOTTLE = "bottle-broken-large-016"
MISPLACED = "transistor-misplaced"
PILL = "DS-MVTec/pill/image/good"
BROKEN = "DS-MVTec/bottle/image/broken_large"
FREE = "VisA/pcb1/test/bad/000.JPG"


def kind_of(answer: str) -> list[dict[str, Any]]:
    """A talk about what the object is, in which a metal nut is an option whatever the answer."""
    options = {"A": "A metal nut.", "B": "A pill."}
    return [qa("Object Classification", answer, options), qa("Object Details")]


def copy(folder: Path, pills: dict[int, str]) -> Benchmark:
    """A copy of the questions: pills by number with the answer to what they are, and some other images."""
    records = {f"{PILL}/{number:03}.png": kind_of(answer) for number, answer in pills.items()}
    talk = [qa("Anomaly Detection"), qa("Defect Localization")]
    for path in (
        f"{BROKEN}/016.png",
        f"{BROKEN}/017.png",
        "DS-MVTec/transistor/image/misplaced/003.png",
        FREE,
    ):
        records[path] = talk
    (folder / "mmad.json").write_text(json.dumps({path: entry(path, talk) for path, talk in records.items()}))
    return load_questions(folder)


def test_every_erratum_has_its_reason_and_its_source() -> None:
    assert list(ERRATA) == [NUT, BOTTLE, MISPLACED]
    assert all(erratum.reason and erratum.source and name == erratum.name for name, erratum in ERRATA.items())


def test_an_older_copy_loses_all_22_metal_nuts_and_no_pill(tmp_path: Path) -> None:
    old = copy(tmp_path, {number: "A" if number < 22 else "B" for number in range(26)})
    left = apply_errata(old, [NUT])
    assert len(old.questions) - len(left.questions) == 22 * 2
    assert f"{PILL}/021.png" not in left.images
    assert f"{PILL}/022.png" in left.images
    assert set(left.missing_images) == set(left.images)
    assert (left.errata, left.sha256) == ((NUT,), old.sha256)


def test_a_wrong_option_that_names_a_nut_is_no_erratum(tmp_path: Path) -> None:
    new = copy(tmp_path, dict.fromkeys(range(26), "B"))
    assert ERRATA[NUT].questions(new) == ()
    assert apply_errata(new, [NUT]).questions == new.questions


def test_only_the_question_where_the_defect_is_is_left_out(tmp_path: Path) -> None:
    whole = copy(tmp_path, {})
    left = apply_errata(whole, [MISPLACED, BOTTLE])
    gone = {question.id for question in whole.questions} - {question.id for question in left.questions}
    assert gone == {f"{BROKEN}/016.png#1", "DS-MVTec/transistor/image/misplaced/003.png#1"}
    assert left.errata == (BOTTLE, MISPLACED)
    assert apply_errata(apply_errata(whole, [BOTTLE]), [MISPLACED]) == left


def test_what_a_copy_has_is_listed(tmp_path: Path) -> None:
    found = [(erratum.name, len(questions)) for erratum, questions in errata_in(copy(tmp_path, {0: "A"}))]
    assert found == [(NUT, 2), (BOTTLE, 1), (MISPLACED, 1)]


def test_an_unknown_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"no erratum 'pill'; choose one of {NUT}, {BOTTLE}, {MISPLACED}"):
        apply_errata(copy(tmp_path, {}), ["pill"])


def test_errata_that_leave_nothing_are_refused(tmp_path: Path) -> None:
    path = f"{BROKEN}/016.png"
    (tmp_path / "mmad.json").write_text(json.dumps({path: entry(path, [qa("Defect Localization")])}))
    with pytest.raises(DataError, match="concern every question"):
        apply_errata(load_questions(tmp_path), [BOTTLE])
    with pytest.raises(DataError, match=f"the errata {MISPLACED}, {BOTTLE} concern every question"):
        apply_errata(apply_errata(load_questions(tmp_path), [MISPLACED]), [BOTTLE])


@needs_shared
@pytest.mark.shared
def test_the_real_questions_have_ten_doubtful_ones() -> None:
    found = {erratum.name: len(questions) for erratum, questions in errata_in(load_questions(MMAD))}
    assert found == {BOTTLE: 1, MISPLACED: 9}


@pytest.mark.slow
def test_eval_leaves_errata_out_by_name_and_says_so(tmp_path: Path, cli: Cli) -> None:
    copy(tmp_path, {0: "A"})
    for path in json.loads((tmp_path / "mmad.json").read_text()):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(png(COLOURS["red"]))
    words = ("eval", "--data", tmp_path, "--model", "builtin:scripted/A", "--arms", "none", "--out")
    ran = cli(*words, tmp_path / "run", "--errata", BOTTLE, "--errata", NUT)
    assert ran.code == 0
    assert f"erratum {BOTTLE}: 1 of 10 questions left out\n" in ran.err
    assert f"erratum {NUT}: 2 of 9 questions left out\n" in ran.err
    run = read_run(tmp_path / "run")
    assert (run.header.errata, run.header.questions) == ((BOTTLE, NUT), 7)
    ran = cli(*words, tmp_path / "run")
    assert ran.code == 1
    assert "holds a run with another" in ran.err


@pytest.mark.slow
def test_eval_says_when_a_copy_is_free_of_an_erratum(tmp_path: Path, cli: Cli) -> None:
    copy(tmp_path, {0: "B"})
    words = ("eval", "--data", tmp_path, "--model", "builtin:scripted/A", "--arms", "none", "--no-images")
    ran = cli(*words, "--out", tmp_path / "run", "--errata", NUT)
    assert f"erratum {NUT}: 0 of 10 questions left out; this copy does not have it" in ran.err
    assert cli(*words, "--out", tmp_path / "other", "--errata", "nut").code == 1
