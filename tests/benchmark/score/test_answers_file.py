"""An answers file is held against its data: nothing unknown, nothing twice, nothing forgotten."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from mmad_rag.benchmark.data.mmad import load_questions
from mmad_rag.benchmark.score.answers_file import AnswerRecord, answers_as_rows
from mmad_rag.errors import DataError
from mmad_rag.records import Outcome, Question
from tests.support.bench import make_benchmark
from tests.support.running import Cli


@pytest.fixture
def questions(tmp_path: Path) -> tuple[Question, ...]:
    return load_questions(make_benchmark(tmp_path / "data")).questions


def record(question: Question, letter: str | None = "A") -> AnswerRecord:
    return AnswerRecord(question.image_path, question.text, question.type, question.answer, letter)


def test_every_question_has_a_row_and_silence_is_a_failure(questions: tuple[Question, ...]) -> None:
    """The file answers three, in another order: rightly, wrongly, and with a letter that is not an option."""
    right = record(questions[2], questions[2].answer)
    wrong = record(questions[0], "B" if questions[0].answer == "A" else "A")
    rows = answers_as_rows([right, wrong, record(questions[3], "E")], questions)
    assert [row.question for row in rows] == [question.id for question in questions]
    assert [row.outcome for row in rows[:4]] == [
        Outcome.WRONG, Outcome.FAILED, Outcome.CORRECT, Outcome.INVALID
    ]  # fmt: skip
    assert {row.outcome for row in rows[4:]} == {Outcome.FAILED}
    assert answers_as_rows([record(questions[0], None)], questions)[0].outcome is Outcome.INVALID


def test_a_question_may_be_kept_with_its_options(questions: tuple[Question, ...]) -> None:
    kept = json.dumps({"text": f"Question: {questions[0].text}\nA: Yes.", "type": "x"})
    rows = answers_as_rows([dataclasses.replace(record(questions[0]), question=kept)], questions)
    assert rows[0].outcome is not Outcome.FAILED


def test_words_that_json_escapes_or_that_hold_one_another(questions: tuple[Question, ...]) -> None:
    """A question in quotes inside an object; two questions of which one begins like the other."""
    quoted = dataclasses.replace(questions[0], text='Is "this" ok')
    longer = dataclasses.replace(questions[1], image_path=quoted.image_path, text='Is "this" ok now')
    for asked in (quoted, longer):
        kept = json.dumps({"text": asked.text, "options": {"A": "Yes."}})
        given = dataclasses.replace(record(asked), question=kept)
        rows = answers_as_rows([given], (quoted, longer))
        assert [row.outcome is Outcome.FAILED for row in rows] == [asked is longer, asked is quoted]


def test_what_does_not_belong_is_refused_by_number(questions: tuple[Question, ...]) -> None:
    good = record(questions[0])
    for bad, message in (
        (dataclasses.replace(good, image="VisA/x/test/bad/9.JPG"), "the data hold no question"),
        (dataclasses.replace(good, question="What?"), "the data hold no question 'What\\?'"),
        (good, "has two answers"),
        (dataclasses.replace(record(questions[1]), correct_answer="E"), "the right answer is 'E' there and"),
    ):
        with pytest.raises(DataError, match=message) as caught:
            answers_as_rows([good, bad], questions, name="a.json")
        assert "a.json, record 1" in str(caught.value)


def test_the_command_counts_what_was_not_answered(
    questions: tuple[Question, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cli = Cli(capsys, monkeypatch)
    half = [dataclasses.asdict(record(question, question.answer)) for question in questions[::2]]
    (tmp_path / "answers.json").write_text(json.dumps(half))
    alone = json.loads(cli("score", tmp_path / "answers.json", "--json").out)
    held = json.loads(cli("score", tmp_path / "answers.json", "--data", tmp_path / "data", "--json").out)
    assert (alone["questions"], held["questions"]) == (18, 36)
    shown = cli("score", tmp_path / "answers.json", "--data", tmp_path / "data")
    assert "0 invalid and 18 failed of 36 answers count as wrong" in shown.err
    refused = cli("score", tmp_path, "--data", tmp_path / "data")
    assert (refused.code, "leave --data out" in refused.err) == (1, True)
