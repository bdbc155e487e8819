"""Models are compared on the same questions, pair by pair as `compare` does it, Holm over all pairs."""

from __future__ import annotations

import dataclasses
import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from mmad_rag.benchmark import OutcomeRow, Run, compare_arms, compare_models, same_questions
from mmad_rag.benchmark.data.mmad import load_questions
from mmad_rag.benchmark.many.matrix import enough_draws, summarise_models
from mmad_rag.benchmark.run.records import ArmHeader
from mmad_rag.benchmark.stats.verdict import Verdict
from mmad_rag.errors import DataError
from mmad_rag.records import Outcome, Question
from mmad_rag.report.tables.models import matrix_notes, matrix_tables, models_table
from tests.benchmark.analysis.test_summary import HEADER
from tests.benchmark.many.answers_files import choice_question, write_answers
from tests.support.bench import make_benchmark, row


@pytest.fixture
def questions(tmp_path: Path) -> tuple[Question, ...]:
    return load_questions(make_benchmark(tmp_path / "data", images=6, pictures=False)).questions


def files(root: Path, questions: tuple[Question, ...], shares: dict[str, float]) -> list[Path]:
    """Files that are wrong at random places, in all the forms that scripts write."""
    rng = np.random.default_rng(5)
    forms = [("plain", 0), ("sent", 0), ("options", 1), ("sent", 1)]
    return [
        write_answers(
            root / f"{name}.json", questions, np.flatnonzero(rng.random(len(questions)) < share).tolist(),
            form=forms[number % 4][0], turn=forms[number % 4][1],
        )
        for number, (name, share) in enumerate(shares.items())
    ]  # fmt: skip


def as_run(root: Path, name: str, questions: tuple[Question, ...], rows: tuple[OutcomeRow, ...]) -> Run:
    arms = tuple(ArmHeader(arm, arm, "m", None) for arm in dict.fromkeys(item.arm for item in rows))
    header = dataclasses.replace(HEADER, arms=arms, questions=len(questions))
    return Run(root / name, header, questions, rows)


def test_a_pair_is_what_compare_says(questions: tuple[Question, ...], tmp_path: Path) -> None:
    """Two models: every number; of three, all but the adjusted ones."""
    paths = files(tmp_path, questions, {"a": 0.5, "b": 0.2, "c": 0.4})
    same = same_questions(paths, data=tmp_path / "data")
    two = compare_models(paths[:2], data=tmp_path / "data", replicates=100, seed=3)
    wanted = compare_arms(same.run.rows, questions, "a", "b", replicates=100, seed=3)
    assert two.pair("a", "b") == wanted
    three = compare_models(same, replicates=100, seed=3)
    assert [(pair.baseline.arm, pair.arm.arm) for pair in three.pairs] == list(combinations("abc", 2))
    for found, plain in zip(three.pair("a", "b").columns, wanted.columns, strict=True):
        assert (found.difference, found.low, found.high, found.p_value) == (
            plain.difference, plain.low, plain.high, plain.p_value,
        )  # fmt: skip
        assert (found.wrong_to_right, found.right_to_wrong) == (plain.wrong_to_right, plain.right_to_wrong)
    assert [rates.arm for rates in three.rates] == [score.arm for score in three.models] == ["a", "b", "c"]


def test_runs_give_the_numbers_that_their_files_give(questions: tuple[Question, ...], tmp_path: Path) -> None:
    paths = files(tmp_path, questions, {"a": 0.5, "b": 0.2})
    same = same_questions(paths, data=tmp_path / "data")
    runs = [
        as_run(
            tmp_path, name, questions,
            tuple(dataclasses.replace(item, arm="none") for item in same.run.rows if item.arm == name),
        )
        for name in "ab"
    ]  # fmt: skip
    by_files = compare_models(paths, data=tmp_path / "data", replicates=60)
    assert compare_models(runs, replicates=60).pairs == by_files.pairs
    assert compare_models([runs[0], paths[1]], replicates=60).pairs == by_files.pairs


