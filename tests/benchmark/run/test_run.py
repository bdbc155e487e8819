"""A run asks every arm every question once, keeps what it has, and survives errors and kills."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from mmad_rag.benchmark.data.mmad import Benchmark, TemplateKind, load_questions
from mmad_rag.benchmark.data.selection import select
from mmad_rag.benchmark.run.arms import Arm
from mmad_rag.benchmark.run.image_cache import ImageCache
from mmad_rag.benchmark.run.reader import read_run
from mmad_rag.benchmark.run.records import OutcomeRow
from mmad_rag.benchmark.run.run_arms import RunResult, run_arms
from mmad_rag.benchmark.run.settings import RunSettings
from mmad_rag.benchmark.run.worker import RunProgress
from mmad_rag.benchmark.score.rules import Rule
from mmad_rag.benchmark.score.score import score_run
from mmad_rag.errors import DataError, ImageError, ModelActionError, ModelRetryError, SpecError
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
from tests.benchmark.run import killed_run
from tests.support.bench import arm_of, make_benchmark, scripted
from tests.support.shared import MMAD, needs_shared
from tests.support.waiting import wait_for, wait_for_async
from tests.support.warm import Warm
from tests.support.world import COLOURS, png


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_benchmark(tmp_path / "data")


def go(
    data: Path,
    out: Path,
    arms: Sequence[Arm],
    *,
    only: str | Sequence[str] = (),
    concurrency: int = 3,
    shots: int = 0,
    wording: str = "default",
    templates: TemplateKind = TemplateKind.RANDOM,
    shuffle_options: int | None = None,
    image_size: int | None = None,
    progress: Callable[[RunProgress], None] | None = None,
) -> RunResult:
    benchmark = load_questions(data)
    return asyncio.run(
        run_arms(
            benchmark,
            arms,
            out=out,
            settings=RunSettings(
                only=only,
                wording=wording,
                shots=shots,
                templates=templates,
                shuffle_options=shuffle_options,
                image_size=image_size,
            ),
            concurrency=concurrency,
            progress=progress,
        )
    )


def rows(out: Path) -> tuple[OutcomeRow, ...]:
    return read_run(out).rows


# --- what is asked and kept


def test_every_arm_is_asked_every_question_once(data: Path, tmp_path: Path) -> None:
    first, second = scripted("A", "first"), scripted("B", "second")
    result = go(data, tmp_path / "out", [arm_of(first), arm_of(second, "rag")])
    assert (len(first.prompts), len(second.prompts)) == (36, 36)
    assert result.progress == RunProgress(done=72, total=72, kept=0, failed=0)
    run = read_run(tmp_path / "out")
    assert len(run.rows) == 72
    assert run.questions == select(load_questions(data)).questions
    assert (result.folder, result.header) == (run.folder, run.header)


def test_both_arms_are_shown_the_same_prompts(data: Path, tmp_path: Path) -> None:
    first, second = scripted("A", "first"), scripted("B", "second")
    go(data, tmp_path / "out", [arm_of(first), arm_of(second, "rag")])
    assert Counter(map(prompt_digest, first.prompts)) == Counter(map(prompt_digest, second.prompts))
    by_pair = {(row.question, row.arm): row.prompt for row in rows(tmp_path / "out")}
    for question in read_run(tmp_path / "out").questions:
        assert by_pair[question.id, "none"] == by_pair[question.id, "rag"] is not None


def test_a_prompt_holds_question_picture_and_choices_and_nothing_else(data: Path, tmp_path: Path) -> None:
    model = scripted("A")
    go(data, tmp_path / "out", [arm_of(model)], only="*red_disc/image/bad/000*", concurrency=1)
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
    go(data, tmp_path / "out", [arm_of(model)], only="*red_disc/image/bad/000*")
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
    go(data, tmp_path / "out", [arm_of(FullModel())], only="*red_disc/image/bad/000*")
    row = rows(tmp_path / "out")[0]
    assert (row.reply, row.letter, row.model) == ("B. \ufffd", "B", "full-1")
    assert (row.usage, row.latency_s) == (Usage(100, 2), 0.0)
    assert (row.route, row.products, row.confidence) == (RouteOutcome.PRODUCT, ("nut",), 0.75)
    assert (row.passages, row.source) == (("nut/normal/appearance/0",), "index-1")


def test_the_header_says_what_the_run_is(data: Path, tmp_path: Path) -> None:
    (data / "VisA/blue_bar/test/good/001.png").unlink()
    benchmark = load_questions(data)
    header = go(data, tmp_path / "out", [arm_of(scripted("A"))], shots=1).header
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
    go(data, tmp_path / "out", arms, concurrency=1)
    assert [name for name, _ in order] == ["none", "rag"] * 36
    assert all(one[1] == two[1] for one, two in zip(order[::2], order[1::2], strict=True))


class CountingModel:
    """Counts how many prompts are under way together."""

    identity = "counting"

    def __init__(self) -> None:
        self.now = 0
        self.most = 0

    async def answer(self, prompt: Prompt) -> Reply:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.002)
        self.now -= 1
        return Reply("A", "counting")


@pytest.mark.parametrize("concurrency", [1, 5])
def test_concurrency_is_used_and_bounded(data: Path, tmp_path: Path, concurrency: int) -> None:
    model = CountingModel()
    go(data, tmp_path / "out", [arm_of(model)], concurrency=concurrency)
    assert model.most == concurrency


def test_progress_is_told_after_every_outcome(data: Path, tmp_path: Path) -> None:
    told: list[RunProgress] = []
    go(data, tmp_path / "out", [arm_of(scripted("A"))], progress=told.append)
    assert [progress.done for progress in told] == list(range(1, 37))
    assert {progress.total for progress in told} == {36}


def test_settings_out_of_range_are_refused_before_anything_is_written(data: Path, tmp_path: Path) -> None:
    out, arms = tmp_path / "out", [arm_of(scripted("A"))]
    with pytest.raises(DataError, match="concurrency of 0"):
        go(data, out, arms, concurrency=0)
    with pytest.raises(DataError, match="-1 shots"):
        go(data, out, arms, shots=-1)
    with pytest.raises(SpecError, match="no wording 'rude'"):
        go(data, out, arms, wording="rude")
    with pytest.raises(DataError, match="scaled down to 0 pixels; give 1 or more"):
        go(data, out, arms, image_size=0)
    assert not out.exists()


# --- normal examples


def shown_references(data: Path, out: Path, kind: TemplateKind, shots: int) -> set[tuple[str, ...]]:
    model = scripted("A")
    go(data, out, [arm_of(model)], only="red_disc", shots=shots, templates=kind)
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
    go(
        data, tmp_path / "out", [arm_of(model)],
        only="*red_disc/image/bad/000*", shots=1, templates=TemplateKind.SIMILAR,
    )  # fmt: skip
    assert {tuple(picture.digest for picture in prompt.references) for prompt in model.prompts} == {(other,)}


# --- continuing


def test_a_finished_run_asks_nothing_again(data: Path, tmp_path: Path) -> None:
    go(data, tmp_path / "out", [arm_of(scripted("A"))])
    before = (tmp_path / "out/outcomes.jsonl").read_bytes()
    again = scripted("A")
    result = go(data, tmp_path / "out", [arm_of(again)])
    assert again.prompts == []
    assert result.progress == RunProgress(done=36, total=36, kept=36, failed=0)
    assert (tmp_path / "out/outcomes.jsonl").read_bytes() == before


def test_another_picture_under_the_same_name_is_asked_again(data: Path, tmp_path: Path) -> None:
    go(data, tmp_path / "out", [arm_of(scripted("A"))])
    (data / "DS-MVTec/red_disc/image/bad/000.png").write_bytes(png(COLOURS["red"], shade=42))
    again = scripted("B")
    again_arm = Arm(
        "none", "none/builtin:scripted/test", "builtin:scripted/test", None, lambda _question: again
    )
    result = go(data, tmp_path / "out", [again_arm])
    assert len(again.prompts) == 3
    assert result.progress.kept == 33
    assert [row.letter for row in rows(tmp_path / "out")].count("B") == 3


def test_failed_questions_are_asked_again(data: Path, tmp_path: Path) -> None:
    def moody(prompt: Prompt) -> str:
        if "localization" in prompt.question:
            raise ModelRetryError("the server is busy; try again later")
        return "A"

    result = go(data, tmp_path / "out", [arm_of(scripted(moody))])
    assert result.progress == RunProgress(done=36, total=36, kept=0, failed=6)
    failed = [row for row in rows(tmp_path / "out") if row.outcome is Outcome.FAILED]
    assert {row.error for row in failed} == {"the server is busy; try again later"}
    assert {(row.reply, row.letter) for row in failed} == {(None, None)}
    again = scripted("A")
    result = go(data, tmp_path / "out", [arm_of(again)])
    assert len(again.prompts) == 6
    assert result.progress == RunProgress(done=36, total=36, kept=30, failed=0)
    assert len(rows(tmp_path / "out")) == 36


def test_another_model_needs_another_folder(data: Path, tmp_path: Path) -> None:
    go(data, tmp_path / "out", [arm_of(scripted("A", "one"))])
    with pytest.raises(DataError, match="another identity of arm none"):
        go(data, tmp_path / "out", [arm_of(scripted("A", "two"))])


# --- images that fail


def test_an_unreadable_picture_fails_its_questions_and_no_others(data: Path, tmp_path: Path) -> None:
    (data / "VisA/blue_bar/test/good/001.png").write_bytes(b"no image")
    model = scripted("A")
    result = go(data, tmp_path / "out", [arm_of(model)])
    failed = [row for row in rows(tmp_path / "out") if row.outcome is Outcome.FAILED]
    assert result.progress.failed == len(failed) == 3
    assert len(model.prompts) == 33
    assert all("001.png cannot be read" in str(row.error) and row.prompt is None for row in failed)


def test_an_unreadable_template_fails_the_questions_it_is_for(data: Path, tmp_path: Path) -> None:
    (data / "MVTec-AD/blue_bar/train/good/000.png").write_bytes(b"no image")
    result = go(data, tmp_path / "out", [arm_of(scripted("A"))], shots=2)
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
    go(data, tmp_path / "out", [arm_of(scripted("A")), arm_of(scripted("B"), "rag")])
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


# --- errors that stop the run


class Stopping:
    """Answers slowly, and raises from a certain prompt on."""

    identity = "stopping"

    def __init__(self, error: Exception, after: int) -> None:
        self.asked = 0
        self._error = error
        self._after = after

    async def answer(self, prompt: Prompt) -> Reply:
        self.asked += 1
        if self.asked > self._after:
            raise self._error
        await asyncio.sleep(0.02)
        return Reply("A", "stopping")


@pytest.mark.parametrize(
    "error", [ModelActionError("there is no API key; set OPENAI_API_KEY"), ZeroDivisionError()]
)
def test_an_error_stops_the_run_and_what_is_under_way_is_kept(
    data: Path, tmp_path: Path, error: Exception
) -> None:
    """With three workers: three prompts are answered, the fourth raises while two are under way."""
    model = Stopping(error, after=5)
    with pytest.raises(type(error)) as caught:
        go(data, tmp_path / "out", [arm_of(model)], concurrency=3)
    assert caught.value is error
    assert model.asked <= 8
    assert len(rows(tmp_path / "out")) == 5
    assert {row.outcome for row in rows(tmp_path / "out")} <= {Outcome.CORRECT, Outcome.WRONG}
    mended = Stopping(error, after=100)
    result = go(data, tmp_path / "out", [arm_of(mended)])
    assert mended.asked == 31
    assert result.progress.kept == 5


def test_an_error_in_the_progress_callback_is_raised_as_it_is(data: Path, tmp_path: Path) -> None:
    def broken(_progress: RunProgress) -> None:
        raise BrokenPipeError("no terminal")

    with pytest.raises(BrokenPipeError, match="no terminal"):
        go(data, tmp_path / "out", [arm_of(scripted("A"))], progress=broken)


def test_a_cancelled_run_leaves_a_store_that_can_be_continued(data: Path, tmp_path: Path) -> None:
    benchmark = load_questions(data)
    model = CountingModel()

    async def cancelled() -> None:
        running = asyncio.create_task(
            run_arms(benchmark, [arm_of(model)], out=tmp_path / "out", concurrency=2)
        )
        await wait_for_async(lambda: len(outcomes()) >= 5, "five outcomes are kept", pause=0.001)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    def outcomes() -> list[str]:
        path = tmp_path / "out/outcomes.jsonl"
        return path.read_text().splitlines() if path.exists() else []

    asyncio.run(cancelled())
    kept = len(rows(tmp_path / "out"))
    assert 5 <= kept < 36
    result = go(data, tmp_path / "out", [arm_of(CountingModel())])
    assert result.progress == RunProgress(done=36, total=36, kept=kept, failed=0)


# --- kill -9


@pytest.mark.slow
def test_a_run_killed_at_any_moment_ends_in_the_same_scores(tmp_path: Path, warm: Warm) -> None:
    """Killed five times and continued: the scores of one go; asked twice is only what was under way."""
    data = make_benchmark(tmp_path / "data", images=4)
    once, log = tmp_path / "once", tmp_path / "asked.log"
    killed_run.run(data, once, tmp_path / "once.log")
    program = ("python", "-m", "tests.benchmark.run.killed_run")
    for part in range(1, 6):
        process = warm.start(*program, data, tmp_path / "out", log)
        wait_for(lambda: _lines(log) >= 20 * part, f"{20 * part} prompts are asked", process=process)  # noqa: B023
        process.kill()
    assert len(read_run(tmp_path / "out").rows) < 144
    killed_run.run(data, tmp_path / "out", log)
    first, second = read_run(once), read_run(tmp_path / "out")
    assert len(second.rows) == 144
    for rule in Rule:
        for arm in ("none", "rag"):
            assert score_run(first.rows, first.questions, rule, arm) == score_run(
                second.rows, second.questions, rule, arm
            )
    asked = Counter(log.read_text().splitlines())
    assert len(asked) == 144
    assert asked.total() - 144 <= 5 * 2  # two were under way at each kill


def _lines(path: Path) -> int:
    return path.read_text().count("\n") if path.exists() else 0


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
