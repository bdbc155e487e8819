"""docs/BAD_INPUT.md says what happens: each cell of its table is compared with what does."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

import pytest

from mmad_rag import images
from mmad_rag.encoders.protocol import Encoder
from mmad_rag.index import KnowledgeIndex
from mmad_rag.models.openai.retry import Patience
from mmad_rag.models.openai.setup_check import FAILURES
from mmad_rag.retrieve import ClipRetriever
from mmad_rag.serve.limits import Limits
from tests.doors.bad_input import CASES, Case, answers
from tests.doors.bad_input_doors import NEVER, Doors, dead_address
from tests.support.paths import ROOT
from tests.support.servers.serving import upstream_server

PAGE = (ROOT / "docs" / "BAD_INPUT.md").read_text(encoding="utf-8")
DOORS: Mapping[str, Callable[[Doors, Case], str]] = MappingProxyType(
    {
        "`ask`, a spec": Doors.ask_spec,
        "`ask`, a client": Doors.ask_client,
        "`ask_many`": Doors.ask_many,
        "`eval`": Doors.evaluate,
        "`augment`": Doors.augment,
        "`wrap(client)`": Doors.wrap,
        "`serve`": Doors.serve,
    }
)

MANY_QUESTIONS = ("`ask_many`", "`eval`", "`wrap(client)`")
"""Doors that take long: they ask more than one question, or by both clients with the SDK's own retries."""


def table() -> tuple[list[str], dict[str, list[str]]]:
    """The names of the columns, and the cells of each row without what they explain in brackets."""
    lines = [line for line in PAGE.splitlines() if line.startswith("|")]
    header, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    cells = {name: [re.sub(r" ?\(.*\)|`", "", cell) for cell in row] for name, *row in rows}
    assert len(cells) == len(rows)
    return header[1:], cells


COLUMNS, ROWS = table()


@pytest.fixture(scope="module", autouse=True)
def _no_proxy() -> Iterator[None]:
    """Loopback is reached directly."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1,localhost")
        patch.setenv("no_proxy", "127.0.0.1,localhost")
        yield


@pytest.fixture(scope="module")
def doors(index: KnowledgeIndex, encoder: Encoder) -> Iterator[Doors]:
    with upstream_server() as upstream, dead_address() as dead:
        yield Doors(upstream, ClipRetriever(index, encoder=encoder), dead)


def test_the_table_has_every_case_and_every_door() -> None:
    assert list(ROWS) == list(CASES)
    assert list(COLUMNS) == list(DOORS)
    assert {len(row) for row in ROWS.values()} == {len(DOORS)}


@pytest.mark.parametrize(
    "door",
    [pytest.param(door, marks=pytest.mark.slow if door in MANY_QUESTIONS else ()) for door in DOORS],
)
@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, marks=pytest.mark.slow if "million pixels" in case or "75 MB" in case else ())
        for case in CASES
    ],
)
def test_what_the_table_says_is_what_happens(doors: Doors, case: str, door: str) -> None:
    said = ROWS[case][COLUMNS.index(door)]
    assert DOORS[door](doors, CASES[case]) == said


def test_what_does_not_call_itself_json_is_taken_as_a_page_of_html(doors: Doors) -> None:
    """The page says so below the table."""
    for data in (b"", b'{"choices"'):
        case = Case(behaviour=answers(data, "text/plain"))
        found = [door(doors, case) for door in DOORS.values()]
        assert found == ROWS["HTML instead of JSON (200)"]


def test_cells_that_cannot_occur_are_few() -> None:
    """A stream at doors that ask for none, URLs in benchmarks, and a model's failure where none is asked."""
    at_the_model = sum(case.at_the_model for case in CASES.values())
    streams = sum(case.stream for case in CASES.values())
    urls = sum(isinstance(case.image(), str) for case in CASES.values())
    assert sum(row.count(NEVER) for row in ROWS.values()) == at_the_model + 4 * streams + urls


def test_the_limits_that_the_page_names_are_those_of_the_code() -> None:
    serve, mib = Limits(), 2**20
    for words in (
        f"{images.MAX_BYTES // mib} MiB and {images.MAX_PIXELS // 10**6} million pixels",
        f"{serve.image_bytes // mib} MiB (`--max-image-mb`)",
        f"{serve.image_pixels // 10**6} million pixels",
        f"{serve.body_bytes // mib} MiB (`--max-body-mb`)",
    ):
        assert words in PAGE
    assert (Patience().attempts, Patience().connect_attempts, FAILURES) == (6, 3, 8)
    assert "asked up to six times" in PAGE
    assert "does not run, it is asked three times" in PAGE
    assert "if the questions about the first eight images all fail in" in PAGE
