"""`mmad-rag eval --plan` and `--budget`: what a run costs is said before, and kept within."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from pathlib import Path

import pytest

from mmad_rag.benchmark.analysis.compare import compare_arms
from mmad_rag.benchmark.analysis.cost import spending
from mmad_rag.benchmark.analysis.forecast import Forecast
from mmad_rag.benchmark.run.reader import read_run
from mmad_rag.benchmark.run.records import ArmHeader, Run
from mmad_rag.images import open_image
from mmad_rag.index import KnowledgeIndex
from mmad_rag.models.dry_run import CountingModel
from mmad_rag.models.prices import ImageTokens, load_prices
from mmad_rag.prompt import TextPart, render
from mmad_rag.records import Choice, Outcome, Prompt, Question, Usage
from mmad_rag.report.tables.forecast import budget_line
from mmad_rag.report.tables.spending import spending_lines, spending_table
from tests.benchmark.run.test_store import HEADER
from tests.support.bench import question, row
from tests.support.running import Cli
from tests.support.sample_world import render_two
from tests.support.servers.openai_server import OpenAIServer, replies
from tests.support.world import png

TABLE = """
version: 1
prices:
  - model: "openai:m at *"
    input: 1000
    output: 10000
    as_of: 2026-01-31
    source: a test
    images: {fixed: 100}
