"""Real-world shapes of replies, each with the reading that a careful person gives it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from mmad_rag.reading.parse import read_choice
from mmad_rag.records import Choice

FOLDER = Path(__file__).parent / "replies"
STYLES = (
    "{}",
    "  {}\n\n",
    "**{}**",
    "> {}",
    "# {}",
    "```\n{}\n```",
    "<think>It may be A, or C. The answer is D.</think>{}",
    "{}<|im_end|>",
    "<p>{}</p>",
    "\u200b{}\u200b",
)
"""What may surround a reply without changing what it says."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """One reply and its reading."""

    group: str
    """The file that it stands in."""
    reply: str
    """What a model wrote."""
    options: tuple[Choice, ...]
    """What it was offered."""
    reads: str | None
    """The letter that it chooses, or None."""
    why: str
    """The reason in one line."""


def _shapes() -> list[Shape]:
    texts = yaml.safe_load((FOLDER / "options.yaml").read_text(encoding="utf-8"))
    offered = {
        name: tuple(Choice(letter, text) for letter, text in zip("ABCDE", options, strict=False))
        for name, options in texts.items()
    }
    return [
        Shape(
            group=file.stem,
            reply=row["reply"],
            options=offered[row.get("of", "four")],
            reads=row["reads"],
            why=row["why"],
        )
        for file in sorted(FOLDER.glob("*.yaml"))
        if file.stem != "options"
        for row in yaml.safe_load(file.read_text(encoding="utf-8"))
    ]


SHAPES = _shapes()


def test_every_reply_is_read_as_a_person_reads_it() -> None:
    read = [(shape, read_choice(shape.reply, shape.options)) for shape in SHAPES]
    assert [(shape, letter) for shape, letter in read if letter != shape.reads] == []


def test_the_shapes_are_many_distinct_and_explained() -> None:
    assert len(SHAPES) >= 150
    assert len({(shape.reply, shape.options) for shape in SHAPES}) == len(SHAPES)
    assert all(shape.why and "\n" not in shape.why for shape in SHAPES)
    assert {shape.reads for shape in SHAPES} <= {None, "A", "B", "C", "D", "E"}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.slow
def test_what_surrounds_a_reply_changes_no_reading(style: str) -> None:
    """Replies with reasoning tags or fences of their own are left out: these do not nest."""
    for shape in SHAPES:
        if not any(
            mark in shape.reply.lower() for mark in ("think>", "[think", "channel", "```", "analysis")
        ):
            assert read_choice(style.format(shape.reply), shape.options) == shape.reads, shape.reply


def test_replies_keep_their_reading_when_they_lose_trailing_space_or_gain_windows_line_ends() -> None:
    for shape in SHAPES:
        assert read_choice(shape.reply.rstrip(), shape.options) == shape.reads, shape.reply
        assert read_choice(shape.reply.replace("\n", "\r\n"), shape.options) == shape.reads, shape.reply
