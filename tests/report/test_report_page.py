"""A run as one HTML page: the right numbers, the right questions, nothing that acts, nothing fetched."""

from __future__ import annotations

import base64
import dataclasses
import io
import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmad_rag.benchmark.analysis.arm_scores import arm_scores
from mmad_rag.benchmark.analysis.flips import find_flips
from mmad_rag.benchmark.analysis.summary import RunSummary, summarise
from mmad_rag.benchmark.data.columns import AVERAGE
from mmad_rag.benchmark.data.draws import shown_choices
from mmad_rag.benchmark.data.mmad import MMAD_COLUMNS, load_questions
from mmad_rag.benchmark.run.reader import questions_sha256
from mmad_rag.benchmark.run.records import ArmHeader, OutcomeRow, Run
from mmad_rag.benchmark.run.store import RunStore, clear_run
from mmad_rag.benchmark.stats.estimate import Estimate
from mmad_rag.benchmark.stats.resample import join_arms
from mmad_rag.errors import DataError
from mmad_rag.fields import Field
from mmad_rag.records import Choice, Outcome, Passage, Question, RouteOutcome, Usage
from mmad_rag.report.html.charts import Entry, dot_chart
from mmad_rag.report.html.page import render_page, visible, write_page
from mmad_rag.report.html.thumbnail import thumbnail
from tests.benchmark.analysis.test_summary import HEADER
from tests.report.page_reader import PageReader, cells
from tests.support.bench import make_benchmark, question, row
from tests.support.running import Cli

ARMS = {"none": 0.3, "rag": 0.7, "oracle": 0.8, "wrong": 0.2, "blind": 0.5, "blind-none": 0.3}
PASSAGE = Passage(
    "red_disc/crack/appearance/1", "red_disc", "crack", Field.APPEARANCE, "Crack", "A thin black line."
)
FAST = 60
"""Bootstrap draws."""


def answered(item: Question, arm: str, outcome: Outcome) -> OutcomeRow:
    """A row as a real run has it: with a reply, and in `rag` with a route and passages."""
    found = row(item, outcome, arm, reply=f"{arm} says so [1].", model="named", latency_s=0.5)
    if arm != "rag":
        return found
    return dataclasses.replace(
        found,
        route=RouteOutcome.PRODUCT,
        products=("red_disc",),
        confidence=0.91,
        passages=(PASSAGE.id, "red_disc/gone/cause/1"),
        usage=Usage(1000, 10),
    )


@pytest.fixture(scope="module")
def world_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The tiny world's questions in six arms, answered at random."""
    data = make_benchmark(tmp_path_factory.mktemp("page") / "data", images=6)
    questions = load_questions(data).questions
    rng = np.random.default_rng(3)
    rows = tuple(
        answered(item, arm, Outcome.CORRECT if rng.random() < rate else Outcome.WRONG)
        for item in questions
        for arm, rate in ARMS.items()
    )
    header = dataclasses.replace(
        HEADER,
        data=str(data),
        arms=tuple(ArmHeader(arm, arm, "m", None) for arm in ARMS),
        questions=len(questions),
        questions_sha256=questions_sha256(questions),
    )
    return Run(data.parent / "run", header, questions, rows, passages={PASSAGE.id: PASSAGE})


@pytest.fixture(scope="module")
def summary(world_run: Run) -> RunSummary:
    return summarise(world_run, replicates=FAST)


@pytest.fixture(scope="module")
def page(world_run: Run, summary: RunSummary) -> PageReader:
    return PageReader(render_page(world_run, summary))


def saved(run: Run, folder: Path, *, rows: int | None = None) -> Path:
    """The run on disk; with `rows`, cut short after so many."""
    with RunStore(folder, run.header, run.questions) as store:
        for item in run.rows[:rows]:
            store.append(item, tuple(run.passages.values()) if item.passages else ())
    return folder


def with_arms(run: Run, *arms: str) -> Run:
    header = dataclasses.replace(run.header, arms=tuple(arm for arm in run.header.arms if arm.name in arms))
    return dataclasses.replace(run, header=header, rows=tuple(item for item in run.rows if item.arm in arms))


# numbers


