"""Answers made by hand, and short ways to look at their scores."""

from __future__ import annotations

from mmad_rag.benchmark.score.answers_file import AnswerRecord
from mmad_rag.benchmark.score.table import ScoreTable

AD, CLS, LOC = "Anomaly Detection", "Defect Classification", "Defect Localization"


GOOD, BAD = "DS-MVTec/nut/image/good/{}.png", "DS-MVTec/nut/image/bent/{}.png"


VISA_GOOD, VISA_BAD = "VisA/pcb1/test/good/{}.JPG", "VisA/pcb1/test/bad/{}.JPG"


def answer(
    image: str, gpt: str | None = "A", kind: str = AD, right: str | None = "A", words: str = "Q"
) -> AnswerRecord:
    return AnswerRecord(image, words, kind, right, gpt)


def percent(table: ScoreTable, dataset: str, column: str) -> float | None:
    return table.cell(dataset, column).percent


HAND = [
    # DS-MVTec, detection: normal 1 of 2 right, abnormal 3 of 4 right -> (50 + 75) / 2 = 62.5
    *(answer(GOOD.format(place), gpt) for place, gpt in enumerate("AB")),
    *(answer(BAD.format(place), gpt) for place, gpt in enumerate("AAAB")),
    # DS-MVTec, classification: 1 right, 1 wrong, 2 unreadable -> 25
    *(answer(BAD.format(place), gpt, CLS) for place, gpt in enumerate(["A", "C", "", None])),
    # DS-MVTec, object analysis from three raw types: 2 of 3 -> 66.67
    answer(GOOD.format(0), "A", "Object Analysis"),
    answer(GOOD.format(0), "A", "Object Structure"),
    answer(GOOD.format(0), "D", "Object Details"),
    # VisA, detection: normal 0 of 1, abnormal 2 of 2 -> 50; classification 1 of 1 -> 100
    answer(VISA_GOOD.format(0), "B"),
    answer(VISA_BAD.format(0), "A"),
    answer(VISA_BAD.format(1), "A"),
    answer(VISA_BAD.format(0), "A", CLS),
]
