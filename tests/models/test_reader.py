"""The lexical reader: scores worked by hand, chance where nothing can be read, and the real benchmark."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import itertools
import json
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmad_rag.fields import Field
from mmad_rag.models.builtin.reader import ReaderModel, choice_scores
from mmad_rag.records import (
    NORMAL_ENTRY,
    Choice,
    EncodedImage,
    Hit,
    Knowledge,
    MediaType,
    Passage,
    Prompt,
    Route,
    RouteOutcome,
)
from mmad_rag.words import content_words, stem, words_of
from tests.support.shared import MMAD, needs_shared

READER = ReaderModel()


def hit(product: str, entry: str, title: str, text: str) -> Hit:
    passage_id = f"{product}/{entry}/appearance/{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    return Hit(Passage(passage_id, product, entry, Field.APPEARANCE, title, text), 1.0)


def known(*hits: Hit, products: tuple[str, ...] = ("metal_nut",)) -> Knowledge:
    return Knowledge(Route(RouteOutcome.PRODUCT, (), products, 1.0), hits, "test")


def choices(*texts: str) -> tuple[Choice, ...]:
    return tuple(Choice(letter, text) for letter, text in zip("ABCDE", texts, strict=False))


def letter(prompt: Prompt) -> str:
    return asyncio.run(READER.answer(prompt)).text


NUT = known(
    hit("metal_nut", NORMAL_ENTRY, "Normal state", "Four flat lobes."),
    hit("metal_nut", "bent", "Bent lobe", "A lobe is bent upwards."),
    hit("metal_nut", "bent", "Bent lobe", "Bending comes from rough handling."),
    hit("metal_nut", "scratch", "Scratches", "Bright lines."),
)
QUESTION = Prompt(
    "There is a defect in the object. What is the type of the defect?",
    image=None,
    choices=choices("Bent lobe.", "Broken thread.", "Scratch.", "Rust."),
    knowledge=NUT,
)


# Words


@pytest.mark.parametrize(
    ("words", "stems"),
    [
        ("chip chips chipped chipping", "chip"),
        ("scratch scratches scratched scratching", "scratch"),
        ("bend bends bending", "bend"),
        ("glue glues glued gluing", "glu"),
        ("edge edges edged", "edg"),
        ("impurity impurities", "impurity"),
        ("press presses pressed pressing", "press"),
        ("fill fills filled filling", "fill"),
        ("slight slightly", "slight"),
        ("box boxes", "box"),
        ("radius", "radius"),
        ("axis", "axis"),
        ("red", "red"),
        ("string", "string"),
        ("gas", "gas"),
        ("pies", "pie"),
    ],
)
def test_forms_of_a_word_share_their_stem(words: str, stems: str) -> None:
    assert {stem(word) for word in words.split()} == {stems}


def test_content_words_are_lower_case_without_accents_or_stop_words() -> None:
    assert content_words("Is the CAFÉ's ﬁlm (not) Torn, or 3.5 mm off-centre?") == (
        "caf",
        "film",
        "torn",
        "3",
        "5",
        "mm",
        "center",
    )
    assert content_words("Yes. No. It is not.") == ()


@given(st.text())
def test_any_text_has_words_that_are_plain(text: str) -> None:
    for word in content_words(text):
        assert word == word.casefold()
        assert all(letter.isalnum() or unicodedata.category(letter)[0] == "M" for letter in word)
        assert word.isascii() or words_of(word)


# Scores


def test_scores_are_as_worked_by_hand() -> None:
    # Pieces: "metal nut" / "Normal state", "Bent lobe", "Scratches" / the four texts.
    # n(bent) = 2 (title, second text), n(lobe) = 3 (title, first, second), n(scratch) = 1, the rest 0.
    assert choice_scores(QUESTION.choices, NUT) == pytest.approx(
        ((math.log(3) + math.log(4)) / math.sqrt(2), 0.0, math.log(2), 0.0)
    )
    assert letter(QUESTION) == "A"


def test_a_word_counts_once_however_often_a_choice_repeats_it() -> None:
    once, twice = choice_scores(choices("Scratch", "Scratch scratched scratches"), NUT)
    assert once == twice == pytest.approx(math.log(2))


def test_unknown_words_lower_a_score() -> None:
    short, long = choice_scores(choices("Scratch", "Scratch with purple dots"), NUT)
    assert long == pytest.approx(short / math.sqrt(3))


def test_the_name_of_the_product_can_be_read() -> None:
    assert choice_scores(choices("Metal nut.", "Zipper."), NUT) == pytest.approx(
        (2 * math.log(2) / 2**0.5, 0.0)
    )


def test_two_products_of_a_near_tie_are_both_read() -> None:
    both = known(
        hit("pcb1", NORMAL_ENTRY, "Normal state", "Green."),
        hit("pcb2", NORMAL_ENTRY, "Normal state", "Blue."),
        products=("pcb1", "pcb2"),
    )
    # Each product has its own title "Normal state": n(normal) = 2.
    assert choice_scores(choices("Green", "Blue", "pcb2", "normal"), both) == pytest.approx(
        (math.log(2), math.log(2), math.log(2), math.log(3))
    )


@pytest.mark.parametrize("nothing", [None, known(), known(products=())])
def test_without_passages_there_is_nothing_to_read(nothing: Knowledge | None) -> None:
    assert choice_scores(choices("Metal nut.", "Zipper."), nothing) == (0.0, 0.0)


# Chance


def letters_by_chance(make: Callable[[int], Prompt], n: int = 2000) -> Counter[str]:
    return Counter(letter(make(number)) for number in range(n))


def picture(number: int) -> EncodedImage:
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    return EncodedImage(b"", MediaType.PNG, 1, 1, digest, "made")


@pytest.mark.slow
def test_without_knowledge_every_letter_is_equally_likely_whatever_its_length() -> None:
    lopsided = choices("x", "a very much longer option than all the others", "mid length", "y")
    counts = letters_by_chance(
        lambda n: dataclasses.replace(QUESTION, image=picture(n), choices=lopsided, knowledge=None)
    )
    # Three standard deviations of a fair draw: sqrt(2000 * 1/4 * 3/4) = 19.4.
    assert all(abs(counts[name] - 500) < 58 for name in "ABCD")


@pytest.mark.slow
def test_yes_and_no_are_left_to_chance_with_and_without_knowledge() -> None:
    detection = Prompt("Is there any defect in the object?", image=None, choices=choices("Yes.", "No."))
    counts = letters_by_chance(lambda n: dataclasses.replace(detection, image=picture(n)))
    assert abs(counts["A"] - 1000) < 67, "three standard deviations: sqrt(2000 / 4) = 22.4"
    for number in range(50):
        prompt = dataclasses.replace(detection, image=picture(number))
        assert letter(prompt) == letter(dataclasses.replace(prompt, knowledge=NUT)), "the same in every arm"


@pytest.mark.parametrize("knowledge", [None, NUT])
def test_the_order_of_the_choices_does_not_change_the_choice(knowledge: Knowledge | None) -> None:
    texts = [choice.text for choice in QUESTION.choices]
    picked = set()
    for order in itertools.permutations(texts):
        shown = choices(*order)
        name = letter(dataclasses.replace(QUESTION, choices=shown, knowledge=knowledge))
        picked.add(next(choice.text for choice in shown if choice.letter == name))
    assert len(picked) == 1


@given(st.integers(0, 1000))
def test_what_the_picture_shows_never_matters_where_the_knowledge_decides(number: int) -> None:
    assert letter(dataclasses.replace(QUESTION, image=picture(number))) == "A"


def test_two_choices_with_the_same_words_tie_and_the_rest_is_out() -> None:
    tied = dataclasses.replace(QUESTION, choices=choices("Rust.", "Bent lobe.", "Lobes bent!"))
    counts = letters_by_chance(lambda n: dataclasses.replace(tied, image=picture(n)), n=200)
    assert set(counts) == {"B", "C"}


# Open questions and identity


def test_an_open_question_gets_the_passage_that_shares_most_with_it() -> None:
    ask = Prompt("Where does bending of a lobe come from?", image=None, knowledge=NUT)
    # "come", "bend" and "lob" (from the title) are in the third; the second has "lob" only.
    assert letter(ask) == "Bending comes from rough handling."


@pytest.mark.parametrize("knowledge", [None, NUT])
def test_an_open_question_that_nothing_fits_gets_no_text(knowledge: Knowledge | None) -> None:
    assert letter(Prompt("How old?", image=None, knowledge=knowledge)) == ""


def test_the_reply_names_the_reader_and_its_version() -> None:
    reply = asyncio.run(READER.answer(QUESTION))
    assert reply.model == READER.identity == "builtin:reader/2"
    assert reply.usage is None


# The real benchmark

_SENTENCE = re.compile(r"(?<=[.:;])\s+|\n\s*-?")


def published_knowledge() -> dict[tuple[str, str], Knowledge]:
    """The published file, one passage a sentence, by dataset and product."""
    datasets = json.loads((MMAD / "domain_knowledge.json").read_text(encoding="utf-8"))
    return {
        (dataset, product): known(*published_hits(product, entries), products=(product,))
        for dataset, products in datasets.items()
        for product, entries in products.items()
    }


def published_hits(product: str, entries: dict[str, str]) -> Iterator[Hit]:
    for entry, blob in entries.items():
        found = re.search(r"<(.*?)>", blob)
        title = found.group(1) if found else entry
        body = re.sub(r"<.*?>", "", blob).replace("Description:", "")
        for sentence in _SENTENCE.split(body):
            if len(sentence.strip(" -\n")) > 3:
                yield hit(product, entry, title, sentence.strip(" -\n"))


def accuracy_by_subtask(arm: str, wanted: str) -> dict[str, float]:
    """Percent right by subtask in one dataset, with no, the true, or some other product's knowledge."""
    knowledge = published_knowledge()
    records = json.loads((MMAD / "mmad.json").read_text(encoding="utf-8"))
    right: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    for path, record in records.items():
        dataset, product = path.split("/")[:2]
        if dataset != wanted:
            continue
        own = (dataset.removeprefix("DS-"), product)
        digest = hashlib.sha256(path.encode())
        others = sorted(set(knowledge) - {own})
        wrong = others[int(digest.hexdigest(), 16) % len(others)]
        shown = {"none": None, "true": knowledge[own], "wrong": knowledge[wrong]}[arm]
        query = EncodedImage(b"", MediaType.PNG, 1, 1, digest.hexdigest(), path)
        for item in record["conversation"]:
            options = tuple(Choice(name, text) for name, text in item["Options"].items())
            reply = letter_fast(Prompt(item["Question"], query, options, knowledge=shown))
            subtask = re.sub(r"Object (Structure|Details)", "Object Analysis", item["type"])
            right[subtask] += reply == item["Answer"]
            asked[subtask] += 1
    return {subtask: 100 * right[subtask] / asked[subtask] for subtask in sorted(asked)}


