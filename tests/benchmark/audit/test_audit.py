"""The audit: shortcuts, the hard subset and the leak, worked out by hand on tiny question sets."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mmad_rag.benchmark.audit.audit import CHANCE, Audit, ShortcutCell, audit_questions
from mmad_rag.benchmark.audit.choose_hard import hard_subset
from mmad_rag.benchmark.audit.leakage import ANY_DEFECT, ANY_ENTRY, leak_report
from mmad_rag.benchmark.audit.shortcuts import ShortcutName, centralities, chance_of, shortcut_credits
from mmad_rag.benchmark.data.mmad import load_questions
from mmad_rag.knowledge import load_knowledge
from mmad_rag.records import Choice, Question
from tests.support.bench import ends
from tests.support.running import Cli
from tests.support.shared import MMAD, needs_shared
from tests.support.world import World

CLASSIFY = "Defect Classification"
DETECT = "Anomaly Detection"


def ask(
    number: int,
    options: str,
    answer: str,
    *,
    subtask: str = CLASSIFY,
    label: str = "crack",
    product: str = "red_disc",
) -> Question:
    """A question about image `number`; options are parted by `|`."""
    image = f"Tiny/{product}/test/{label}/{number}.png"
    choices = tuple(Choice("ABCDE"[place], text) for place, text in enumerate(options.split("|")))
    return Question(f"{image}#0", image, "Which?", choices, answer, subtask, subtask, "Tiny", product, label)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Four images of cracks; the longest option is right of three, so that one hit outweighs one miss."""
    record = {
        f"Tiny/red_disc/test/crack/{number}.png": {
            "conversation": [
                {
                    "Question": "Which defect?",
                    "Options": {"A": "crack in the disc", "B": "hole"},
                    "Answer": answer,
                    "type": "Defect Classification",
                }
            ]
        }
        for number, answer in enumerate("AAAB")
    }
    (tmp_path / "mmad.json").write_text(json.dumps(record))
    return tmp_path


def test_credits_of_the_options_shortcuts() -> None:
    """Ties are shared; the frequent letter is counted on the other images."""
    questions = [ask(0, "aa bb|aa bb cc|zz yy", "B"), ask(1, "dot|pit", "A"), ask(2, "ab|abcd", "B")]
    found = shortcut_credits(questions)
    assert found[ShortcutName.LONGEST].tolist() == [1, 0.5, 1]
    assert found[ShortcutName.SHORTEST].tolist() == [0, 0.5, 0]
    assert found[ShortcutName.FIRST].tolist() == [0, 1, 0]
    assert found[ShortcutName.FREQUENT].tolist() == [0.5, 0, 0.5]
    assert found[ShortcutName.CENTRAL].tolist() == [0.5, 0.5, 0.5]
    assert chance_of(questions).tolist() == [1 / 3, 0.5, 0.5]
    assert ShortcutName.READER_TRUE not in found


def test_centrality_is_the_mean_jaccard_index() -> None:
    """Of {red, dot}, {red, line} and {hole}: 1/3 over two others, and nothing; stop words share nothing."""
    options = [Choice("A", "red dot"), Choice("B", "red line"), Choice("C", "hole")]
    assert centralities(options) == pytest.approx((1 / 6, 1 / 6, 0))
    assert centralities([Choice("A", "No."), Choice("B", "Not.")]) == (0, 0)


def test_the_reader_hits_by_true_knowledge_only(world: World) -> None:
    """The true product's words name the option; of an unknown product, or without knowledge, it is chance."""
    products = {item.product: item for item in load_knowledge(world.knowledge).products}
    questions = [ask(0, "a red disc|a blue bar", "A"), ask(1, "a|zebra", "A", product="unheard")]
    found = shortcut_credits(questions, products)
    assert found[ShortcutName.READER_TRUE].tolist() == [1, 0.5]
    assert found[ShortcutName.READER_NONE].tolist() == [0.5, 0.5]
    only = shortcut_credits(questions, {"red_disc": products["red_disc"]})
    assert ShortcutName.READER_WRONG not in only
    assert ShortcutName.READER_ALIKE not in only