def test_holm_goes_over_all_pairs(questions: tuple[Question, ...], tmp_path: Path) -> None:
    paths = files(tmp_path, questions, {"a": 0.5, "b": 0.1, "c": 0.4, "d": 0.3})
    found = compare_models(paths, data=tmp_path / "data", replicates=80)
    assert len(found.pairs) == 6
    averages = [pair.columns[-1] for pair in found.pairs]
    raw = [item.p_value for item in averages]
    assert [item.adjusted_p for item in averages] == pytest.approx(
        multipletests(raw, method="holm")[1].tolist()
    )
    cells = [item for pair in found.pairs for item in pair.columns[:-1]]
    wanted = multipletests([item.p_value for item in cells], method="holm")[1].tolist()
    assert [item.adjusted_p for item in cells] == pytest.approx(wanted)
    new = [item.new_products for item in averages]
    known = [item for item in new if item is not None]
    wanted = multipletests([item.p_value for item in known], method="holm")[1].tolist() if known else []
    assert [item.adjusted_p for item in known] == pytest.approx(wanted)


def hand(number: int) -> Question:
    label = "good" if number % 2 else "bad"
    return choice_question(f"X/p{number % 3}/test/{label}/{number}.png", "Counting", ["one", "two"])


def test_the_matrix_by_hand(tmp_path: Path) -> None:
    """Ten questions of one type: 8, 6 and 5 right of ten; an unreadable answer is wrong."""
    asked = [hand(number) for number in range(10)]
    paths = [
        write_answers(tmp_path / "x.json", asked, [0, 1]),
        write_answers(tmp_path / "y.json", asked, [0, 1, 2], letters={3: ""}),
        write_answers(tmp_path / "z.json", asked, [5, 6, 7, 8, 9]),
    ]
    found = compare_models(paths, replicates=50)
    assert [score.columns[-1].value for score in found.models] == pytest.approx([80, 60, 50])
    assert [pair.columns[-1].difference for pair in found.pairs] == pytest.approx([-20, -30, -10])
    assert [(pair.columns[-1].wrong_to_right, pair.columns[-1].right_to_wrong) for pair in found.pairs] == [
        (0, 2), (2, 5), (4, 5),
    ]  # fmt: skip
    assert [(rates.invalid, rates.failed) for rates in found.rates] == [(0, 0), (1, 0), (0, 0)]
    here, new = matrix_tables(found)
    assert [[cell.text.split()[0] for cell in line.cells] for line in here.rows] == [
        ["-", "+20.0", "+30.0"], ["-20.0", "-", "+10.0"], ["-30.0", "-10.0", "-"],
    ]  # fmt: skip
    signs = {">": "<", "<": ">"}
    for table in (here, new):
        for one, other in combinations(range(3), 2):
            ends = [table.rows[a].cells[b].intervals for a, b in ((one, other), (other, one))]
            assert [float(i.low) for i in ends[0]] == [-float(i.high) for i in ends[1]]
            mine, others = (table.rows[a].cells[b].text[-1] for a, b in ((one, other), (other, one)))
            assert others == signs.get(mine, mine)
    assert models_table(found).rows[1].cells[-2].text == "1"
    with pytest.raises(DataError, match="no pair 'y', 'x', in this order"):
        found.pair("y", "x")


def test_only_what_all_answer_is_compared_and_the_rest_is_told(tmp_path: Path) -> None:
    asked = [hand(number) for number in range(10)]
    a = write_answers(tmp_path / "a.json", asked[:8], [0])
    b = write_answers(tmp_path / "b.json", asked[2:], [9 - 2])
    same = same_questions([a, b])
    assert [question.image_path for question in same.run.questions] == [
        item.image_path for item in asked[2:8]
    ]
    assert [(s.name, s.asked, s.left_out, s.another_answer, s.unanswered) for s in same.sources] == [
        ("a", 8, 2, 0, 0), ("b", 8, 2, 0, 0),
    ]  # fmt: skip
    assert next(iter(same.left_out)) == "a: 6 questions are compared, 2 of its 8 are left out"
    assert [score.columns[-1].value for score in compare_models(same, replicates=20).models] == [100.0, 100.0]


