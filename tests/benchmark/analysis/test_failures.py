"""Questions without a reply: why, how often, for which image, and what helps."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmad_rag.benchmark.analysis.failures import Failure, FailureCause, advice, failure_lines, failures_of
from mmad_rag.benchmark.run.records import OutcomeRow, Run
from mmad_rag.errors import ModelRetryError
from mmad_rag.records import Outcome, Prompt, Reply
from tests.benchmark.analysis.test_summary import HEADER
from tests.support.bench import make_benchmark, question, row
from tests.support.running import Cli
from tests.support.world import COLOURS, make_world, png

BAD = "VisA/pcb1/test/bad/{}.png"


def run_of(*errors: tuple[str | None, bool]) -> Run:
    """A run with one failed question per (error, was it asked), and one that is answered."""
    items = tuple(question(BAD.format(number)) for number in range(len(errors) + 1))
    rows: list[OutcomeRow] = [row(items[-1])]
    for item, (error, was_asked) in zip(items, errors, strict=False):
        rows.append(row(item, Outcome.FAILED, error=error, prompt="0" * 64 if was_asked else None))
    return Run(Path("runs/x"), HEADER, items, tuple(rows))


def test_equal_errors_are_one_with_a_count_and_the_first_image() -> None:
    run = run_of(("busy", True), ("torn 1.png", False), ("busy", True), (None, True))
    assert failures_of(run) == (
        Failure("busy", FailureCause.MODEL, 2, BAD.format(0)),
        Failure("torn 1.png", FailureCause.IMAGE, 1, BAD.format(1)),
        Failure("no reason was recorded", FailureCause.MODEL, 1, BAD.format(3)),
    )
    assert failures_of(run_of()) == ()


def test_the_lines_name_the_image_once_and_cut_nothing_silently() -> None:
    errors = [("busy", True), ("busy", True), (f"{BAD.format(2)} is torn", False)]
    errors += [(f"error {number}", True) for number in range(5)]
    lines = list(failure_lines(failures_of(run_of(*errors)), 9))
    assert lines == [
        "8 of 9 replies did not come:",
        f"  2 x busy (first for {BAD.format(0)})",
        f"  1 x {BAD.format(2)} is torn",
        f"  1 x error 0 (first for {BAD.format(3)})",
        f"  1 x error 1 (first for {BAD.format(4)})",
        f"  1 x error 2 (first for {BAD.format(5)})",
        "  2 x 2 other errors",
    ]
    assert list(failure_lines((), 9)) == []


def test_the_advice_fits_the_cause() -> None:
    image, model = (failures_of(run_of(("x", was_asked))) for was_asked in (False, True))
    assert advice(image) == "replace the images that cannot be read"
    assert advice(model) == "mend what the model's side reports, or wait until it answers"
    assert advice(image + model) == f"{advice(image)}; {advice(model)}"


@pytest.mark.slow
def test_eval_names_the_pictures_and_asks_only_those_again_once_they_are_replaced(
    cli: Cli, tmp_path: Path
) -> None:
    data = make_benchmark(tmp_path / "data")
    torn = data / "DS-MVTec/red_disc/image/good/000.png"
    torn.write_text("no image")
    words = ("eval", "--data", data, "--model", "builtin:first", "--arms", "none", "--out", tmp_path / "run")
    ran = cli(*words)
    assert ran.code == 1
    assert "Percent right of 36 questions" in " ".join(ran.out.split())
    said = ran.err[ran.err.index("run folder:") :]
    assert "3 of 36 replies did not come:\n" in said
    assert f"  3 x the image {torn} cannot be read (it is not an image of a known format)" in said
    assert said.count(torn.name) == 1
    assert "replace the images that cannot be read; then the same command asks only these again" in said
    assert "0x" not in ran.err
    told = cli(*words, "--json")
    assert told.code == 1
    (failure,) = json.loads(told.out)["failures"]
    assert (failure["count"], failure["cause"]) == (3, "image")
    torn.write_bytes(png(COLOURS["red"]))
    again = cli(*words)
    assert again.code == 0
    assert "33 of 36 outcomes were there already" in again.err
    assert "replies did not come" not in again.err
    assert json.loads(cli(*words, "--json").out)["failures"] == []


class Busy:
    """A model whose server is overloaded until it is told to answer."""

    identity = "test:busy"

    def __init__(self) -> None:
        self.answers = False

    async def answer(self, prompt: Prompt) -> Reply:
        if not self.answers:
            raise ModelRetryError("the server answers 503, busy; ask again later")
        return Reply("A", "busy")


def test_eval_names_what_the_server_said_and_the_image(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Busy()
    monkeypatch.setattr("mmad_rag.models.adapt.load_model", lambda _spec, *_options, **_more: model)
    data = make_benchmark(tmp_path / "data", images=1)
    words = (
        *("eval", "--data", data, "--model", "openai:any", "--arms", "none", "--only", "red_disc"),
        *("--out", tmp_path / "run"),
    )
    ran = cli(*words)
    assert ran.code == 1
    said = " ".join(ran.err.split())
    assert "6 of 6 replies did not come: 6 x the server answers 503, busy; ask again later (first for" in said
    assert "(first for DS-MVTec/red_disc/image/good/000.png)" in said
    assert "mend what the model's side reports, or wait until it answers; then the same command" in said
    model.answers = True
    assert cli(*words).code == 0


def test_measure_says_that_nothing_is_kept_unless_it_is(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Busy()
    monkeypatch.setattr("mmad_rag.models.load_model", lambda _spec, *_options, **_more: model)
    data, world = make_benchmark(tmp_path / "data", images=1), make_world(tmp_path / "world")
    words = ("knowledge", "measure", world.knowledge, "--against", world.knowledge, "--data", data)
    ran = cli(*words)
    assert ran.code == 1
    assert "Length of the texts" in ran.out
    assert "…" not in ran.out
    assert "nothing is kept without --out, give it to ask only these again" in ran.err
    kept = cli(*words, "--out", tmp_path / "run", "--json")
    assert kept.code == 1
    assert json.loads(kept.out)["sizes"]
    assert f"then the same command asks only these again, all else is kept in {tmp_path / 'run'}" in kept.err


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.slow
def test_an_interrupt_says_how_to_go_on_only_where_the_same_command_does(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    async def interrupted(*_arguments: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mmad_rag.benchmark.run.run_arms.run_arms", interrupted)
    data, world = make_benchmark(tmp_path / "data", images=1), make_world(tmp_path / "world")
    if kept:
        ran = cli("eval", "--data", data, "--model", "builtin:first", "--arms", "none", "--out", tmp_path)
    else:
        ran = cli("knowledge", "measure", world.knowledge, "--against", world.knowledge, "--data", data)
    assert ran.code == 130
    assert ran.err.rstrip().endswith("interrupted")
    assert ("the same command goes on where it stopped" in ran.err) is kept


def test_the_arms_names_are_checked_before_anything_is_loaded(cli: Cli, tmp_path: Path) -> None:
    """Neither data nor index exist here."""
    words = ("eval", "--data", tmp_path / "none", "--model", "builtin:first", "--index", tmp_path / "none")
    for arms, message in (
        ("none,foo", "there is no arm 'foo'; give some of none, rag, oracle"),
        ("rag,none,rag", "the arm 'rag' is given twice"),
        (" , ", "a run needs an arm"),
    ):
        ran = cli(*words, "--arms", arms)
        assert ran.code == 1
        assert message in ran.err