def test_the_interval_of_an_arm_is_that_of_the_draws(world_run: Run, summary: RunSummary) -> None:
    joint = join_arms(world_run.rows, world_run.questions, list(ARMS), replicates=FAST)
    for side, level in enumerate(summary.levels):
        assert level.arm == list(ARMS)[side]
        average = level.columns[-1]
        assert average.value == pytest.approx(joint.observed[side, -1])
        assert (average.low, average.high) == pytest.approx(
            np.quantile(joint.drawn[:, side, -1], [0.025, 0.975])
        )


def test_an_arm_that_is_always_right_has_an_interval_without_width() -> None:
    asked = [question(f"VisA/pcb1/test/bad/{number}.png") for number in range(3)]
    rows = [row(item) for item in asked]
    (level,) = arm_scores(join_arms(rows, asked, ["none"], replicates=20))
    assert [(item.value, item.low, item.high) for item in level.columns] == [(100.0, 100.0, 100.0)] * 2


def test_a_column_that_no_draw_holds_has_no_interval() -> None:
    asked = [question("VisA/pcb1/test/bad/0.png")]
    joint = join_arms([row(asked[0])], asked, ["none"], replicates=2)
    empty = dataclasses.replace(joint, drawn=np.full_like(joint.drawn, np.nan))
    assert {(item.low, item.high) for item in arm_scores(empty)[0].columns} == {(None, None)}


def test_every_arm_stands_there_with_its_scores_and_intervals(page: PageReader, summary: RunSummary) -> None:
    table = next(table for name, table in page.tables.items() if name.startswith("Percent right of 108"))
    found = cells(table)
    assert list(found) == list(ARMS)
    for level in summary.levels:
        for item in level.columns:
            expected = f"{item.value:.1f} [{item.low:.1f}, {item.high:.1f}]"
            assert found[level.arm][item.column] == expected
        assert expected in page.svg_text  # the last one is the average, which the chart shows too


def test_gains_stand_there_with_both_intervals_and_verdicts(page: PageReader, summary: RunSummary) -> None:
    for comparison in summary.comparisons:
        found = cells(page.tables[f"{comparison.arm.arm} against none: points gained, with 95 % intervals"])
        for item in comparison.columns:
            cell = found[item.column]
            gain = f"{item.difference:+.1f} [{item.low:+.1f}, {item.high:+.1f}]"
            assert cell["Gain on these products"] == gain
            assert gain in page.svg_text
            assert cell["Verdict on these products"].startswith(str(item.verdict))
            assert cell["Turned right"] == str(item.wrong_to_right)
            assert cell["Turned wrong"] == str(item.right_to_wrong)
            new = item.new_products
            if new is None:
                assert (cell["Gain on new products"], cell["Verdict on new products"]) == ("-", "not told")
            else:
                assert (
                    cell["Gain on new products"]
                    == f"{item.difference:+.1f} [{new.low:+.1f}, {new.high:+.1f}]"
                )
                assert cell["Verdict on new products"].startswith(str(new.verdict))


def test_the_parts_of_the_gain_stand_there(page: PageReader, summary: RunSummary) -> None:
    found = cells(
        page.tables[
            "What the gain is made of, points; break-even in percent of images routed rightly; "
            "below each its 95 % interval on these products, then on new ones"
        ]
    )
    for effect in summary.decomposition.effects:
        average = effect.columns[-1]
        shown = found[f"{effect.name} {effect.formula}"]["Average"]
        assert shown.startswith(f"{average.value:+.1f} [{average.low:+.1f}, {average.high:+.1f}]")
    (even,) = (name for name in found if name.startswith("break-even routing"))
    assert found[even]["Average"].startswith(f"{summary.decomposition.break_even[-1].percent:.0f} [")


def test_counts_tokens_detection_and_routing_stand_there(page: PageReader, world_run: Run) -> None:
    replies = cells(page.tables["What became of the questions; invalid and failed ones count as wrong"])
    right = sum(item.outcome is Outcome.CORRECT for item in world_run.rows if item.arm == "rag")
    assert replies["rag"] == {
        "Correct": str(right),
        "Wrong": str(108 - right),
        "Invalid": "0",
        "Failed": "0",
        "Cut at the limit": "-",
        "Without text": "0",
        "Tokens shown": "108,000",
        "Tokens replied": "1,080",
        "Median seconds": "0.50",
    }
    assert replies["none"]["Tokens shown"] == "-"
    (routing,) = (table for name, table in page.tables.items() if name.startswith("Images by what"))
    assert cells(routing) == {
        "rag": {
            "Images": "36",
            "Right product": "12",
            "Near-tie with it": "0",
            "Wrong product": "24",
            "Called unknown": "0",
        },
        "blind": dict.fromkeys(
            ("Images", "Right product", "Near-tie with it", "Wrong product", "Called unknown"), "0"
        ),
    }
    (detection,) = (table for name, table in page.tables.items() if name.startswith("Anomaly Detection:"))
    assert re.fullmatch(r"\d+\.\d \d+ of 12", cells(detection)["rag"]["DS-MVTec: overkill"])


