"""A reply's numbers are traced to the passages they stand for, and other brackets are left alone."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmad_rag.fields import Field
from mmad_rag.index import KnowledgeIndex
from mmad_rag.prompt import knowledge_text
from mmad_rag.reading.citations import cited_passages
from mmad_rag.records import Hit, Knowledge, Passage, Route, RouteOutcome
from mmad_rag.retrieve.selection.select import select
from tests.support.running import Cli
from tests.support.world import World

COUNT = 5


def shown(count: int = COUNT) -> Knowledge:
    """Passages whose ids are their numbers."""
    hits = tuple(
        Hit(Passage(str(number), "cup", "normal", Field.APPEARANCE, "Normal state", f"Text {number}."), 1.0)
        for number in range(1, count + 1)
    )
    return Knowledge(Route(RouteOutcome.PRODUCT, (), ("cup",), 1.0), hits, "")


@pytest.mark.parametrize(
    ("reply", "numbers"),
    [
        ("The rim is torn [1].", [1]),
        ("Torn [2], and bent [1], as [2] says.", [2, 1]),
        ("Both [1, 3] say so.", [1, 3]),
        ("Both [1,3] and [5;2] say so.", [1, 3, 5, 2]),
        ("See [1 and 2] or [3 & 4].", [1, 2, 3, 4]),
        ("[2][3] agree.", [2, 3]),
        ("[1-3] agree.", [1, 2, 3]),
        ("[2–4] agree, with an en dash.", [2, 3, 4]),
        ("[1, 3-5]", [1, 3, 4, 5]),
        ("[ 4 ]", [4]),
        ("Torn[3].", [3]),
        ("(the outer rim)[3]", [3]),
        ("A. Yes [4]", [4]),
        ("[2]: the rim is torn", [2]),
        ("**[5]**", [5]),
        ('{"because": [1, 2]}', [1, 2]),
        ("See [3] (the rim).", [3]),
        ("The M6[2] thread", [2]),
    ],
)
def test_citations_are_read(reply: str, numbers: list[int]) -> None:
    assert [passage.id for passage in cited_passages(reply, shown())] == [str(number) for number in numbers]


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "A",
        "It is broke [sic].",
        "[0] [6] [99] [999999] [1234567890123456789]",
        "[-1] [1.5] [1/2] [+1] [01] [1e3] [#1]",
        "[3-1]",
        "[2024-05-06] [2024-05]",
        "[6-9]",
        "[x] [ ] []",
        "a link [1](https://example.com) or [2](page.html)",
        "a picture ![1](rim.png) ![2]",
        "[the docs][1] say\n\n[1]: https://example.com",
        "`scores[1]` and ``x[2]``",
        "```python\nprint(values[1], [2, 3])\n```",
        "~~~\n[1]\n~~~",
        "```\nnever closed [1]",
        "scores_a[1] and fetch(2)[1] and someName[3]",
        "items[1].name and x[1] = 2 and y[2] += 1 and z[3]++",
        "matrix[i][2]",
        "[１]",
        "[1",
        "1]",
    ],
)
def test_what_cites_nothing_is_left_alone(reply: str) -> None:
    assert cited_passages(reply, shown()) == ()


def test_without_knowledge_nothing_is_cited() -> None:
    assert cited_passages("[1]", None) == ()
    assert cited_passages("[1]", shown(0)) == ()


def test_a_huge_range_costs_nothing_and_is_clipped() -> None:
    assert len(cited_passages("[2-999999]", shown())) == COUNT - 1


@given(st.text(st.sampled_from("[]()123-,; `a_\n:/"), max_size=60))
def test_no_reply_breaks_it_and_each_passage_is_cited_once(reply: str) -> None:
    ids = [passage.id for passage in cited_passages(reply, shown())]
    assert len(set(ids)) == len(ids)
    assert set(ids) <= {str(number) for number in range(1, COUNT + 1)}


def test_a_number_stands_for_the_passage_that_the_prompt_shows_under_it(index: KnowledgeIndex) -> None:
    hits = select(
        index, ["red_disc"], "Is there a defect?", lambda _text, rows: [0.0] * len(rows), budget=500
    )
    knowledge = Knowledge(Route(RouteOutcome.PRODUCT, (), ("red_disc",), 1.0), hits, "")
    lines = re.findall(r"^\[(\d+)\] (.*)$", knowledge_text(knowledge), re.MULTILINE)
    assert len(lines) == len(hits) > 10
    for number, line in lines:
        (passage,) = cited_passages(f"because of [{number}]", knowledge)
        assert line.endswith(passage.text)


def test_ask_shows_the_ids_of_the_passages_that_the_reply_cites(
    world: World, tmp_path: Path, cli: Cli
) -> None:
    folder = tmp_path / "index"
    KnowledgeIndex.build(world.knowledge, "builtin:tiny", references=world.references).save(folder)
    image = str(world.queries["red_disc"])
    words = ("ask", image, "Is there a defect?", "--index", str(folder), "--model")
    told = cli("retrieve", image, "--question", "Is there a defect?", "--index", str(folder), "--json").out
    ids = [hit["passage"]["id"] for hit in json.loads(told)["knowledge"]["hits"]]
    asked = json.loads(cli(*words, "builtin:scripted/Torn [2] at the rim [1].", "--json").out)
    assert asked["cited"] == [ids[1], ids[0]]
    assert asked["reply"]["text"] == "Torn [2] at the rim [1]."
    assert "cited: " not in cli(*words, "builtin:scripted/A").out
    assert f"cited: {ids[1]}" in cli(*words, "builtin:scripted/Torn [2].").out
