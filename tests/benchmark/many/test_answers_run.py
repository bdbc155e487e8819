"""An answers file is a run: its words, options and letters are read whatever form a script wrote."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmad_rag.benchmark import Rule, read_answered, score_answers, score_run
from mmad_rag.benchmark.data.mmad import load_questions
from mmad_rag.benchmark.many.answers_run import NO_TEXTS, has_options
from mmad_rag.benchmark.score.answers_file import read_answers
from mmad_rag.benchmark.score.asked_words import asked_words, letters_among
from mmad_rag.errors import DataError
from mmad_rag.records import Choice, Outcome, Question
from tests.benchmark.many.answers_files import choice_question, record, write_answers
from tests.support.bench import make_benchmark


@pytest.fixture
def questions(tmp_path: Path) -> tuple[Question, ...]:
    return load_questions(make_benchmark(tmp_path / "data", pictures=False)).questions


YES_NO = (Choice("A", "Yes."), Choice("B", "No."))


@pytest.mark.parametrize(
    ("kept", "text", "choices"),
    [
        ("Any defect?", "Any defect?", ()),
        ("Question: Any defect? \nA. Yes.\nB. No.\n", "Any defect?", YES_NO),
        ("Any defect?\nA: Yes.\nB: No.\nAnswer with a letter.", "Any defect?", YES_NO),
        ("Any defect?\n(A) Yes.\n(B) No.", "Any defect?", YES_NO),
        (json.dumps({"text": "Any defect? \nA. Yes.\nB. No.\n", "type": "text"}), "Any defect?", YES_NO),
        (json.dumps({"text": "Any?", "options": {"A": "Yes.", "B": "No."}}), "Any?", YES_NO),
        (json.dumps({"Question": "Any?", "Options": {"A": "Yes.", "B": "No."}}), "Any?", YES_NO),
        (json.dumps({"text": "Any?", "options": {"yes": "Y", "no": "N"}}), "Any?", ()),
        ("The next Question: any?", "The next Question: any?", ()),
        ("One line\nA. alone", "One line\nA. alone", ()),
        ("Which?\nB. b\nC. c", "Which?\nB. b\nC. c", ()),
        ("{not json", "{not json", ()),
        (json.dumps({"text": 5}), json.dumps({"text": 5}), ()),
    ],
)
def test_words_and_options_are_told_apart(kept: str, text: str, choices: tuple[Choice, ...]) -> None:
    found = asked_words(kept)
    assert (found.text, found.choices) == (text, choices)


def test_letters_follow_the_texts() -> None:
    assert letters_among([Choice("A", "no. "), Choice("B", "Yes.")], YES_NO) == {"A": "B", "B": "A"}
    assert letters_among([Choice("A", "Maybe"), Choice("B", "Yes.")], YES_NO) is None
    assert letters_among([], YES_NO) is None
    twice = (Choice("A", "x"), Choice("B", "x"))
    assert letters_among(twice, twice) is None


@pytest.mark.parametrize(("form", "turn"), [("plain", 0), ("sent", 0), ("options", 1), ("sent", 1)])
def test_every_form_gives_the_same_run_with_data(
    questions: tuple[Question, ...], tmp_path: Path, form: str, turn: int
) -> None:
    """Also where the script shuffled the options; the sixth of the 36 answers is not a letter."""
    file = write_answers(tmp_path / "gpt.json", questions, [0, 7], form=form, turn=turn, letters={5: "?"})
    run = read_answered(file, load_questions(tmp_path / "data"))
    outcomes = [row.outcome for row in run.rows]
    assert [place for place, found in enumerate(outcomes) if found is Outcome.WRONG] == [0, 7]
    assert outcomes[5] is Outcome.INVALID
    assert run.rows[7].letter == next(
        c.letter for c in questions[7].choices if c.letter != questions[7].answer
    )
    assert [arm.name for arm in run.header.arms] == ["gpt"]
    assert run.questions == questions
    assert run.answers_file
    assert (run.header.questions, run.header.data) == (36, str(tmp_path / "data"))


@pytest.mark.parametrize("form", ["plain", "sent"])
def test_without_data_the_scores_are_those_of_the_answers(
    questions: tuple[Question, ...], tmp_path: Path, form: str
) -> None:
    file = write_answers(tmp_path / "a.json", questions, [1, 2, 20], form=form, letters={5: ""})
    run = read_answered(file)
    assert has_options(run.questions) is (form == "sent")
    assert (run.questions[0].choices == NO_TEXTS) is (form == "plain")
    table = score_run(run.rows, run.questions, Rule.FIXED, "a")
    direct = score_answers(read_answers(file), Rule.FIXED)
    assert (table.rows, table.columns, table.detection) == (direct.rows, direct.columns, direct.detection)
    assert table.cell("Average", "Average").invalid == 1


def test_what_the_file_leaves_out_has_failed(questions: tuple[Question, ...], tmp_path: Path) -> None:
    file = write_answers(tmp_path / "a.json", questions[:10])
    run = read_answered(str(file), load_questions(tmp_path / "data"))
    assert sum(row.outcome is Outcome.FAILED for row in run.rows) == 26
    assert len(read_answered(file).questions) == 10


def test_other_types_and_a_right_answer_that_is_not_a_letter(tmp_path: Path) -> None:
    asked = choice_question("X/p/test/good/0.png", "Counting", ["one", "two"], "B")
    odd = choice_question("X/p/test/good/1.png", "Reading", ["one", "two"], "none of these")
    file = tmp_path / "a.json"
    file.write_text(json.dumps([record(asked, "B", form="sent"), record(odd, "A", form="sent")]))
    run = read_answered(file)
    assert run.columns.names == ("Counting", "Reading")
    assert [row.outcome for row in run.rows] == [Outcome.CORRECT, Outcome.INVALID]


def test_a_doubled_answer_and_another_path_are_refused_by_number(tmp_path: Path) -> None:
    asked = choice_question("X/p/test/good/0.png", "Counting", ["one", "two"])
    file = tmp_path / "a.json"
    file.write_text(json.dumps([record(asked, "A"), record(asked, "B", form="plain")]))
    with pytest.raises(DataError, match=r"a\.json, records 0, 1: .* has two answers to 'Which one"):
        read_answered(file)
    file.write_text(json.dumps([record(asked, "A") | {"image": "nut.png"}]))
    with pytest.raises(DataError, match=r"a\.json, record 0: the image path 'nut\.png' is not of the form"):
        read_answered(file)


def test_the_same_words_with_other_options_are_two_questions(tmp_path: Path) -> None:
    """Whichever comes first in the file, each answer finds its question by the options."""
    image = "X/p/test/bad/0.png"
    first = choice_question(image, "Counting", ["one", "two"])
    second = choice_question(image, "Counting", ["red", "blue"], "B")
    file = tmp_path / "a.json"
    file.write_text(json.dumps([record(second, "A", form="sent"), record(first, "A", form="sent")]))
    run = read_answered(file)
    assert [row.outcome for row in run.rows] == [Outcome.WRONG, Outcome.CORRECT]
    assert len({question.id for question in run.questions}) == 2