def test_the_page_says_what_the_run_is(page: PageReader, world_run: Run) -> None:
    for fact in (world_run.header.data_sha256, "108 in each arm", "as in the file", "reply parser 1"):
        assert fact in page.text
    everything = dataclasses.replace(
        world_run.header,
        image_size=512,
        shots=2,
        shuffle_options=7,
        circular=0,
        hard_sha256="b" * 64,
        missing_images=3,
        missing_questions=9,
        images=False,
        errata=("metal-nut",),
        sample_seed=11,
        wording_sha256="c" * 64,
        versions={"python": "3.11.7"},
    )
    run = dataclasses.replace(world_run, header=everything)
    text = PageReader(render_page(run, summarise(run, replicates=5))).text
    assert "python 3.11.7" in text
    assert f"default {'c' * 64}" in text
    assert "seed 11" in text
    for fact in ("512 pixels", "2 at most, random", "seed 7", "b" * 64, "9 questions about 3", "text alone"):
        assert fact in text


def test_circular_evaluation_and_the_second_reading_have_tables(world_run: Run) -> None:
    probable = tuple(
        dataclasses.replace(item, probabilities={item.letter or "A": 0.9}) for item in world_run.rows
    )
    options = {item.id: len(item.choices) for item in world_run.questions}
    rotated = tuple(
        dataclasses.replace(item, rotation=turn)
        for item in probable
        for turn in range(1, options[item.question])
    )
    run = dataclasses.replace(
        world_run,
        header=dataclasses.replace(world_run.header, circular=1000),
        rows=probable,
        rotated=rotated,
    )
    found = PageReader(render_page(run, summarise(run, replicates=5)))
    circular = cells(found.tables["Circular evaluation of 108 questions, percent of these"])
    assert circular["rag"]["Same option in every order"] == "100.0"
    second = cells(found.tables["Percent right by two readings of each reply"])
    assert second["rag"]["By words"] == second["rag"]["By first token"]
    assert second["none"]["Known"] == "108 of 108"
    assert "108 questions" not in found.text.split("Order of options")[0]


# flips


def test_the_questions_shown_are_those_that_flipped(
    page: PageReader, world_run: Run, summary: RunSummary
) -> None:
    right = {(item.question, item.arm): item.outcome is Outcome.CORRECT for item in world_run.rows}
    average = summary.comparisons[0].columns[-1]
    for section, after, total in (
        ("turned-right", True, average.wrong_to_right),
        ("turned-wrong", False, average.right_to_wrong),
    ):
        shown = page.articles[section]
        assert len(shown) == 8
        assert f"8 of {total} questions that {section.replace('-', ' ')} are shown" in page.text
        subtasks = [article.heading.split(": ")[0] for article in shown]
        flipped = {
            item.subtask
            for item in world_run.questions
            if right[item.id, "rag"] is after and right[item.id, "none"] is not after
        }
        assert set(subtasks) == flipped
        for article in shown:
            asked = article.heading.split(": ")[1]
            assert right[asked, "rag"] is after
            assert right[asked, "none"] is not after
            assert "none says so [1]." in article.text
            assert "rag says so [1]." in article.text
            assert "Crack: A thin black line." in article.text
            assert "the text was not kept" in article.text
            assert article.text.count("cited") == 1  # the reply cites [1] and not [2]
            assert "routed to red_disc, confidence 0.91" in article.text
            (image,) = article.images
            decoded = Image.open(io.BytesIO(base64.b64decode(image["src"].partition(",")[2])))
            assert decoded.size == (16, 16)
            assert image["alt"]