def letter_fast(prompt: Prompt) -> str:
    """As `letter`, without a new event loop for each of thousands of questions."""
    answering = READER.answer(prompt)
    try:
        answering.send(None)
    except StopIteration as finished:
        text: str = finished.value.text
        return text
    raise AssertionError("the reader waits for nothing")


@needs_shared
@pytest.mark.shared
@pytest.mark.slow
def test_without_knowledge_the_reader_is_at_chance_on_the_real_questions() -> None:
    found = accuracy_by_subtask("none", "DS-MVTec")
    detection = found.pop("Anomaly Detection")
    assert detection == pytest.approx(50, abs=4)
    assert all(value == pytest.approx(25, abs=4) for value in found.values()), found


@needs_shared
@pytest.mark.shared
@pytest.mark.slow
def test_the_true_product_s_knowledge_gives_answers_away_and_another_s_does_not() -> None:
    true, wrong = (accuracy_by_subtask(arm, "DS-MVTec") for arm in ("true", "wrong"))
    assert true["Defect Classification"] > 58
    assert wrong["Defect Classification"] < 28
    assert true["Object Classification"] > 95
    assert wrong["Object Classification"] < 37
    assert true["Anomaly Detection"] == wrong["Anomaly Detection"], "yes and no hold nothing to read"