def test_the_hard_subset_takes_out_as_many_hits_as_outweigh_misses() -> None:
    """Three hits and one miss at chance 1/2: two hits go, one of each stays."""
    questions = [ask(number, "a|b", "A") for number in range(4)]
    hard = hard_subset(questions, np.array([[0.5], [0.5], [0.5], [-0.5]]))
    assert len(hard) == 2
    assert questions[3].id in hard
    assert hard == hard_subset(questions, np.array([[0.5], [0.5], [0.5], [-0.5]]))


def test_a_cell_that_is_wholly_given_away_goes() -> None:
    """Where every question is a hit nothing can be balanced."""
    assert hard_subset([ask(0, "a|b", "A"), ask(1, "a|b", "A")], np.full((2, 1), 0.5)) == ()


def test_detection_is_balanced_over_its_sides() -> None:
    """Always "Yes." hits every abnormal image and no normal one: at chance as it is."""
    labels = ("crack", "crack", "crack", "good")
    questions = [
        ask(number, "Yes.|No.", "A", subtask=DETECT, label=label) for number, label in enumerate(labels)
    ]
    assert len(hard_subset(questions, np.array([[0.5], [0.5], [0.5], [-0.5]]))) == 4


@pytest.mark.parametrize("seed", range(5))
def test_no_shortcut_beats_chance_on_the_hard_subset(seed: int) -> None:
    """Whatever the excesses, every mean that is left is 0 or below."""
    rng = np.random.default_rng(seed)
    questions = [ask(number, "a|b|c|d", "A") for number in range(60)]
    excess = rng.choice([-0.25, 0.75], size=(60, 4), p=[0.6, 0.4])
    kept = set(hard_subset(questions, excess))
    rows = [row for item, row in zip(questions, excess, strict=True) if item.id in kept]
    assert kept
    assert (np.mean(rows, axis=0) <= 1e-9).all()


def test_the_leak_is_a_difference_of_overlaps(world: World) -> None:
    """`thin line` stands in the crack's entry, `thin zebra` half, `zebra` not: 100 - (50 + 0) / 2 = 75."""
    products = {item.product: item for item in load_knowledge(world.knowledge).products}
    questions = [
        ask(0, "thin line|thin zebra|zebra", "A"),
        ask(1, "zebra|grease", "B", label="unlisted"),
        ask(2, "zebra|smooth", "A", subtask="Object Analysis", label="crack"),
        ask(3, "Yes.|No.", "A", subtask=DETECT),
        ask(4, "Yes.|zebra", "A", product="unheard"),
    ]
    found = leak_report(questions, products, replicates=10)
    assert [(item.entry, item.questions) for item in found.entries] == [
        (ANY_DEFECT, 1),
        ("crack", 1),
        ("normal", 1),
    ]
    assert [item.leak for item in found.entries] == pytest.approx([100, 75, -100])
    assert {item.column: item.value for item in found.columns} == pytest.approx(
        {"Defect Classification": 87.5, "Object Analysis": -100, "Average": -6.25}
    )
    assert (found.questions, found.left_out) == (3, 1)
    assert leak_report(questions[3:], products, replicates=10).columns == ()


def test_a_question_of_an_own_type_is_held_against_every_entry(world: World) -> None:
    """Nobody knows whether it is about the object or a defect: `smooth` is normal, `thin line` a crack."""
    products = {item.product: item for item in load_knowledge(world.knowledge).products}
    questions = [
        ask(0, "thin line|zebra", "A", subtask="Reading"),
        ask(1, "smooth|zebra", "A", subtask="Reading"),
    ]
    found = leak_report(questions, products, replicates=10)
    assert [(item.entry, item.questions, item.leak) for item in found.entries] == [(ANY_ENTRY, 2, 100.0)]
    assert [item.column for item in found.columns] == ["Reading", "Average"]