"""


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, shipped: KnowledgeIndex) -> Path:
    root = tmp_path_factory.mktemp("bench")
    render_two(root / "data")
    shipped.save(root / "index")
    (root / "prices.yaml").write_text(TABLE)
    return root


def command(bench: Path, out: Path, *more: object, model: str = "openai:m") -> tuple[object, ...]:
    return (
        *("eval", "--data", bench / "data", "--index", bench / "index", "--model", model, "--out", out),
        *("--prices", bench / "prices.yaml", *more),
    )


def test_what_is_counted_is_what_is_rendered() -> None:
    image = open_image(png((255, 0, 0)))
    prompt = Prompt("Is it red?", image, (Choice("A", "Yes."),), (image,))
    model = CountingModel("m", len, ImageTokens(fixed=1000), reply_tokens=3)
    reply = asyncio.run(model.answer(prompt))
    rendered = render(prompt)
    text = sum(len(part.text) for part in rendered.parts if isinstance(part, TextPart))
    assert reply.usage == Usage(len(rendered.system) + text + 2 * 4 + 2 * 1000, 3)
    assert model.identity == "counting/m"


@pytest.mark.slow
def test_a_plan_needs_neither_key_nor_endpoint_and_asks_nothing(
    cli: Cli, bench: Path, tmp_path: Path
) -> None:
    ran = cli(*command(bench, tmp_path / "run", "--arms", "none,rag,blind", "--plan", "--json"))
    assert ran.code == 0, ran.err
    assert not (tmp_path / "run").exists()
    told = json.loads(ran.out)["plan"]
    arms = {arm["arm"]: arm for arm in told["arms"]}
    assert {arm["requests"] for arm in arms.values()} == {told["questions"]}
    assert {arm["left"] for arm in arms.values()} == {told["questions"]}
    tokens = {name: arm["input_tokens"] / told["questions"] for name, arm in arms.items()}
    assert 150 < tokens["none"] < 300  # an image of 100 tokens and the question
    assert tokens["none"] + 200 < tokens["rag"] < tokens["none"] + 520  # 300 tokens of knowledge at most
    assert tokens["rag"] - 130 < tokens["blind"] < tokens["rag"] - 80  # an image less, a sentence more
    for arm in arms.values():
        assert arm["output_tokens"] == 16 * told["questions"]
        assert arm["usd"] == pytest.approx((arm["input_tokens"] + 10 * arm["output_tokens"]) / 1000, rel=1e-3)


def test_a_plan_is_printed_with_what_it_rests_on(cli: Cli, bench: Path, tmp_path: Path) -> None:
    ran = cli(*command(bench, tmp_path / "run", "--plan", "--budget", 20, "--reply-tokens", 0))
    assert ran.code == 0, ran.err
    assert "Smallest gain that these questions can show" in ran.out
    assert "20 USD buy" in ran.out
    assert "give --limit" in ran.out
    told = " ".join(ran.err.split())
    assert "as of 2026-01-31 (a test)" in told
    assert "arms disagree on 20 % of the questions" in told
    limit = int(ran.out.split("give --limit ")[1].split(",")[0])
    bought = cli(*command(bench, tmp_path / "run", "--plan", "--limit", limit, "--reply-tokens", 0, "--json"))
    assert 0.8 * 20 < json.loads(bought.out)["usd"] < 1.2 * 20


def test_a_budget_foresees_circular_evaluation(cli: Cli, bench: Path, tmp_path: Path) -> None:
    """A smaller sample keeps as many circular questions as it can; what is advised costs what was named."""
    more = ("--arms", "none", "--plan", "--circular", 30, "--reply-tokens", 0, "--json")
    told = json.loads(cli(*command(bench, tmp_path / "run", *more, "--budget", 9)).out)["plan"]["budget"]
    cost = json.loads(cli(*command(bench, tmp_path / "run", *more, "--limit", told["limit"])).out)["usd"]
    assert 7 < cost <= 9.5
    whole = json.loads(cli(*command(bench, tmp_path / "run", *more, "--budget", 1e9)).out)["plan"]
    assert whole["budget"]["limit"] == whole["questions"]
    refused = cli(*command(bench, tmp_path / "run", *more, "--budget", "inf"))
    assert (refused.code, "is not a sum" in refused.err) == (1, True)


def test_budgets_that_buy_nothing_or_everything() -> None:
    from mmad_rag.benchmark.analysis.forecast import BudgetForecast

    none = Forecast(10, 10, (), None, 0.2, (), None)
    assert budget_line(none) is None
    assert budget_line(dataclasses.replace(none, budget=BudgetForecast(1.0, 0, ()))) == (
        "1 USD buy no question in every arm"
    )


def test_a_plan_without_a_price_says_how_to_give_one(cli: Cli, bench: Path, tmp_path: Path) -> None:
    asked = command(bench, tmp_path / "run", "--arms", "none", "--plan", model="openai:other")
    ran = cli(*asked)
    assert ran.code == 0
    assert "Price: not known for this model; give --prices FILE" in " ".join(ran.err.split())
    refused = cli(*asked, "--budget", 5)
    assert refused.code == 1
    assert "cannot be told without a price" in refused.err
    assert cli(*asked, "--budget", 5, "--json").code == 1
    nothing = cli(*command(bench, tmp_path / "run", "--arms", "none", "--budget", 0, model="openai:m"))
    assert nothing.code == 1


def test_a_plan_of_a_free_model_buys_everything(cli: Cli, bench: Path, tmp_path: Path) -> None:
    asked = command(
        bench, tmp_path / "run", "--arms", "none", "--plan", "--budget", 1, model="builtin:reader"
    )
    assert "1 USD buy all " in cli(*asked).out


def test_a_run_keeps_within_its_budget_and_the_plan_counts_what_is_left(
    cli: Cli, bench: Path, tmp_path: Path, openai_server: OpenAIServer
) -> None:
    """110 tokens cost 0.2 dollars a request; 4 dollars allow for 20."""
    openai_server.default = replies("A", tokens=(100, 10))
    more = ("--base-url", openai_server.url, "--arms", "none,rag", "--concurrency", 1)
    asked = command(bench, tmp_path / "run", *more)
    ran = cli(*asked, "--budget", 4)
    assert ran.code == 0, ran.err
    assert "stopped: 4 of 4 USD are spent" in ran.err
    assert "10 of " in ran.err
    assert len(openai_server.requests) == 20
    assert "none has cost 2.00 USD: 1,000 tokens in, 100 out" in ran.out
    plan = json.loads(cli(*asked, "--plan", "--json").out)["plan"]
    assert [arm["requests"] - arm["left"] for arm in plan["arms"]] == [10, 10]
    again = json.loads(cli(*asked, "--budget", 4, "--json").out)
    assert (again["stopped"], again["progress"]["done"]) == (True, 20)
    assert len(openai_server.requests) == 20
    assert cli("compare", tmp_path / "run", "--answered", "--prices", bench / "prices.yaml").code == 0


def test_a_budget_that_is_used_up_at_once_or_without_a_price(
    cli: Cli, bench: Path, tmp_path: Path, openai_server: OpenAIServer
) -> None:
    openai_server.default = replies("A", tokens=(100, 10))
    more = ("--base-url", openai_server.url, "--arms", "none,rag", "--concurrency", 1)
    ran = cli(*command(bench, tmp_path / "run", *more, "--budget", 0.1))
    assert ran.code == 1
    assert len(read_run(tmp_path / "run").rows) == 1
    refused = cli(*command(bench, tmp_path / "other", *more, "--budget", 1, model="openai:x"))
    assert (refused.code, "no budget can be kept" in refused.err) == (1, True)


def test_a_plan_over_another_run_is_refused_as_the_run_would_be(
    cli: Cli, bench: Path, tmp_path: Path
) -> None:
    asked = command(bench, tmp_path / "run", "--arms", "none", model="builtin:reader")
    assert cli(*asked).code == 0
    assert cli(*asked, "--plan").code == 0
    for other in (
        command(bench, tmp_path / "run", "--arms", "none", "--plan"),
        (*asked, "--plan", "--limit", 9),
        (*asked, "--plan", "--image-size", 9),
    ):
        refused = cli(*other)
        assert (refused.code, "holds a run with another" in refused.err) == (1, True)


def test_a_plan_of_too_few_questions_tells_no_gain(cli: Cli, bench: Path, tmp_path: Path) -> None:
    ran = cli(*command(bench, tmp_path / "run", "--arms", "none", "--plan", "--limit", 8))
    assert "too few questions for any gain to show" in ran.err


# --- what a finished run has cost


def finished(right: float, usages: tuple[Usage | None, Usage | None]) -> Run:
    """200 questions; the baseline is right in the first half, the arm in a share."""
    asked: list[Question] = [question(f"VisA/p{n % 5}/test/bad/{n:04}.png") for n in range(200)]
    rows = []
    for place, item in enumerate(asked):
        for arm, share, usage in zip(("none", "rag"), (0.5, right), usages, strict=True):
            outcome = Outcome.CORRECT if place < 200 * share else Outcome.WRONG
            rows.append(row(item, outcome, arm, usage=usage))
    arms = tuple(
        ArmHeader(name, name, "openai:gpt-4o at api.openai.com/v1", None) for name in ("none", "rag")
    )
    return Run(Path("x"), dataclasses.replace(HEADER, arms=arms), tuple(asked), tuple(rows))


def test_cost_per_point_is_extra_cost_over_gain() -> None:
    """None costs 200 x 1,000 tokens = 0.50 USD, rag three times that; the gain is 20 points."""
    run = finished(0.7, (Usage(1000, 0), Usage(3000, 0)))
    comparison = compare_arms(run.rows, run.questions, "none", "rag")
    found = spending(run, [comparison], load_prices())
    assert found is not None
    assert [arm.usd for arm in found.arms] == pytest.approx([0.5, 1.5])
    (point,) = found.per_point
    average = comparison.columns[-1]
    assert average.low is not None
    assert average.high is not None
    assert (point.extra_usd, point.per_point) == pytest.approx((1.0, 0.05))
    assert (point.low, point.high) == pytest.approx((1 / average.high, 1 / average.low))
    lines = list(spending_lines(found))
    assert lines[0] == "none has cost 0.50 USD: 200,000 tokens in, 0 out"
    assert lines[2].startswith("rag costs +1.00 USD against none: 0.05 USD per point gained [")


def test_costs_stand_on_the_page() -> None:
    """Per point where a gain is certain, a dash where none is, nothing for the baseline."""
    for right, shown in ((0.7, "0.05"), (0.5, "-")):
        run = finished(right, (Usage(1000, 0), Usage(3000, 0)))
        found = spending(run, [compare_arms(run.rows, run.questions, "none", "rag")], load_prices())
        assert found is not None
        table = spending_table(found)
        assert "2.5 USD per million tokens in, 10 out" in table.title
        none, rag = table.rows
        assert [cell.text for cell in none.cells] == ["200,000", "0", "0.50", "-"]
        assert [cell.text for cell in rag.cells] == ["600,000", "0", "1.50", shown]
    partly = spending(finished(0.7, (Usage(1000, 0), None)), [], load_prices())
    assert partly is not None
    assert spending_table(partly).rows[1].cells[2].notes == ("200 replies came without token counts",)


def test_no_certain_gain_has_no_price_per_point() -> None:
    run = finished(0.5, (Usage(1000, 0), Usage(3000, 0)))
    comparison = compare_arms(run.rows, run.questions, "none", "rag")
    found = spending(run, [comparison], load_prices())
    assert found is not None
    assert found.per_point[0].per_point is None
    assert list(spending_lines(found))[2] == (
        "rag costs +1.00 USD against none for no gain that is certain (+0.0 points)"
    )


def test_replies_without_token_counts_are_told_and_not_guessed() -> None:
    run = finished(0.7, (Usage(1000, 0), None))
    found = spending(run, [], load_prices())
    assert found is not None
    assert (found.arms[1].counted, found.arms[1].replies, found.arms[1].usd) == (0, 200, 0.0)
    assert "200 replies came without token counts" in list(spending_lines(found))[1]
    comparison = compare_arms(run.rows, run.questions, "none", "rag")
    told = spending(run, [comparison], load_prices())
    assert told is not None
    assert told.per_point == ()
    assert spending(finished(0.7, (None, None)), [], load_prices()) is None
    assert spending(run, [], ()) is None
