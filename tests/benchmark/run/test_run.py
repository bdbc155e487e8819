"""A run asks every arm every question once, and keeps what it has."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from mmad_rag.benchmark.data.mmad import Benchmark, TemplateKind, load_questions
from mmad_rag.benchmark.data.selection import select
from mmad_rag.benchmark.run.image_cache import ImageCache
from mmad_rag.benchmark.run.reader import read_run
from mmad_rag.benchmark.run.run_arms import run_arms
from mmad_rag.benchmark.run.settings import RunSettings
from mmad_rag.benchmark.run.worker import RunProgress
from mmad_rag.benchmark.score.rules import Rule
from mmad_rag.benchmark.score.score import score_run
from mmad_rag.errors import DataError, ImageError, SpecError
from mmad_rag.fields import Field
from mmad_rag.images import open_image
from mmad_rag.prompt import prompt_digest
from mmad_rag.reading.parse import PARSER_VERSION
from mmad_rag.records import (
    EncodedImage,
    Hit,
    Knowledge,
    Outcome,
    Passage,
    Prompt,
    Reply,
    Route,
    RouteOutcome,
    Usage,
)
from tests.support.bench import CountingModel, arm_of, rows, run_into, scripted
from tests.support.shared import MMAD, needs_shared

# --- what is asked and kept


def test_every_arm_is_asked_every_question_once(data: Path, tmp_path: Path) -> None:
    first, second = scripted("A", "first"), scripted("B", "second")
    result = run_into(data, tmp_path / "out", [arm_of(first), arm_of(second, "rag")])
    assert (len(first.prompts), len(second.prompts)) == (36, 36)
    assert result.progress == RunProgress(done=72, total=72, kept=0, failed=0)
    run = read_run(tmp_path / "out")
    assert len(run.rows) == 72
    assert run.questions == select(load_questions(data)).questions
    assert (result.folder, result.header) == (run.folder, run.header)


def test_both_arms_are_shown_the_same_prompts(data: Path, tmp_path: Path) -> None:
    first, second = scripted("A", "first"), scripted("B", "second")
    run_into(data, tmp_path / "out", [arm_of(first), arm_of(second, "rag")])
    assert Counter(map(prompt_digest, first.prompts)) == Counter(map(prompt_digest, second.prompts))
    by_pair = {(row.question, row.arm): row.prompt for row in rows(tmp_path / "out")}
    for question in read_run(tmp_path / "out").questions:
        assert by_pair[question.id, "none"] == by_pair[question.id, "rag"] is not None


def test_a_prompt_holds_question_picture_and_choices_and_nothing_else(data: Path, tmp_path: Path) -> None:
    model = scripted("A")
    run_into(data, tmp_path / "out", [arm_of(model)], only="*red_disc/image/bad/000*", concurrency=1)
    question = read_run(tmp_path / "out").questions[0]
    assert model.prompts[0] == Prompt(
        question.text, open_image(data / question.image_path), question.choices, wording="default"
    )


def test_a_run_without_pictures_shows_none_and_asks_every_question(data: Path, tmp_path: Path) -> None:
    for path in (data / "DS-MVTec").rglob("*.png"):
        path.unlink()
    benchmark, model = load_questions(data), scripted("A")
    settings = RunSettings(images=False)
    selection = settings.select(benchmark)
    assert len(selection.questions) == len(benchmark.questions)
    assert selection.missing_images == ()
    result = asyncio.run(run_arms(benchmark, [arm_of(model)], out=tmp_path / "out", settings=settings))
    assert result.progress.done == len(benchmark.questions)
    assert result.header.images is False
    assert {prompt.image for prompt in model.prompts} == {None}
    assert result.progress.failed == 0
    with pytest.raises(DataError, match="a run without images cannot show 2 example images"):
        RunSettings(images=False, shots=2)


def test_outcomes_are_judged(data: Path, tmp_path: Path) -> None:
    """Of a defective image the right answers are A, B, A; the model says A, hesitates, says B."""
    replies = {"object": "A", "classification": "I cannot tell.", "localization": "**B**"}
    model = scripted(lambda prompt: next(text for word, text in replies.items() if word in prompt.question))
    run_into(data, tmp_path / "out", [arm_of(model)], only="*red_disc/image/bad/000*")
    found = [(row.outcome, row.letter, row.reply) for row in rows(tmp_path / "out")]
    assert found == [
        (Outcome.CORRECT, "A", "A"),
        (Outcome.INVALID, None, "I cannot tell."),
        (Outcome.WRONG, "B", "**B**"),
    ]


class FullModel:
    """Replies with everything that a reply can carry."""

    identity = "full"

    async def answer(self, prompt: Prompt) -> Reply:
        passage = Passage("nut/normal/appearance/0", "nut", "normal", Field.APPEARANCE, "Normal", "Round.")
        route = Route(RouteOutcome.PRODUCT, (), ("nut",), 0.75)
        knowledge = Knowledge(route, (Hit(passage, 1.0),), "index-1")
        return Reply("B. \ud83d", "full-1", Usage(100, 2), float("nan"), knowledge)


def test_a_row_holds_reply_usage_route_and_passages(data: Path, tmp_path: Path) -> None:
    """A reply cut in the middle of a character, and a latency that is not a number, can be written too."""
    run_into(data, tmp_path / "out", [arm_of(FullModel())], only="*red_disc/image/bad/000*")
    row = rows(tmp_path / "out")[0]
    assert (row.reply, row.letter, row.model) == ("B. \ufffd", "B", "full-1")
    assert (row.usage, row.latency_s) == (Usage(100, 2), 0.0)
    assert (row.route, row.products, row.confidence) == (RouteOutcome.PRODUCT, ("nut",), 0.75)
    assert (row.passages, row.source) == (("nut/normal/appearance/0",), "index-1")


def test_the_header_says_what_the_run_is(data: Path, tmp_path: Path) -> None:
    (data / "VisA/blue_bar/test/good/001.png").unlink()
    benchmark = load_questions(data)
    header = run_into(data, tmp_path / "out", [arm_of(scripted("A"))], shots=1).header
    assert header.data == str(data)
    assert header.data_sha256 == benchmark.sha256
    assert (header.questions, header.missing_images, header.missing_questions) == (33, 1, 3)
    assert [(arm.name, arm.model) for arm in header.arms] == [("none", "builtin:scripted/test")]
    assert (header.wording, header.shots, header.templates) == ("default", 1, "random")
    assert header.parser_version == PARSER_VERSION


def test_the_arms_of_a_question_are_asked_next_to_each_other(data: Path, tmp_path: Path) -> None:
    order: list[tuple[str, str]] = []

    def said(name: str) -> Callable[[Prompt], str]:
        def reply(prompt: Prompt) -> str:
            order.append((name, prompt_digest(prompt)))
            return "A"

        return reply

    arms = [arm_of(scripted(said(name), name), name) for name in ("none", "rag")]
    run_into(data, tmp_path / "out", arms, concurrency=1)
    assert [name for name, _ in order] == ["none", "rag"] * 36
    assert all(one[1] == two[1] for one, two in zip(order[::2], order[1::2], strict=True))


@pytest.mark.parametrize("concurrency", [1, 5])
def test_concurrency_is_used_and_bounded(data: Path, tmp_path: Path, concurrency: int) -> None:
    model = CountingModel()
    run_into(data, tmp_path / "out", [arm_of(model)], concurrency=concurrency)
    assert model.most == concurrency


def test_progress_is_told_after_every_outcome(data: Path, tmp_path: Path) -> None:
    told: list[RunProgress] = []
    run_into(data, tmp_path / "out", [arm_of(scripted("A"))], progress=told.append)
    assert [progress.done for progress in told] == list(range(1, 37))
    assert {progress.total for progress in told} == {36}


def test_settings_out_of_range_are_refused_before_anything_is_written(data: Path, tmp_path: Path) -> None:
    out, arms = tmp_path / "out", [arm_of(scripted("A"))]
    with pytest.raises(DataError, match="concurrency of 0"):
        run_into(data, out, arms, concurrency=0)
    with pytest.raises(DataError, match="-1 shots"):
        run_into(data, out, arms, shots=-1)
    with pytest.raises(SpecError, match="no wording 'rude'"):
        run_into(data, out, arms, wording="rude")
    with pytest.raises(DataError, match="scaled down to 0 pixels; give 1 or more"):
        run_into(data, out, arms, image_size=0)
    assert not out.exists()


# --- normal examples


def shown_references(data: Path, out: Path, kind: TemplateKind, shots: int) -> set[tuple[str, ...]]:
    model = scripted("A")
    run_into(data, out, [arm_of(model)], only="red_disc", shots=shots, templates=kind)
    return {tuple(picture.digest for picture in prompt.references) for prompt in model.prompts}


def test_shots_are_taken_in_the_order_of_the_list(data: Path, tmp_path: Path) -> None:
    first, second = (
        open_image(data / f"MVTec-AD/red_disc/train/good/{place:03}.png").digest for place in range(2)
    )
    assert shown_references(data, tmp_path / "0", TemplateKind.SIMILAR, 0) == {()}
    assert shown_references(data, tmp_path / "1", TemplateKind.SIMILAR, 1) == {(first,)}
    assert shown_references(data, tmp_path / "2", TemplateKind.RANDOM, 1) == {(second,)}
    assert shown_references(data, tmp_path / "3", TemplateKind.SIMILAR, 8) == {(first, second)}
    assert {row.references for row in rows(tmp_path / "3")} == {2}


def test_a_template_with_the_querys_bytes_is_passed_over(data: Path, tmp_path: Path) -> None:
    template = data / "MVTec-AD/red_disc/train/good/000.png"
    other = open_image(data / "MVTec-AD/red_disc/train/good/001.png").digest
    template.write_bytes((data / "DS-MVTec/red_disc/image/bad/000.png").read_bytes())
    model = scripted("A")
    run_into(
        data, tmp_path / "out", [arm_of(model)],
        only="*red_disc/image/bad/000*", shots=1, templates=TemplateKind.SIMILAR,
    )  # fmt: skip
    assert {tuple(picture.digest for picture in prompt.references) for prompt in model.prompts} == {(other,)}


# --- images that fail


def test_an_unreadable_picture_fails_its_questions_and_no_others(data: Path, tmp_path: Path) -> None:
    (data / "VisA/blue_bar/test/good/001.png").write_bytes(b"no image")
    model = scripted("A")
    result = run_into(data, tmp_path / "out", [arm_of(model)])
    failed = [row for row in rows(tmp_path / "out") if row.outcome is Outcome.FAILED]
    assert result.progress.failed == len(failed) == 3
    assert len(model.prompts) == 33
    assert all("001.png cannot be read" in str(row.error) and row.prompt is None for row in failed)


def test_an_unreadable_template_fails_the_questions_it_is_for(data: Path, tmp_path: Path) -> None:
    (data / "MVTec-AD/blue_bar/train/good/000.png").write_bytes(b"no image")
    result = run_into(data, tmp_path / "out", [arm_of(scripted("A"))], shots=2)
    assert result.progress.failed == 12


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The images that are really opened."""
    from mmad_rag.benchmark.run import image_cache as pictures

    paths: list[Path] = []

    def spy(path: Path) -> EncodedImage:
        paths.append(path)
        return open_image(path)

    monkeypatch.setattr(pictures, "open_image", spy)
    return paths


