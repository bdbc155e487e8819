"""The protocol of a run: the order of options and the size of images, the same in every arm."""

from __future__ import annotations

import asyncio
import io
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmad_rag.benchmark.data.draws import own_letter, shown_choices
from mmad_rag.benchmark.data.mmad import load_questions
from mmad_rag.benchmark.run.reader import read_run
from mmad_rag.benchmark.run.records import RUN_VERSION
from mmad_rag.benchmark.run.run_arms import RunResult, run_arms
from mmad_rag.benchmark.run.settings import RunSettings
from mmad_rag.benchmark.score.rules import Rule
from mmad_rag.benchmark.score.score import score_run
from mmad_rag.errors import DataError
from mmad_rag.images import open_image, to_rgb
from mmad_rag.images.encode import scaled_down
from mmad_rag.models.builtin.reader import ReaderModel
from mmad_rag.models.builtin.scripted import ScriptedModel
from mmad_rag.prompt import prompt_digest
from mmad_rag.records import Choice, EncodedImage, MediaType, Outcome, Question
from tests.support.bench import arm_of, make_benchmark, question, scripted

FOUR = tuple(map(Choice, "ABCD", ("one", "two", "three", "four")))


def asked(number: int) -> Question:
    item = question(f"VisA/nut/test/bad/{number}.png")
    return Question(
        item.id, item.image_path, item.text, FOUR, "C", item.type, item.subtask, "VisA", "nut", "bad"
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_benchmark(tmp_path / "data")


def go(
    data: Path, out: Path, *models: ScriptedModel | ReaderModel, shuffle: int | None = None,
    size: int | None = None, shots: int = 0,
) -> RunResult:  # fmt: skip
    benchmark = load_questions(data)
    arms = [arm_of(model, name) for model, name in zip(models, ("none", "rag"), strict=False)]
    running = run_arms(
        benchmark, arms, out=out, settings=RunSettings(shuffle_options=shuffle, image_size=size, shots=shots)
    )
    return asyncio.run(running)


# --- order of options


def test_without_a_seed_the_files_order_is_kept() -> None:
    assert shown_choices(asked(1), None) == FOUR
    assert own_letter(asked(1), None, "D") == "D"


def test_options_are_lettered_anew_and_letters_lead_back() -> None:
    """Every shown letter leads back to the option of the same text."""
    for number in range(20):
        item = asked(number)
        shown = shown_choices(item, 5)
        assert [choice.letter for choice in shown] == list("ABCD")
        assert {choice.text for choice in shown} == {choice.text for choice in FOUR}
        texts = {choice.letter: choice.text for choice in FOUR}
        assert all(texts[own_letter(item, 5, choice.letter)] == choice.text for choice in shown)


def test_every_order_is_as_likely_and_drawn_for_each_question_alone() -> None:
    orders = Counter("".join(choice.text[:2] for choice in shown_choices(asked(n), 7)) for n in range(4800))
    assert len(orders) == 24
    assert 140 < min(orders.values()) < max(orders.values()) < 265  # 200 each, within 4.5 deviations
    assert shown_choices(asked(3), 7) == shown_choices(asked(3), 7)
    assert [shown_choices(asked(n), 7) for n in range(9)] != [shown_choices(asked(n), 8) for n in range(9)]


def test_the_order_of_a_question_is_pinned() -> None:
    """Another order for the same seed would make runs of two versions different experiments."""
    assert [choice.text for choice in shown_choices(asked(0), 1)] == ["two", "four", "one", "three"]


def test_shuffled_options_are_shown_alike_in_every_arm_and_recorded(data: Path, tmp_path: Path) -> None:
    plain, first, second = scripted("A", "p"), scripted("A", "first"), scripted("A", "second")
    go(data, tmp_path / "plain", plain)
    header = go(data, tmp_path / "out", first, second, shuffle=3).header
    assert (header.shuffle_options, header.image_size, header.version) == (3, None, RUN_VERSION)
    digests = [Counter(map(prompt_digest, model.prompts)) for model in (plain, first, second)]
    assert digests[1] == digests[2] != digests[0]


def test_replies_are_judged_by_what_was_shown_and_kept_by_the_files_letters(
    data: Path, tmp_path: Path
) -> None:
    """Who always says A is right where the right option was shown first."""
    go(data, tmp_path / "out", scripted("A"), shuffle=3)
    run = read_run(tmp_path / "out")
    first = {item.id: own_letter(item, 3, "A") for item in run.questions}
    assert {row.question: row.letter for row in run.rows} == first
    assert len(set(first.values())) > 2
    right = {item.id: item.answer for item in run.questions}
    assert all(
        (row.outcome is Outcome.CORRECT) == (first[row.question] == right[row.question]) for row in run.rows
    )
    assert {row.reply for row in run.rows} == {"A"}


def test_a_model_that_reads_the_options_scores_alike_in_any_order(data: Path, tmp_path: Path) -> None:
    """The reader goes by the options' texts, so both rules find the same in every order."""
    tables = []
    for seed in (None, 1, 2):
        go(data, tmp_path / str(seed), ReaderModel(), shuffle=seed)
        run = read_run(tmp_path / str(seed))
        tables.append([score_run(run.rows, run.questions, rule, "none") for rule in Rule])
        assert {row.letter for row in run.rows} <= set("ABCD")
    assert tables[0] == tables[1] == tables[2]


def test_another_order_needs_another_folder(data: Path, tmp_path: Path) -> None:
    go(data, tmp_path / "out", scripted("A"), shuffle=1)
    again = scripted("A")
    result = go(data, tmp_path / "out", again, shuffle=1)
    assert (again.prompts, result.progress.kept) == ([], 36)
    for other in (2, None):
        with pytest.raises(DataError, match=f"another shuffle options: 1 there, {other} now"):
            go(data, tmp_path / "out", scripted("A"), shuffle=other)


# --- size of images


def encoded(image: Image.Image, kind: str) -> EncodedImage:
    buffer = io.BytesIO()
    image.save(buffer, format=kind)
    return open_image(buffer.getvalue())


def gradient(width: int, height: int) -> Image.Image:
    ramp = np.linspace(0, 255, width, dtype=np.uint8)
    return Image.fromarray(np.repeat(np.tile(ramp, (height, 1))[..., None], 3, axis=2))


@pytest.mark.parametrize(
    ("kind", "media_type"),
    [
        ("PNG", MediaType.PNG),
        ("JPEG", MediaType.JPEG),
        ("WEBP", MediaType.WEBP),
        ("GIF", MediaType.PNG),
        ("BMP", MediaType.PNG),
    ],
)
def test_a_picture_is_scaled_down_in_its_own_format(kind: str, media_type: MediaType) -> None:
    picture = encoded(gradient(80, 40), kind)
    small = scaled_down(picture, 20)
    assert (small.width, small.height, small.media_type) == (20, 10, media_type)
    assert (small.digest, small.name) == (picture.digest, picture.name)
    again = open_image(small.data)
    assert (again.width, again.height, again.media_type) == (20, 10, media_type)
    row = np.asarray(to_rgb(small), np.float64)[5, :, 0]
    assert np.abs(row - (np.arange(20) * 4 + 1.5) * 255 / 79).max() < 8


@pytest.mark.parametrize("longest", [80, 81, 5000])
def test_a_picture_is_never_scaled_up(longest: int) -> None:
    picture = encoded(gradient(80, 40), "JPEG")
    assert scaled_down(picture, longest) is picture


def test_no_side_vanishes() -> None:
    small = scaled_down(encoded(gradient(1, 300), "PNG"), 10)
    assert (small.width, small.height) == (1, 10)


def test_every_picture_of_a_run_is_scaled_down_and_the_size_recorded(data: Path, tmp_path: Path) -> None:
    """The tiny world's images have 16 pixels a side."""
    first, second, plain = scripted("A", "first"), scripted("A", "second"), scripted("A", "p")
    header = go(data, tmp_path / "out", first, second, size=4, shots=1).header
    assert header.image_size == 4
    for model in (first, second):
        shown = [item for prompt in model.prompts for item in (prompt.image, *prompt.references)]
        assert len(shown) == 72
        assert {(item.width, item.height) for item in shown if item is not None} == {(4, 4)}
    go(data, tmp_path / "plain", plain, shots=1)
    keys = [{row.key for row in read_run(tmp_path / name).rows} for name in ("out", "plain")]
    assert not keys[0] & keys[1]
    with pytest.raises(DataError, match="another image size: 4 there, 8 now"):
        go(data, tmp_path / "out", first, second, size=8, shots=1)


def test_the_header_on_disk_holds_the_protocol(data: Path, tmp_path: Path) -> None:
    go(data, tmp_path / "out", scripted("A"), shuffle=0, size=9)
    header = json.loads((tmp_path / "out/run.json").read_text())
    assert (header["version"], header["shuffle_options"], header["image_size"]) == (2, 0, 9)
