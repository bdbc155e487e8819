"""The second reading: probabilities of the first token, from the endpoint to the score."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path

import pytest

from mmad_rag.benchmark.analysis.summary import summarise
from mmad_rag.benchmark.data.mmad import load_questions
from mmad_rag.benchmark.run.first_token import letter_probabilities, likeliest
from mmad_rag.benchmark.run.reader import read_run
from mmad_rag.benchmark.run.run_arms import run_arms
from mmad_rag.benchmark.run.settings import RunSettings
from mmad_rag.benchmark.score.first_token_score import SecondReading, second_reading
from mmad_rag.benchmark.score.rules import Rule
from mmad_rag.benchmark.score.score import score_run
from mmad_rag.errors import InputError
from mmad_rag.models.openai.model import OpenAIModel
from mmad_rag.models.openai.response import read_completion
from mmad_rag.models.options import ModelOptions
from mmad_rag.records import Outcome, Prompt, Reply
from tests.support.bench import arm_of, make_benchmark, row
from tests.support.running import Cli
from tests.support.servers.openai_asking import KEY, prompt
from tests.support.servers.openai_server import OpenAIServer, json_body


def test_probabilities_are_summed_over_the_ways_to_write_a_letter() -> None:
    tokens = {"A": 0.25, " A": 0.125, "ĠA": 0.0625, "(B": 0.25, "**B": 0.125, "a": 0.0625, "The": 0.125}
    assert letter_probabilities(tokens, "ABCD") == {"A": 0.4375, "B": 0.375, "C": 0.0, "D": 0.0}


@pytest.mark.parametrize(
    ("probabilities", "letter"),
    [
        ({"A": 0.6, "B": 0.3}, "A"),
        ({"A": 0.25, "B": 0.3}, "B"),
        ({"A": 0.4, "B": 0.4}, None),
        ({"A": 0.3, "B": 0.1}, None),
        ({"A": 0.0, "B": 0.0}, None),
    ],
)
def test_the_likeliest_letter_is_read_where_letters_have_half_the_mass(
    probabilities: dict[str, float], letter: str | None
) -> None:
    assert likeliest(probabilities) == letter


def body(first: object, text: str = "A") -> dict[str, object]:
    message = {"role": "assistant", "content": text}
    return {
        "model": "served",
        "choices": [{"message": message, "logprobs": {"content": first}}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 1},
    }


def at(*alternatives: tuple[str, float]) -> list[dict[str, object]]:
    """One position with these alternatives and their probabilities."""
    top = [{"token": token, "logprob": math.log(p)} for token, p in alternatives]
    return [{"token": alternatives[0][0], "logprob": top[0]["logprob"], "top_logprobs": top}]


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        (at(("B", 0.75), ("A", 0.25)), {"B": 0.75, "A": 0.25}),
        ([{"token": "A", "logprob": 0.0, "top_logprobs": []}], {"A": 1.0}),
        ([{"token": "A", "logprob": 3.0}], {"A": 1.0}),
        ([{"token": "A", "logprob": -9999.0}], {"A": 0.0}),
        ([{"token": "A", "logprob": float("nan")}], None),
        ([{"token": 3, "logprob": -1.0}], None),
        ([{"token": "A", "logprob": "-1"}], None),
        ([], None),
        (None, None),
        ({"token": "A"}, None),
        (["A"], None),
    ],
)
def test_the_first_position_of_a_completion_is_read_without_trusting_its_shape(
    first: object, expected: dict[str, float] | None
) -> None:
    found = read_completion(body(first)).first_token
    assert found == (None if expected is None else pytest.approx(expected))


def test_logprobs_are_asked_for_only_where_wanted(openai_server: OpenAIServer) -> None:
    openai_server.default = json_body(body(at(("B", 0.75), ("A", 0.25)), "B"))
    for count in (None, 5):
        options = ModelOptions(base_url=openai_server.url, api_key=KEY, logprobs=count)
        model = OpenAIModel("m", options)
        reply = asyncio.run(model.answer(prompt()))
        assert reply.first_token == pytest.approx({"B": 0.75, "A": 0.25})
        assert ("logprobs=5" in model.identity) == (count is not None)
    plain, wanted = (request.body for request in openai_server.requests)
    assert "logprobs" not in plain
    assert "top_logprobs" not in plain
    assert (wanted["logprobs"], wanted["top_logprobs"]) == (True, 5)


@pytest.mark.parametrize("count", [0, 21])
def test_a_number_of_alternatives_out_of_range_is_refused(count: int) -> None:
    with pytest.raises(InputError, match=f"logprobs is {count}; give a number from 1 to 20"):
        ModelOptions(logprobs=count)


class Hinting:
    """Says B in words; its first token is A at 0.7 where `sure`, else no letter at all."""

    def __init__(self, *, sure: bool, silent: bool = False) -> None:
        self._tokens = None if silent else {"A": 0.7, "B": 0.2} if sure else {"The": 0.9, "A": 0.1}

    @property
    def identity(self) -> str:
        return "hinting"

    async def answer(self, prompt: Prompt) -> Reply:
        return Reply("B", "hinting", first_token=self._tokens)


def run(tmp_path: Path, *models: Hinting, shuffle: int | None = None) -> Path:
    benchmark = load_questions(make_benchmark(tmp_path / "data"))
    arms = [arm_of(model, name) for model, name in zip(models, ("none", "rag", "oracle"), strict=False)]
    asyncio.run(
        run_arms(benchmark, arms, out=tmp_path / "out", settings=RunSettings(shuffle_options=shuffle))
    )
    return tmp_path / "out"


def test_both_readings_are_scored_side_by_side(tmp_path: Path) -> None:
    """By words all are B, by first tokens A; an arm without probabilities has no second reading."""
    folder = run(tmp_path, Hinting(sure=True), Hinting(sure=False), Hinting(sure=True, silent=True))
    found = {item.arm: item for item in second_reading(read_run(folder))}
    assert set(found) == {"none", "rag"}
    assert isinstance(found["none"], SecondReading)
    none, rag = found["none"], found["rag"]
    assert (none.questions, none.known, none.invalid, none.alike) == (36, 36, 0, 0)
    assert none.by_words == rag.by_words > 0
    assert none.by_first_token == _always(folder, "A")
    assert none.by_words == _always(folder, "B")
    assert (rag.by_first_token, rag.invalid) == (0.0, 36)


def _always(folder: Path, letter: str) -> float:
    """The score of who says one letter, told apart from the run's own rows."""
    run = read_run(folder)
    rows = [row(item, Outcome.CORRECT if item.answer == letter else Outcome.WRONG) for item in run.questions]
    return score_run(rows, run.questions, Rule.FIXED, "none").cell("Average", "Average").percent or 0.0


def test_probabilities_are_kept_by_the_files_letters(tmp_path: Path) -> None:
    folder = run(tmp_path, Hinting(sure=True), shuffle=3)
    known = [item.probabilities or {} for item in read_run(folder).rows]
    letters = {max(found, key=found.__getitem__) for found in known}
    assert len(letters) > 1  # A was shown first, whichever option it was


def test_the_second_reading_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = run(tmp_path, Hinting(sure=True))
    assert summarise(read_run(folder)).second_reading
    shown = Cli(capsys, monkeypatch)("compare", folder)
    assert "Percent right by two readings of each reply" in shown.out
