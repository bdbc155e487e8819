"""Overkill and miss rates by both rules, worked out by hand and against MMAD's formula told once more."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmad_rag.benchmark.data.columns import AVERAGE
from mmad_rag.benchmark.score.answers_file import AnswerRecord
from mmad_rag.benchmark.score.detection import says_the_opposite
from mmad_rag.benchmark.score.rules import Rule
from mmad_rag.benchmark.score.score import score_answers, score_run
from mmad_rag.benchmark.score.table import DetectionRates
from mmad_rag.cli.console import plain
from mmad_rag.records import Choice, Outcome, Question
from mmad_rag.report.tables.scores import detection_line
from tests.support.bench import question, row

AD, CLS = "Anomaly Detection", "Defect Classification"
GOOD, BAD = "DS-MVTec/nut/image/good/{}.png", "DS-MVTec/nut/image/bent/{}.png"
VISA_GOOD, VISA_BAD = "VisA/pcb1/test/good/{}.JPG", "VisA/pcb1/test/bad/{}.JPG"


def answer(image: str, gpt: str | None, kind: str = AD) -> AnswerRecord:
    return AnswerRecord(image, "Q", kind, "A", gpt)


HAND = [
    # DS-MVTec, normal: right, wrong, unreadable, wrong (hidden by it) -> 2 false alarms of 4
    *(answer(GOOD.format(place), gpt) for place, gpt in enumerate(["A", "B", "", "C"])),
    # DS-MVTec, abnormal: right, wrong, right -> 1 miss of 3; a wrong classification is not a miss
    *(answer(BAD.format(place), gpt) for place, gpt in enumerate("ABA")),
    answer(BAD.format(0), "B", CLS),
    # VisA, normal: none; abnormal: wrong, right -> 1 miss of 2
    *(answer(VISA_BAD.format(place), gpt) for place, gpt in enumerate("BA")),
]


def test_fixed_by_hand() -> None:
    """An unreadable answer is not a false alarm, but its image counts; an empty side is in no mean."""
    assert score_answers(HAND, Rule.FIXED).detection == (
        DetectionRates("DS-MVTec", 50.0, 100 / 3, 4, 2, 3, 1),
        DetectionRates("VisA", None, 50.0, 0, 0, 2, 1),
        DetectionRates(AVERAGE, 50.0, (100 / 3 + 50) / 2, 4, 2, 5, 2),
    )


def test_strict_by_hand() -> None:
    """The unreadable answer and the wrong one behind it vanish; an empty side is 100, and in the mean."""
    assert score_answers(HAND, Rule.STRICT_MMAD).detection == (
        DetectionRates("DS-MVTec", 50.0, 100 / 3, 2, 1, 3, 1),
        DetectionRates("VisA", 100.0, 50.0, 0, 0, 2, 1),
        DetectionRates(AVERAGE, 75.0, (100 / 3 + 50) / 2, 2, 1, 5, 2),
    )


def test_without_detection_questions_there_is_no_rate_but_strict_has_the_scripts() -> None:
    records = [answer(BAD.format(0), "A", CLS)]
    assert score_answers(records, Rule.FIXED).detection[-1] == DetectionRates(AVERAGE, None, None, 0, 0, 0, 0)
    strict = score_answers(records, Rule.STRICT_MMAD).detection[-1]
    assert strict == DetectionRates(AVERAGE, 100.0, 100.0, 0, 0, 0, 0)


def told(records: list[AnswerRecord]) -> list[tuple[float, float]]:
    """Overkill and Miss as MMAD's script has them, by really deleting from the list it walks through."""
    left = [dataclasses.asdict(record) for record in records]
    names = list(dict.fromkeys(item["image"].split("/")[0] for item in left))
    hits: dict[tuple[str, bool], list[bool]] = {}
    for item in left:
        if item["gpt_answer"] not in list("ABCDE"):
            left.remove(item)
            continue
        if item["question_type"] == AD:
            side = (item["image"].split("/")[0], "good" in item["image"])
            hits.setdefault(side, []).append(item["gpt_answer"] == item["correct_answer"])

    def rate(name: str, normal: bool) -> float:
        found = hits.get((name, normal), [])
        return (1 - (sum(found) / len(found) if found else 0)) * 100

    rows = [(rate(name, True), rate(name, False)) for name in names]
    return [*rows, (sum(row[0] for row in rows) / len(rows), sum(row[1] for row in rows) / len(rows))]