def test_pictures_are_opened_once_while_they_are_in_use(
    data: Path, tmp_path: Path, opened: list[Path]
) -> None:
    run_into(data, tmp_path / "out", [arm_of(scripted("A")), arm_of(scripted("B"), "rag")])
    assert len(opened) == len(set(opened)) == 12


def test_the_cache_forgets_the_picture_that_was_not_used_longest(data: Path, opened: list[Path]) -> None:
    paths = [data / f"DS-MVTec/red_disc/image/{name}.png" for name in ("bad/000", "bad/001", "good/000")]

    async def use() -> None:
        cache = ImageCache(kept=2)
        for place in (0, 1, 0, 2, 0, 1):
            await cache.open(paths[place])

    asyncio.run(use())
    assert opened == [paths[0], paths[1], paths[2], paths[1]]


def test_the_cache_keeps_an_error(tmp_path: Path) -> None:
    async def use() -> None:
        cache = ImageCache()
        for _ in range(2):
            with pytest.raises(ImageError, match="there is no image"):
                await cache.open(tmp_path / "none.png")

    asyncio.run(use())


# --- real data


@pytest.mark.shared
@needs_shared
def test_a_run_on_real_pictures(tmp_path: Path) -> None:
    benchmark: Benchmark = load_questions(MMAD)
    settings = RunSettings(limit=30, seed=2, shots=1)
    result = asyncio.run(
        run_arms(benchmark, [arm_of(scripted("A"))], out=tmp_path / "out", settings=settings)
    )
    assert result.header.missing_images == 2231
    run = read_run(tmp_path / "out")
    right = sum(question.answer == "A" for question in run.questions)
    assert sum(row.outcome is Outcome.CORRECT for row in run.rows) == right
    table = score_run(run.rows, run.questions, Rule.FIXED, "none")
    assert table.cell("Average", "Average").n == 30