def test_with_data_what_is_left_out_counts_as_wrong(questions: tuple[Question, ...], tmp_path: Path) -> None:
    a = write_answers(tmp_path / "a.json", questions)
    b = write_answers(tmp_path / "b.json", questions[: len(questions) // 2])
    same = same_questions([a, b], data=tmp_path / "data")
    assert len(same.run.questions) == len(questions)
    assert [(s.asked, s.left_out, s.unanswered) for s in same.sources] == [
        (len(questions), 0, 0), (len(questions) // 2, 0, len(questions) // 2),
    ]  # fmt: skip
    found = compare_models(same, replicates=20)
    assert found.rates[1].failed == len(questions) // 2
    told = ", ".join(
        (f"b: {len(questions)} questions are compared", f"{len(questions) // 2} are not answered")
    )
    assert list(same.left_out) == [f"{told} and count as wrong"]


def test_with_data_what_a_run_did_not_ask_counts_as_wrong(
    questions: tuple[Question, ...], tmp_path: Path
) -> None:
    part = questions[:20]
    run = as_run(tmp_path, "mine", part, tuple(row(item) for item in part))
    file = write_answers(tmp_path / "a.json", questions)
    same = same_questions([run, file], data=tmp_path / "data")
    assert next((s.asked, s.left_out, s.unanswered) for s in same.sources) == (20, 0, len(questions) - 20)
    assert compare_models(same, replicates=20).rates[0].failed == len(questions) - 20


def test_a_difference_that_is_certain_is_seen_from_both_sides(tmp_path: Path) -> None:
    """All right, all wrong, and all right again: > and <, and alike only where the data suffice for it."""
    asked = [hand(number) for number in range(400)]
    paths = [
        write_answers(tmp_path / "x.json", asked),
        write_answers(tmp_path / "y.json", asked, range(400)),
        write_answers(tmp_path / "z.json", asked),
    ]
    found = compare_models(paths)
    here, _ = matrix_tables(found)
    assert [[cell.text[-1] for cell in line.cells] for line in here.rows] == [
        ["-", ">", "="], ["<", "-", "<"], ["=", ">", "-"],
    ]  # fmt: skip


def test_equivalence_is_adjusted_over_the_pairs(tmp_path: Path) -> None:
    """Whatever the margin; with some margins a pair that is alike on its own is not alike among three."""
    asked = [hand(number) for number in range(400)]
    paths = [
        write_answers(tmp_path / f"{name}.json", asked, range(start, start + 20))
        for name, start in (("a", 0), ("b", 6), ("c", 12))
    ]
    same = same_questions(paths)
    stricter = 0
    for margin in np.arange(1.0, 4.0, 0.25).tolist():
        found = compare_models(same, replicates=200, margin=margin)
        raw = [pair.columns[-1].equivalence_p for pair in found.pairs]
        known = [1.0 if value is None else value for value in raw]
        adjusted = multipletests([value for value in raw if value is not None] or [1.0], method="holm")[1]
        places = iter(adjusted.tolist())
        judged = [False if value is None else next(places) < 0.05 for value in raw]
        assert [pair.columns[-1].verdict is Verdict.NO_DIFFERENCE for pair in found.pairs] == judged
        stricter += judged != [value < 0.05 for value in known]
    assert stricter


def test_the_draws_suffice_for_a_verdict_over_many_pairs(tmp_path: Path) -> None:
    """Nine models of which one is always wrong: 36 pairs, and 2,000 draws are just too few."""
    asked = [hand(number) for number in range(30)]
    paths = [
        write_answers(tmp_path / f"{number}.json", asked, range(30) if number == 8 else ())
        for number in range(9)
    ]
    same = same_questions(paths)
    few = compare_models(same, replicates=1_000)
    assert few.pairs[7].columns[-1].verdict is Verdict.UNDECIDED
    assert "give --replicates 2880 or more" in " ".join(matrix_notes(few))
    enough = compare_models(same, replicates=2_880)
    assert enough.pairs[7].columns[-1].difference == -100
    assert "draws are too few" not in " ".join(matrix_notes(enough))
    assert enough_draws(9, 1) == 2_880


def test_every_arm_of_a_run_is_a_model_unless_one_is_chosen(
    questions: tuple[Question, ...], tmp_path: Path
) -> None:
    rows = tuple(row(item, Outcome.CORRECT, arm) for arm in ("none", "rag") for item in questions)
    run = as_run(tmp_path, "mine", questions, rows)
    file = write_answers(tmp_path / "a.json", questions, [0], form="sent")
    assert same_questions([run, file]).models == ("mine:none", "mine:rag", "a")
    pair = compare_models([run], replicates=20).pairs[0]
    assert pair.columns == compare_arms(rows, questions, "none", "rag", replicates=20).columns
    same = same_questions([run, file], arms=["rag"])
    assert same.models == ("mine", "a")
    with pytest.raises(DataError, match="has no arm 'oracle'; it has none, rag"):
        same_questions([run, file], arms=["oracle"])
    summary = summarise_models(same, baseline="a", replicates=20)
    assert [(item.baseline.arm, item.arm.arm) for item in summary.comparisons] == [("a", "mine")]
    assert summarise_models(same, replicates=20).comparisons[0].baseline.arm == "mine"
    with pytest.raises(DataError, match="no model 'x' to compare with; there are mine, a"):
        summarise_models(same, baseline="x")


def test_runs_that_were_asked_in_other_ways_are_refused(
    questions: tuple[Question, ...], tmp_path: Path
) -> None:
    rows = tuple(row(item) for item in questions)
    first, second = (as_run(tmp_path, name, questions, rows) for name in ("a", "b"))
    second = dataclasses.replace(second, header=dataclasses.replace(second.header, shots=3))
    with pytest.raises(DataError, match="differ in shots: 0 and 3"):
        same_questions([first, second])
    part = questions[:20]
    second = as_run(tmp_path, "b", part, tuple(row(item) for item in part))
    assert len(same_questions([first, second]).run.questions) == 20


def test_sources_that_cannot_be_put_together_are_refused_with_a_reason(tmp_path: Path) -> None:
    asked = [hand(number) for number in range(10)]
    a = write_answers(tmp_path / "a.json", asked)
    others = [dataclasses.replace(item, text="How many?") for item in asked]
    b = write_answers(tmp_path / "b.json", others)
    with pytest.raises(DataError, match=r"no question is in all of a, b: a asks e\.g\. 'Which one\?' about"):
        same_questions([a, b])
    with pytest.raises(DataError, match=r"a\.json is given twice"):
        same_questions([a, a])
    with pytest.raises(DataError, match="nothing to compare; give runs or answers files"):
        same_questions([])
    with pytest.raises(DataError, match="two models or more, and there is only a; give another"):
        compare_models([a])
    with pytest.raises(DataError, match="a alone has nothing to be compared with"):
        summarise_models(same_questions([a]))
    (tmp_path / "c.json").write_text("{}")
    with pytest.raises(DataError, match=r"c\.json: expected a list"):
        same_questions([a, tmp_path / "c.json"])


def test_letters_without_texts_that_differ_are_left_out_or_refused(tmp_path: Path) -> None:
    """One of ten: an answer key was mended. All of them: a script has shuffled, and nothing tells how."""
    asked = [hand(number) for number in range(20)]
    a = write_answers(tmp_path / "a.json", asked)
    mended = [dataclasses.replace(item, answer="B") for item in asked[:2]] + asked[2:]
    b = write_answers(tmp_path / "b.json", mended)
    same = same_questions([a, b])
    assert [(s.left_out, s.another_answer) for s in same.sources] == [(2, 0), (2, 2)]
    assert "2 of them because another source names another right answer" in list(same.left_out)[1]
    c = write_answers(tmp_path / "c.json", asked, form="options", turn=1)
    with pytest.raises(DataError, match="names another right answer to 20 of the 20 questions"):
        same_questions([a, c])
    d = write_answers(tmp_path / "d.json", asked, [3], form="sent")
    same = same_questions([c, d])
    assert [len(same.run.questions), *(s.another_answer for s in same.sources)] == [20, 0, 0]
    chosen = {item.arm: item.letter for item in same.run.rows if item.question == same.run.questions[3].id}
    assert chosen["c"] == same.run.questions[3].answer != chosen["d"]


def test_an_answers_file_of_other_data_is_refused_by_number(
    questions: tuple[Question, ...], tmp_path: Path
) -> None:
    a = write_answers(tmp_path / "a.json", questions)
    b = write_answers(tmp_path / "b.json", [hand(0)])
    with pytest.raises(DataError, match=r"b\.json, record 0: the data hold no question 'Which one\?'"):
        compare_models([a, b], data=tmp_path / "data")


def test_images_under_the_datasets_other_folder_are_the_same(tmp_path: Path) -> None:
    asked = [
        choice_question(f"MVTec-AD/pill/test/good/{number}.png", "Counting", ["one", "two"])
        for number in range(4)
    ]
    a = write_answers(tmp_path / "a.json", asked)
    b = write_answers(tmp_path / "b.json", asked)
    b.write_text(json.dumps(json.loads(b.read_text().replace("MVTec-AD", "DS-MVTec"))))
    assert len(same_questions([a, b]).run.questions) == 4