def test_the_draw_goes_round_the_subtasks_and_follows_the_seed(world_run: Run) -> None:
    def drawn(count: int, seed: int) -> list[str]:
        right, _ = find_flips(world_run, "none", "rag", count=count, seed=seed)
        return [flip.question.id for flip in right.flips]

    assert drawn(20, 1) == drawn(20, 1) != drawn(20, 2)
    assert drawn(20, 1)[:5] == drawn(5, 1)
    assert drawn(0, 1) == []
    everything = drawn(10_000, 1)
    assert len(set(everything)) == len(everything)
    first, _ = find_flips(world_run, "none", "rag", count=5, seed=1)
    assert len({flip.question.subtask for flip in first.flips}) == 5


def test_options_stand_in_the_order_that_the_model_saw() -> None:
    """The reply says the shown letter, the row the file's: the page must agree with the reply."""
    asked = dataclasses.replace(
        question("VisA/pcb1/test/bad/0.png", answer="C"),
        choices=tuple(Choice(letter, f"option {letter}") for letter in "ABCD"),
    )
    header = dataclasses.replace(HEADER, questions=1, shuffle_options=5)
    rows = (row(asked, Outcome.WRONG), row(asked, Outcome.CORRECT, "rag"))
    (flip,) = find_flips(Run(Path("x"), header, (asked,), rows), "none", "rag", count=1)[0].flips
    assert [(item.letter, item.text) for item in flip.options] == [
        (item.letter, item.text) for item in shown_choices(asked, 5)
    ]
    by_text = {item.text: item for item in flip.options}
    assert by_text["option C"].right
    assert by_text["option C"].chosen_by == ("rag",)
    assert by_text["option A"].chosen_by == ("none",)
    assert flip.arm.letter == by_text["option C"].letter


ROUTES = [
    ("rag", RouteOutcome.PRODUCT, ("pcb1",), 0.5, "routed to pcb1, confidence 0.50: the right product"),
    ("rag", RouteOutcome.PRODUCT, ("pcb2",), 0.5, "routed to pcb2, confidence 0.50: but the product is pcb1"),
    (
        "rag",
        RouteOutcome.NEAR_TIE,
        ("pcb2", "pcb1"),
        None,
        "routed to a near-tie of pcb2 and pcb1: which holds the product",
    ),
    (
        "rag",
        RouteOutcome.UNKNOWN,
        (),
        0.1,
        "routed to nothing: called unknown, confidence 0.10; the product is pcb1",
    ),
    ("oracle", RouteOutcome.PRODUCT, ("pcb1",), 1.0, "knowledge of pcb1 was shown"),
    ("wrong", RouteOutcome.PRODUCT, (), 1.0, "no knowledge was shown"),
    ("rag", None, (), None, None),
]


@pytest.mark.parametrize(("arm", "route", "products", "confidence", "line"), ROUTES)
def test_a_route_is_told_in_words(
    arm: str,
    route: RouteOutcome | None,
    products: tuple[str, ...],
    confidence: float | None,
    line: str | None,
) -> None:
    asked = question("VisA/pcb1/test/bad/0.png")
    after = row(asked, Outcome.CORRECT, arm, route=route, products=products, confidence=confidence)
    run = Run(Path("x"), HEADER, (asked,), (row(asked, Outcome.INVALID), after))
    (flip,) = find_flips(run, "none", arm, count=1)[0].flips
    assert flip.arm.route == line
    assert flip.without_choice == ("none",)


# hostile text

HOSTILE = (
    "<script>alert(1)</script>\"'><img src=x onerror=alert(1)></div></details>{{ 7 * 7 }}&amp;"
    "\u202eevil\u2066\x00\ud800"
)
ALLOWED = (
    r"html|head|meta|link|title|style|body|header|nav|main|section|footer|h[1-4]|p|ul|ol|li|a|dl|dt|dd|div|"
    r"table|caption|thead|tbody|tr|th|td|small|bdi|figure|figcaption|svg|line|circle|path|text|details|"
    r"summary|article|img|span|code"
)