def test_the_audit_of_four_questions(data: Path, world: World) -> None:
    """Longest scores 75, 25 above chance; on the hard subset 50; flags name what hit."""
    found = audit_questions(load_questions(data), load_knowledge(world.knowledge), replicates=50)
    cell = _average(found, "longest")
    assert (cell.score.value, cell.above_chance.value) == (75, 25)
    low, high = ends(cell.score)
    assert low <= 75 <= high
    assert _average(found, CHANCE).score.value == 50
    assert len(found.hard) == 2
    assert all(score.cells[-1].score.value <= 50 for score in found.hard_questions)
    assert "longest" in found.questions[0].hit_by
    assert "shortest" in found.questions[3].hit_by
    assert found.leak is not None
    again = audit_questions(load_questions(data), load_knowledge(world.knowledge), replicates=50)
    assert again == found


def _average(found: Audit, name: str) -> ShortcutCell:
    return next(score for score in found.all_questions if score.shortcut == name).cells[-1]


def test_the_command_writes_tables_and_the_subset(cli: Cli, data: Path, world: World) -> None:
    """Tables fit 80 columns; the file names its rule and its data; --json is one document."""
    target = data / "hard.json"
    words = ("audit", "--data", str(data), "--replicates", "20")
    done = cli(*words, "--knowledge", str(world.knowledge), "--out", str(target))
    assert done.code == 0
    assert "longest" in done.out
    assert max(map(len, done.out.splitlines())) <= 80
    written = json.loads(target.read_text())
    assert (written["rule"], len(written["questions"]), written["of_questions"]) == ("hard/2", 2, 4)
    assert written["data_sha256"] == load_questions(data).sha256
    document = json.loads(cli(*words, "--json").out)
    assert document["leak"] is None
    assert len(document["questions"]) == 4


def test_an_empty_hard_subset_is_said(cli: Cli, data: Path) -> None:
    """Where the longest option is always right nothing is left, and no table is shown for it."""
    path = data / "mmad.json"
    path.write_text(path.read_text().replace('"Answer": "B"', '"Answer": "A"'))
    done = cli("audit", "--data", str(data), "--replicates", "5")
    assert done.code == 0
    assert "The hard subset is empty" in done.err
    assert "Hard subset" not in done.out


def test_products_without_knowledge_are_counted(cli: Cli, data: Path, world: World) -> None:
    """A question set about other products has no leak, and the note says how many questions that are."""
    path = data / "mmad.json"
    path.write_text(path.read_text().replace("red_disc", "unheard"))
    done = cli("audit", "--data", str(data), "--knowledge", str(world.knowledge), "--replicates", "5")
    assert done.code == 0
    assert "4 questions are about products" in done.err
    assert "Leak" not in done.out


@pytest.mark.parametrize("out", ["{data}/no/hard.json", "{data}", "."])
def test_an_output_that_cannot_be_written_is_named(cli: Cli, data: Path, out: str) -> None:
    """A missing folder is the user's to mend, and so is a folder in the file's place."""
    out = out.format(data=data)
    before = sorted(data.iterdir())
    done = cli("audit", "--data", str(data), "--replicates", "5", "--out", out)
    assert done.code == 1
    assert f"{out} cannot be written" in " ".join(done.err.split())
    assert sorted(data.iterdir()) == before, "no draft is left"


@pytest.mark.shared
@needs_shared
def test_the_real_questions_give_longest_away() -> None:
    """The longest option scores about 54 %; on the hard subset no shortcut is above chance."""
    found = audit_questions(load_questions(MMAD), replicates=20)
    assert _average(found, "longest").score.value == pytest.approx(53.9, abs=0.1)
    for score in found.hard_questions:
        assert all(cell.above_chance.value <= 1e-6 for cell in score.cells)
