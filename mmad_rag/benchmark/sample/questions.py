"""Write the questions about a drawing, with answers that are true by construction."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from mmad_rag.benchmark.data.mmad import DETECTION
from mmad_rag.benchmark.sample.catalogue import CATALOGUE, LOOK_ALIKES
from mmad_rag.benchmark.sample.drawing import GOOD, Drawing
from mmad_rag.benchmark.sample.facts import DefectFacts, Family, ProductFacts, load_facts
from mmad_rag.benchmark.sample.options import Draft, Wordings

_DEFECT = "There is a defect in the object. "
_CENTRE = ("Centre", "Middle centre", "In the centre")
_REGIONS: dict[str, Wordings] = {
    f"{row} {column}": (f"{row} {column}".capitalize(),)
    for row in ("upper", "middle", "lower")
    for column in ("left", "centre", "right")
    if (row, column) != ("middle", "centre")
} | {"centre": _CENTRE}
_DIRECTIONS: tuple[Wordings, ...] = (
    ("To the right", "Towards the right side"),
    ("To the lower right",),
    ("Downwards", "Towards the lower side"),
    ("To the lower left",),
    ("To the left", "Towards the left side"),
    ("To the upper left",),
    ("Upwards", "Towards the upper side"),
    ("To the upper right",),
)
_COLOURS: dict[str, Wordings] = {
    name: (name.capitalize(), f"A strong {name}")
    for name in ("blue", "red", "green", "orange", "black", "purple")
}
_LOSS = {Family.BREAK, Family.MISSING, Family.OPENING}
_MATTER = {Family.COLOUR, Family.FOREIGN}
_SIDE = 0.2
"""Eighths of a turn: a neighbouring direction this near to the true one is not a fair wrong answer."""


def ask(drawing: Drawing, number: int) -> list[Draft]:
    """MMAD's five questions about an image: detection, then four on the object or four on the defect.

    Args:
        drawing: an image of a product of the catalogue.
        number: the image's number, which selects one of several possible questions of a type.
    """
    facts = load_facts(drawing.product)
    normal = drawing.label == GOOD
    answer, rival = ("No", "Yes") if normal else ("Yes", "No")
    detection = Draft(DETECTION, "Is there any defect in the object?", (answer,), ((rival,),))
    return [detection, *(_about_object if normal else _about_defect)(drawing, facts, number)]


def _about_object(drawing: Drawing, facts: ProductFacts, number: int) -> list[Draft]:
    """One question each of the four object types."""
    others = [load_facts(other.name) for other in CATALOGUE if other.name != drawing.product]
    twins = {name for pair in LOOK_ALIKES if drawing.product in pair for name in pair}

    def pooled(kind: str, question: str, what: Callable[[ProductFacts], str], *, kin: bool = True) -> Draft:
        fair = [other for other in others if kin or other.kin != facts.kin]
        near = tuple((what(other),) for other in fair if other.product in twins)
        return Draft(kind, question, (what(facts),), tuple((what(other),) for other in fair), near)

    choices = {
        "Object Classification": [
            pooled("Object Classification", "What kind of product is in the image?", lambda f: f.noun)
        ],
        "Object Structure": [pooled("Object Structure", "How is the picture composed?", lambda f: f.layout)],
        "Object Details": [pooled("Object Details", "What does the object look like?", lambda f: f.look)],
        "Object Analysis": [
            pooled("Object Analysis", "What is the purpose of the object?", lambda f: f.purpose, kin=False)
        ],
    }
    choices["Object Details"] += _of_this_image(drawing, facts)
    for own in facts.specifics:
        choices[own.type].append(
            Draft(own.type, own.question, (own.answer,), tuple((text,) for text in own.wrong))
        )
    return [drafts[number % len(drafts)] for drafts in choices.values()]


def _of_this_image(drawing: Drawing, facts: ProductFacts) -> list[Draft]:
    """Questions whose answer differs between good pieces of the product."""
    drafts = []
    if drawing.notes.direction is not None:
        right, down = drawing.notes.direction
        turn = float(np.arctan2(down, right)) / (np.pi / 4)
        here = round(turn) % 8
        doubtful = {round(turn + shift) % 8 for shift in (-_SIDE, _SIDE)}
        wrong = tuple(words for index, words in enumerate(_DIRECTIONS) if index not in doubtful | {here})
        drafts.append(Draft("Object Details", facts.direction, _DIRECTIONS[here], wrong))
    if drawing.notes.colour:
        wrong = tuple(words for name, words in _COLOURS.items() if name != drawing.notes.colour)
        drafts.append(Draft("Object Details", facts.colour, _COLOURS[drawing.notes.colour], wrong))
    return drafts


def _about_defect(drawing: Drawing, facts: ProductFacts, number: int) -> list[Draft]:
    """One question each of the four defect types."""
    truth = next(defect for defect in facts.defects if defect.kind == drawing.kind)
    own = [defect for defect in facts.defects if defect is not truth]
    foreign = [
        defect
        for other in CATALOGUE
        if other.name != drawing.product
        for defect in load_facts(other.name).defects
    ]

    def pooled(kind: str, question: str, what: Callable[[DefectFacts], str], close: set[Family]) -> Draft:
        near = [defect for defect in own if what(defect) != what(truth)]
        if kind == "Defect Analysis":
            near = [defect for defect in near if defect.family not in close] or near
        far = [defect for defect in foreign if defect.family not in close and what(defect) != what(truth)]
        return Draft(kind, _DEFECT + question, (what(truth),), _texts(what, far), _texts(what, near))

    alike = _close(truth.family)
    if number % 2:
        analysis = pooled("Defect Analysis", "What is the effect of the defect?", lambda d: d.effect, alike)
    else:
        causes = _same_causes(truth.family)
        analysis = pooled(
            "Defect Analysis", "What is the likely cause of the defect?", lambda d: d.cause, causes
        )
    return [
        pooled("Defect Classification", "What is the type of the defect?", lambda d: d.name, alike),
        _location(drawing, facts, number),
        pooled("Defect Description", "What is the appearance of the defect?", lambda d: d.look, alike),
        analysis,
    ]


def _texts(what: Callable[[DefectFacts], str], defects: Iterable[DefectFacts]) -> tuple[Wordings, ...]:
    return tuple((what(defect),) for defect in defects)


def _close(family: Family) -> set[Family]:
    """Families whose looks and effects could be mistaken for those of this one."""
    if family in _LOSS:
        return {*_LOSS, Family.SCORE} if family is Family.OPENING else _LOSS
    return _MATTER if family in _MATTER else {family}


def _same_causes(family: Family) -> set[Family]:
    """Families whose causes could be those of this one: what breaks a product may also bend it."""
    if family in {Family.BREAK, Family.MISSING, Family.SHAPE}:
        return {*_LOSS, Family.SHAPE}
    return {
        Family.OPENING: {*_LOSS, Family.SCORE},
        Family.SCORE: {Family.SCORE, Family.OPENING},
        Family.ORDER: {Family.ORDER, Family.SHAPE},
    }.get(family, _MATTER)


def _location(drawing: Drawing, facts: ProductFacts, number: int) -> Draft:
    """The question where the defect is: by part if parts have names and the number is even, else by
    region."""
    part = drawing.notes.part.capitalize()
    if part in facts.parts and number % 2 == 0:
        wrong = tuple(_with_article(name) for name in facts.parts if name != part)
        return Draft("Defect Localization", _DEFECT + "Which part is affected?", _with_article(part), wrong)
    taken = {drawing.region, *drawing.doubtful}
    regions = tuple(words for name, words in _REGIONS.items() if name not in taken)
    return Draft("Defect Localization", _DEFECT + "Where is the defect?", _REGIONS[drawing.region], regions)


def _with_article(part: str) -> Wordings:
    return part, f"The {part.lower()}"