def hostile_run(reply: str | None = HOSTILE, *, answer: Outcome = Outcome.CORRECT) -> Run:
    asked = dataclasses.replace(
        question("VisA/pcb1/test/bad/0.png"),
        id=HOSTILE,
        image_path=HOSTILE,
        text=HOSTILE,
        choices=(Choice("A", HOSTILE), Choice("B", HOSTILE)),
        product=HOSTILE,
        dataset=HOSTILE,
        label=HOSTILE,
    )
    rows = (
        row(asked, Outcome.FAILED, error=HOSTILE),
        row(
            asked, answer, "rag", reply=reply, model=HOSTILE, route=RouteOutcome.PRODUCT,
            products=(HOSTILE,), passages=(HOSTILE,),
        ),
    )  # fmt: skip
    passage = Passage(HOSTILE, HOSTILE, HOSTILE, Field.CAUSE, HOSTILE, HOSTILE)
    header = dataclasses.replace(HEADER, data=HOSTILE, wording=HOSTILE, questions=1)
    folder = Path("runs", HOSTILE.replace("\x00", "").replace("\ud800", ""))  # what a file system takes
    return Run(folder, header, (asked,), rows, passages={HOSTILE: passage})


def test_nothing_that_a_file_holds_acts_on_the_page() -> None:
    run = hostile_run()
    html = render_page(run, summarise(run, replicates=5))
    html.encode()  # no lone surrogate is left
    found = PageReader(html)
    assert all(re.fullmatch(ALLOWED, tag) for tag, _ in found.tags)
    for tag, attributes in found.tags:
        assert not [name for name in attributes if name.startswith("on")], tag
        assert "x" not in (attributes.get("src"), attributes.get("href"))
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", html)
    shown = visible(HOSTILE)
    assert "⟨U+202E⟩evil⟨U+2066⟩⟨U+0000⟩⟨U+D800⟩" in shown
    (article,) = found.articles["turned-right"]
    # question, two options, caption (3), route, passage's title, text and id, error, reply, heading
    assert article.text.count(shown) >= 12
    assert "49" not in article.text


@pytest.mark.parametrize(
    ("reply", "folded", "words"),
    [
        ("", False, "The reply is empty."),
        ("\n short", False, "\n short"),
        ("word " * 400, True, "Reply of 2,000 characters"),
        (None, False, "No reply: no reason was recorded"),
    ],
)
def test_replies_are_whole_and_long_ones_folded(reply: str | None, folded: bool, words: str) -> None:
    run = hostile_run(reply, answer=Outcome.CORRECT)
    found = PageReader(render_page(run, summarise(run, replicates=5)))
    (article,) = found.articles["turned-right"]
    assert words in article.text
    assert (reply or "") in article.text
    assert len([tag for tag, _ in found.tags if tag == "details"]) == 1 + folded  # the passages


def test_hidden_characters_are_named_and_others_kept() -> None:
    assert visible("naïve\r\nline\ttab") == "naïve\nline\ttab"
    assert visible("a\u200bb\ufeff\U000e0041\r") == "a⟨U+200B⟩b⟨U+FEFF⟩⟨U+E0041⟩⟨U+000D⟩"
    emoji = "👩\u200d🔧 שלום"
    assert visible(emoji) == emoji


def test_nothing_is_fetched_and_no_script_is_there(world_run: Run, summary: RunSummary) -> None:
    html = render_page(world_run, summary)
    found = PageReader(html)
    for _tag, attributes in found.tags:
        for name in ("src", "href", "srcset", "action", "poster", "data", "background", "xlink:href"):
            assert attributes.get(name, "#").startswith(("#", "data:"))
    assert not re.search(r"https?:|//\w|url\(|@import|<script", re.sub(r"base64,[\w+/=]+", "", html))
    (policy,) = (found["content"] for tag, found in found.tags if found.get("http-equiv"))
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'")


def test_the_page_can_be_read_without_seeing_it(page: PageReader) -> None:
    for tag, attributes in page.tags:
        if tag == "th":
            assert attributes["scope"] in {"row", "col"}
        if tag == "img":
            assert attributes["alt"]
        if tag == "svg":
            assert attributes.get("aria-label") or attributes.get("aria-hidden")
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    anchors = {found["href"][1:] for tag, found in page.tags if tag == "a"}
    assert anchors <= {found["id"] for _, found in page.tags if "id" in found}


# images


def test_a_picture_that_is_not_there_is_said_to_be_missing(
    world_run: Run, summary: RunSummary, tmp_path: Path
) -> None:
    found = PageReader(render_page(world_run, summary, data=tmp_path / "none"))
    assert f"The data folder {tmp_path / 'none'} is not here" in found.text
    assert not [tag for tag, _ in found.tags if tag == "img"]
    assert "No image here: there is no image at" in found.text
    named = render_page(world_run, summary, data=tmp_path)  # a folder, without these images
    assert "is not here" not in named
    assert "is not here" not in render_page(world_run, summary, data=tmp_path / "none", flips=0)


