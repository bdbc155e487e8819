"""The sample's questions: true by construction, in MMAD's schema, and no habit beats chance."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from mmad_rag.benchmark.data.mmad import MMAD_COLUMNS, load_questions
from mmad_rag.benchmark.sample import CATALOGUE, GOOD, LOOK_ALIKES, draw
from mmad_rag.benchmark.sample.facts import Family, load_facts
from mmad_rag.benchmark.sample.questions import ask
from mmad_rag.records import Json
from tests.support.paths import ROOT
from tests.support.sample_world import DEFECT_TYPES, OBJECT_TYPES, Rendered, render_whole

KNOWLEDGE = ROOT / "knowledge"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    return render_whole(tmp_path_factory.mktemp("sample") / "whole")


@pytest.mark.slow
def test_records_have_the_official_keys_in_their_order(whole: Rendered) -> None:
    keys = ["image_path", "conversation", "mask_path", "similar_templates", "random_templates"]
    for path, record in whole.records.items():
        folder = "/".join(path.split("/")[:2])
        good = path.split("/")[3] == GOOD
        assert list(record) == keys
        assert f"{folder}/{record['image_path']}" == path
        assert (record["mask_path"] is None) == good
        for templates in (record["similar_templates"], record["random_templates"]):
            assert len(set(templates)) == 8
            assert all((whole.folder / template).is_file() for template in templates)
        assert record["random_templates"] == sorted(record["random_templates"])
        if not good:
            mask = np.asarray(Image.open(whole.folder / folder / record["mask_path"]))
            assert mask.any()
            assert set(np.unique(mask)) <= {0, 255}
    for _, question in whole.questions():
        assert list(question) == ["Question", "Answer", "Options", "type", "annotation"]


@pytest.mark.slow
def test_the_library_reads_its_own_sample(whole: Rendered) -> None:
    benchmark = load_questions(whole.folder)
    assert len(benchmark.questions) == whole.summary.questions == 1560
    assert benchmark.missing_images == ()
    assert benchmark.sha256 == whole.summary.mmad_sha256
    assert len({question.product for question in benchmark.questions}) == 20


@pytest.mark.slow
def test_each_picture_has_the_five_questions_of_its_label(whole: Rendered) -> None:
    """Object questions only on normal pictures, defect questions only on others, detection on all."""
    for path, record in whole.records.items():
        asked = [question["type"] for question in record["conversation"]]
        good = path.split("/")[3] == GOOD
        assert asked[0] == "Anomaly Detection"
        assert set(asked[1:]) == (OBJECT_TYPES if good else DEFECT_TYPES)
        assert len(asked) == 5
        for question in record["conversation"]:
            opening = question["Question"].startswith("There is a defect in the object. ")
            assert opening == (question["type"] in DEFECT_TYPES)


@pytest.mark.slow
def test_options_are_distinct_and_the_answer_is_one_of_them(whole: Rendered) -> None:
    for path, question in whole.questions():
        options = question["Options"]
        detection = question["type"] == "Anomaly Detection"
        assert list(options) == (["A", "B"] if detection else ["A", "B", "C", "D"])
        assert len({text.casefold() for text in options.values()}) == len(options)
        assert question["Answer"] in options
        assert all(re.fullmatch(r"[A-Z].*[^.]\.", text) for text in options.values())
        if detection:
            good = path.split("/")[3] == GOOD
            assert options[question["Answer"]] == ("No." if good else "Yes.")


@pytest.mark.slow
def test_a_look_alike_is_always_among_the_products_to_choose_from(whole: Rendered) -> None:
    twins = {a: b for pair in LOOK_ALIKES for a, b in (pair, pair[::-1])}
    seen = Counter[str]()
    for path, question in whole.questions():
        product = path.split("/")[1]
        if question["type"] == "Object Classification":
            assert question["Options"][question["Answer"]] == f"{load_facts(product).noun}."
            if product in twins:
                assert f"{load_facts(twins[product]).noun}." in question["Options"].values()
                seen[product] += 1
    assert set(seen) == set(twins)


@pytest.mark.parametrize(
    ("type_", "what"), [("Defect Classification", "name"), ("Defect Description", "look")]
)
@pytest.mark.slow
def test_the_truth_stands_beside_another_defect_of_the_same_product(
    whole: Rendered, type_: str, what: str
) -> None:
    for path, question in whole.questions():
        if question["type"] == type_:
            defects = load_facts(path.split("/")[1]).defects
            own = {f"{getattr(defect, what)}." for defect in defects}
            assert question["Options"][question["Answer"]] in own
            assert len(own & set(question["Options"].values())) >= 2


@pytest.mark.slow
def test_wrong_answers_from_elsewhere_are_of_another_family(whole: Rendered) -> None:
    """A crack is never one of the wrong names of a break: it might be right."""
    family = {f"{d.name}.": d.family for p in CATALOGUE for d in load_facts(p.name).defects}
    for path, question in whole.questions():
        if question["type"] == "Defect Classification":
            own = {f"{defect.name}." for defect in load_facts(path.split("/")[1]).defects}
            truth = question["Options"][question["Answer"]]
            foreign = {family[text] for text in question["Options"].values() if text not in own}
            assert family[truth] not in foreign
            if family[truth] in {Family.COLOUR, Family.FOREIGN}:
                assert not foreign & {Family.COLOUR, Family.FOREIGN}


def test_locations_are_those_of_the_drawing() -> None:
    """Even numbers ask for the part where parts have names; odd ones for the region, far from its borders."""
    drawing = draw("transistor", "cut_lead", np.random.default_rng(5), 64)
    by_part, by_region = (ask(drawing, number)[2] for number in (0, 1))
    assert by_part.question.endswith("Which part is affected?")
    assert by_part.answer[0] == drawing.notes.part.capitalize()
    assert by_region.question.endswith("Where is the defect?")
    assert by_region.answer[0].lower() == drawing.region
    wrong = {words[0].lower() for words in by_region.pool}
    assert wrong.isdisjoint({drawing.region, *drawing.doubtful})
    assert len(wrong) + len(drawing.doubtful) == 8


def test_what_differs_between_good_pieces_is_asked_of_the_picture() -> None:
    """The way that a screw points and the colour of a toothbrush are those of the drawing."""
    for seed in range(6):
        screw = draw("screw", GOOD, np.random.default_rng(seed), 48)
        assert screw.notes.direction is not None
        right, down = screw.notes.direction
        answer = ask(screw, 1)[3].answer[0]
        words = answer.lower()
        assert ("right" not in words) or right > 0
        assert ("left" not in words) or right < 0
        assert (not words.startswith(("down", "to the lower"))) or down > 0
        assert (not words.startswith(("up", "to the upper"))) or down < 0
        brush = draw("toothbrush", GOOD, np.random.default_rng(seed), 48)
        assert ask(brush, 1)[3].answer[0].lower() == brush.notes.colour


@pytest.mark.parametrize(
    ("product", "label", "kind", "side"),
    [
        ("screw", "manipulated_front", "manipulated_front", 1),
        ("screw", "scratch_head", "scratch_head", -1),
        ("pcb1", "bad", "bent_pin", 1),
    ],
)
def test_what_points_is_where_the_notes_say(product: str, label: str, kind: str, side: int) -> None:
    """Damage to the tip or the pins lies in the noted direction, damage to the head on the other side."""
    for seed in range(8):
        drawing = draw(product, label, np.random.default_rng(seed), 96, kind=kind)
        assert drawing.notes.direction is not None
        rows, columns = np.nonzero(drawing.mask)
        right, down = drawing.notes.direction
        assert side * ((columns.mean() - 47.5) * right + (rows.mean() - 47.5) * down) > 12


@pytest.mark.slow
def test_no_right_answer_is_a_sentence_of_the_knowledge_base(whole: Rendered) -> None:
    sentences = {
        text.strip(" .").casefold()
        for path in (KNOWLEDGE / f"{product.name}.yaml" for product in CATALOGUE)
        for line in re.findall(r"'([^']*)'|\"([^\"]*)\"", repr(yaml.safe_load(path.read_text("utf-8"))))
        for entry in line
        for text in re.split(r"(?<=\.)\s", entry)
        if len(text.split()) > 4
    }
    assert len(sentences) > 400
    right = {
        question["Options"][question["Answer"]].strip(" .").casefold() for _, question in whole.questions()
    }
    assert right.isdisjoint(sentences)


# --- no habit beats chance --------------------------------------------------------------------------------

Habit = Callable[[dict[str, str]], set[str]]


def _longest(options: dict[str, str]) -> set[str]:
    top = max(map(len, options.values()))
    return {letter for letter, text in options.items() if len(text) == top}


def _shortest(options: dict[str, str]) -> set[str]:
    least = min(map(len, options.values()))
    return {letter for letter, text in options.items() if len(text) == least}


def _wordiest(options: dict[str, str]) -> set[str]:
    top = max(len(text.split()) for text in options.values())
    return {letter for letter, text in options.items() if len(text.split()) == top}


def _fixed(letter: str, options: dict[str, str]) -> set[str]:
    return {letter} & set(options)


HABITS: dict[str, Habit] = {
    "longest": _longest,
    "shortest": _shortest,
    "wordiest": _wordiest,
    **{f"always {letter}": partial(_fixed, letter) for letter in "ABCD"},
}


def _accuracy(questions: list[Json], habit: Habit) -> float:
    """The expected share of right answers, ties broken by chance."""
    hits = 0.0
    for question in questions:
        choice = habit(question["Options"])
        hits += (question["Answer"] in choice) / max(1, len(choice))
    return hits / len(questions)


@pytest.mark.parametrize("name", HABITS)
@pytest.mark.slow
def test_a_habit_scores_chance(whole: Rendered, name: str) -> None:
    """Within 5 points over all questions with as many options, within 10 points for every type."""
    by_type: dict[str, list[Json]] = {}
    for _, question in whole.questions():
        by_type.setdefault(question["type"], []).append(question)
    assert set(by_type) == set(MMAD_COLUMNS.folds)
    detection = by_type.pop("Anomaly Detection")
    if name not in {"always C", "always D"}:
        assert _accuracy(detection, HABITS[name]) == pytest.approx(0.5, abs=0.01)
    everything = [question for questions in by_type.values() for question in questions]
    assert _accuracy(everything, HABITS[name]) == pytest.approx(0.25, abs=0.05)
    for type_, questions in by_type.items():
        assert _accuracy(questions, HABITS[name]) == pytest.approx(0.25, abs=0.1), type_


@pytest.mark.slow
def test_letters_are_balanced_for_every_type(whole: Rendered) -> None:
    letters: dict[str, Counter[str]] = {}
    for _, question in whole.questions():
        letters.setdefault(question["type"], Counter())[question["Answer"]] += 1
    for type_, counts in letters.items():
        share = 1 / len(counts)
        assert len(counts) == (2 if type_ == "Anomaly Detection" else 4)
        assert all(count / counts.total() == pytest.approx(share, abs=0.03) for count in counts.values())


@pytest.mark.slow
def test_yes_is_first_as_often_on_normal_as_on_defective_pictures(whole: Rendered) -> None:
    first = Counter(
        (path.split("/")[3] == GOOD, question["Options"]["A"])
        for path, question in whole.questions()
        if question["type"] == "Anomaly Detection"
    )
    assert set(first.values()) == {78}


@pytest.mark.slow
def test_having_been_right_says_little_about_a_statement(whole: Rendered, tmp_path: Path) -> None:
    """Picking the statement that was most often right in a sample of another seed stays near chance."""
    right, shown = Counter[str](), Counter[str]()
    for _, question in render_whole(tmp_path, seed=1, templates=1).questions():
        shown.update(question["Options"].values())
        right[question["Options"][question["Answer"]]] += 1
    pooled = {"Defect Classification", "Defect Description", "Object Classification"}
    asked = [question for _, question in whole.questions() if question["type"] in pooled]
    hits = 0
    for question in asked:
        rate = {k: (right[o] + 1) / (shown[o] + 4) for k, o in question["Options"].items()}
        hits += max(rate, key=lambda letter: rate[letter]) == question["Answer"]
    assert hits / len(asked) == pytest.approx(0.25, abs=0.1)