@given(
    st.lists(
        st.builds(
            AnswerRecord,
            st.sampled_from([GOOD.format(0), BAD.format(0), VISA_GOOD.format(0), VISA_BAD.format(0)]),
            st.sampled_from("QRS"),
            st.sampled_from([AD, CLS]),
            st.just("A"),
            st.sampled_from(["A", "B", "", None]),
        ),
        min_size=1,
        max_size=40,
    )
)
def test_strict_equals_the_scripts_formula_with_its_quirk(records: list[AnswerRecord]) -> None:
    found = score_answers(records, Rule.STRICT_MMAD).detection
    for rates, (overkill, miss) in zip(found, told(records), strict=True):
        assert rates.overkill == pytest.approx(overkill, abs=1e-9)
        assert rates.miss == pytest.approx(miss, abs=1e-9)


# --- runs, which know the options


def asked(image: str, right: str, *options: str) -> Question:
    choices = tuple(Choice(letter, text) for letter, text in zip("ABCD", options, strict=False))
    return dataclasses.replace(question(image, answer=right), choices=choices)


@pytest.mark.parametrize(
    ("options", "right", "chosen", "opposite"),
    [
        (("Yes.", "No."), "B", "A", True),
        (("No.", "Yes."), "A", "B", True),
        (("Yes, a hole.", "Yes, a dent.", "No."), "A", "B", False),
        (("Yes, a hole.", "yes: a dent", '"No", it is fine.'), "A", "C", True),
        (("Defective", "Normal"), "A", "B", True),
        (("Yes.", "Nothing is wrong."), "A", "B", True),
        (("Yesterday's", "Yes."), "A", "B", True),
    ],
)
def test_a_wrong_choice_says_the_opposite_unless_it_begins_with_the_same_word(
    options: tuple[str, ...], right: str, chosen: str, opposite: bool
) -> None:
    item = asked(BAD.format(0), right, *options)
    assert says_the_opposite(item, chosen, Outcome.WRONG) is opposite
    assert not says_the_opposite(item, right, Outcome.CORRECT)
    assert not says_the_opposite(item, None, Outcome.INVALID)
    assert not says_the_opposite(item, None, Outcome.FAILED)


def test_a_run_by_both_rules() -> None:
    """Normal: alarm, right, failed -> 1 of 3. Abnormal: another defect, miss -> 1 of 2; both by strict."""
    items = [
        asked(GOOD.format(0), "B", "Yes.", "No."),
        asked(GOOD.format(1), "B", "Yes.", "No."),
        asked(BAD.format(0), "A", "Yes, bent.", "Yes, torn.", "No."),
        asked(BAD.format(1), "A", "Yes.", "No."),
        question(BAD.format(1), "Defect Classification", position=1),
        asked(GOOD.format(2), "B", "Yes.", "No."),
    ]
    kinds = [Outcome.WRONG, Outcome.CORRECT, Outcome.WRONG, Outcome.WRONG, Outcome.WRONG, Outcome.FAILED]
    rows = [row(item, kind) for item, kind in zip(items, kinds, strict=True)]
    fixed = score_run(rows, items, Rule.FIXED, "none")
    assert fixed.detection[0] == DetectionRates("DS-MVTec", 100 / 3, 50.0, 3, 1, 2, 1)
    strict = score_run(rows, items, Rule.STRICT_MMAD, "none")
    assert strict.detection[0] == DetectionRates("DS-MVTec", 50.0, 100.0, 2, 1, 2, 2)


# --- shown


def test_the_rates_stand_in_the_json_and_in_a_line_under_the_table() -> None:
    table = score_answers(HAND, Rule.FIXED)
    assert plain(table)["detection"][0] == {
        "name": "DS-MVTec",
        "overkill": 50.0,
        "miss": 100 / 3,
        "normal": 4,
        "false_alarms": 2,
        "abnormal": 3,
        "misses": 1,
    }
    assert detection_line(table) == (
        "AD: overkill 50.00 %, miss 41.67 %, the mean of DS-MVTec 50.00 and 33.33, VisA - and 50.00"
    )
    alone = score_answers(HAND[:7], Rule.FIXED)
    assert detection_line(alone) == "AD: overkill 50.00 %, miss 33.33 %"