def test_pictures_are_scaled_and_encoded_small(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (500, 1000, 3), np.uint8)).save(tmp_path / "noise.png")
    Image.new("RGB", (200, 100), "red").save(tmp_path / "plain.jpg")
    photo, drawing = thumbnail(tmp_path, "noise.png"), thumbnail(tmp_path, "plain.jpg")
    assert (photo.width, photo.height, drawing.width, drawing.height) == (384, 192, 200, 100)
    assert photo.url is not None
    assert drawing.url is not None
    assert photo.url.startswith("data:image/jpeg;base64,")
    assert drawing.url.startswith("data:image/png;base64,")
    assert Image.open(io.BytesIO(base64.b64decode(photo.url.partition(",")[2]))).size == (384, 192)


@pytest.mark.parametrize("path", ["../secret.png", "/etc/hosts", "a\x00b.png", "text.png", "absent.png"])
def test_a_path_that_leaves_the_folder_or_is_no_picture_is_not_shown(tmp_path: Path, path: str) -> None:
    (tmp_path / "data").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "secret.png")
    (tmp_path / "data" / "text.png").write_text("no image")
    found = thumbnail(tmp_path / "data", path)
    assert found.url is None
    assert found.missing


# charts


def test_dots_and_whiskers_stand_where_their_numbers_are() -> None:
    entries = [
        Entry("a", "", Estimate(AVERAGE, 5.0, 0.0, 10.0), Estimate(AVERAGE, 5.0, -10.0, 20.0)),
        Entry("b", "", Estimate(AVERAGE, 0.0, None, None)),
    ]
    chart = dot_chart("x", entries, signed=True)
    assert [tick.label for tick in chart.ticks] == ["-10", "-5", "0", "+5", "+10", "+15", "+20"]
    assert [tick.zero for tick in chart.ticks].index(True) == 2
    at = {tick.label: tick.x for tick in chart.ticks}
    assert (at["-10"], at["+20"]) == (chart.left, chart.right)
    first, second = chart.rows
    assert (first.here.x, first.here.low, first.here.high) == (at["+5"], at["0"], at["+10"])
    assert first.new is not None
    assert (first.new.low, first.new.high) == (at["-10"], at["+20"])
    assert first.here.y < first.y < first.new.y
    assert (second.here.x, second.here.low, second.here.y, second.new) == (at["0"], None, second.y, None)


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ((100.0, 100.0), ["99", "100"]),
        ((0.0, 0.0), ["0", "1"]),
        ((0.0, 100.0), ["0", "20", "40", "60", "80", "100"]),
        ((52.3, 58.9), ["52", "54", "56", "58", "60"]),
    ],
)
def test_percent_stay_between_zero_and_a_hundred(values: tuple[float, float], labels: list[str]) -> None:
    chart = dot_chart("x", [Entry("a", "", Estimate(AVERAGE, values[0], *values))], signed=False)
    assert [tick.label for tick in chart.ticks] == labels


# arms, seeds and files


def test_the_page_is_about_rag_unless_told_otherwise(world_run: Run, summary: RunSummary) -> None:
    assert "rag against none, on average" in render_page(world_run, summary).split("<nav")[0]
    other = render_page(world_run, summary, arm="oracle")
    assert "oracle against none, on average" in other.split("<nav")[0]
    two = with_arms(world_run, "none", "wrong")
    assert "wrong against none" in render_page(two, summarise(two, replicates=5)).split("<nav")[0]
    with pytest.raises(DataError, match="no arm 'all' beside the baseline 'none'; it compares rag, oracle"):
        render_page(world_run, summary, arm="all")


def test_one_arm_has_scores_and_nothing_to_compare(world_run: Run) -> None:
    alone = with_arms(world_run, "rag")
    found = PageReader(render_page(alone, summarise(alone, replicates=5)))
    assert "Nothing is compared" in found.text
    assert found.articles == {}
    with pytest.raises(DataError, match="it compares nothing with it"):
        render_page(alone, summarise(alone, replicates=5), arm="rag")
    none = with_arms(world_run, "none")
    assert "Images by what" not in render_page(none, summarise(none, replicates=5))


def test_the_same_run_and_seed_give_the_same_bytes(world_run: Run, summary: RunSummary) -> None:
    first = render_page(world_run, summary, seed=1)
    assert first == render_page(world_run, summary, seed=1)
    assert first != render_page(world_run, summary, seed=2)


def test_a_page_beside_a_run_changes_nothing_of_it(cli: Cli, world_run: Run, tmp_path: Path) -> None:
    folder = saved(world_run, tmp_path / "run")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    ran = cli("report", folder, "--replicates", FAST)
    assert (ran.code, ran.out, ran.err) == (0, f"{folder / 'report.html'}\n", "")
    html = (folder / "report.html").read_text(encoding="utf-8")
    assert PageReader(html).articles["turned-right"]
    assert cli("report", folder, "--replicates", FAST).code == 0  # a page may be written again
    assert (folder / "report.html").read_text(encoding="utf-8") == html
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "report.html"} == before
    saved(world_run, folder, rows=0)  # the run is continued
    clear_run(folder)
    assert [path.name for path in folder.iterdir()] != []
    saved(world_run, folder, rows=6)


def test_an_unfinished_run_shows_what_is_answered_and_says_so(
    cli: Cli, world_run: Run, tmp_path: Path
) -> None:
    folder = saved(world_run, tmp_path / "run", rows=6 * 40 + 3)
    ran = cli("report", folder, "--replicates", 5, "--out", tmp_path / "new" / "page.html")
    assert ran.code == 0
    told = "The run is not finished: 40 of 108 questions are answered in every arm"
    assert told in " ".join(ran.err.split())
    assert told in PageReader((tmp_path / "new" / "page.html").read_text(encoding="utf-8")).text
    begun = saved(world_run, tmp_path / "begun", rows=2)
    refused = cli("report", begun)
    assert refused.code == 1
    assert "has no question that every arm has answered" in " ".join(refused.err.split())


def test_what_cannot_be_done_gets_one_message(cli: Cli, world_run: Run, tmp_path: Path) -> None:
    folder = saved(world_run, tmp_path / "run")
    outcomes = (folder / "outcomes.jsonl").read_bytes()
    for words, expected in (
        ((tmp_path / "none",), "is not a run folder"),
        ((folder, "--data", tmp_path / "none"), "there is no data folder at"),
        ((folder, "--arm", "all", "--replicates", 5), "no arm 'all'"),
        ((folder, "--baseline", "all", "--replicates", 5), "has no arm 'all'"),
        (
            (folder, "--out", folder / "outcomes.jsonl", "--replicates", 5),
            "is not a page and is left as it is",
        ),
        ((folder, "--out", folder, "--replicates", 5), "cannot be written (Is a directory)"),
        ((folder, "--out", folder / "run.json" / "x.html", "--replicates", 5), "cannot be written"),
    ):
        ran = cli("report", *words)
        assert ran.code == 1, words
        assert expected in " ".join(ran.err.split())
        assert "Traceback" not in ran.err
    assert (folder / "outcomes.jsonl").read_bytes() == outcomes
    assert cli("report", folder, "--flips", -1).code == 2


def test_a_disk_that_fills_up_leaves_the_page_that_was_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write_page("<!doctype html>old", tmp_path / "page.html")

    def full(_file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="No space left on device"):
        write_page("<!doctype html>new", tmp_path / "page.html")
    assert (tmp_path / "page.html").read_bytes() == b"<!doctype html>old"


def test_a_hard_subset_stands_among_the_parts(world_run: Run, summary: RunSummary) -> None:
    assert summary.rightly_routed
    found = PageReader(render_page(world_run, summary))
    parts = cells(found.tables["Averages on parts of the questions, with 95 % intervals"])
    assert list(parts) == ["rag against none where routing was right"]
    (subset,) = (part for part in summary.rightly_routed if part.comparisons)
    average = subset.comparisons[0].columns[-1]
    shown = parts["rag against none where routing was right"]
    assert shown["Questions"] == f"{subset.questions} of 108"
    assert shown["Gain on these products"].startswith(f"{average.difference:+.1f} [")
    assert {question.subtask for question in world_run.questions} <= set(MMAD_COLUMNS.names)
