"""Find the image and the question in a conversation of OpenAI's kind."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

TextType: TypeAlias = Literal["text", "input_text"]
"""What a text part is called: in chat completions, in responses."""

_TEXT_TYPES: Mapping[str, TextType] = MappingProxyType({"image_url": "text", "input_image": "input_text"})
"""Type of an image part -> type of the text part beside it, where it stands in its own kind of message."""
_OPTION_LINE = re.compile(r"^[ \t]*\(?[A-H][.):][ \t]*\S.*(?:\n|\Z)", re.MULTILINE)
_OPEN_BLOCK = re.compile(r"<reference_material>\n.*?(?:\n</reference_material>|\Z)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Query:
    """The image that a conversation is about, and what is asked of it."""

    position: int
    """Which message holds the image, counted from 0."""
    url: str = field(repr=False)
    """Where the image is, or what it is: a `data:` URL. Empty where the provider has it as a file."""
    question: str
    """The text of the last message of the user that holds any, without options; may be empty."""
    text_type: TextType
    """What a text part is called in this kind of message."""
    has_block: bool
    """Whether the message holds reference material already."""


def find_query(messages: Sequence[Any], text_type: TextType | None = None) -> Query | None:
    """The last image of the last message of the user that holds one; None where there is none.

    Images of other messages, and earlier ones of the same, are not looked at: what they are for (normal
    examples, other views) only the words around them say. Lines that list options ("A. Yes") are left out
    of the question where there are two or more, because no retriever may see them.

    Args:
        messages: Those of a chat completion, or the items of a response.
        text_type: What text parts are called where the messages are sent; None goes by the image's part.
    """
    users = [
        (position, message)
        for position, message in enumerate(messages)
        if isinstance(message, Mapping) and message.get("role") == "user"
    ]
    for position, message in reversed(users):
        images = [part for part in _parts(message) if part.get("type") in _TEXT_TYPES]
        if images:
            texts = (_text(message) for _, message in reversed(users))
            question = next((text for text in map(_without_options, texts) if text), "")
            return Query(
                position=position,
                url=_url(images[-1]),
                question=question,
                text_type=text_type or _TEXT_TYPES[images[-1]["type"]],
                has_block=bool(_OPEN_BLOCK.search(_raw_text(message))),
            )
    return None


def with_block(messages: Sequence[Any], query: Query, block: str) -> list[Any]:
    """New messages, with a text part at the start of the one that shows the image.

    An empty line parts it from a text that follows: most chat templates put nothing between parts.
    """
    changed = list(messages)
    message = changed[query.position]
    content = message["content"]
    before_text = isinstance(content[0], Mapping) and content[0].get("type") in _TEXT_TYPES.values()
    part = {"type": query.text_type, "text": f"{block}\n\n" if before_text else block}
    changed[query.position] = {**message, "content": [part, *content]}
    return changed


def _parts(message: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    content = message.get("content")
    if isinstance(content, Sequence) and not isinstance(content, str):
        yield from (part for part in content if isinstance(part, Mapping))


def _raw_text(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    texts = (part.get("text") for part in _parts(message) if part.get("type") in _TEXT_TYPES.values())
    return "\n".join(text for text in texts if isinstance(text, str))


def _text(message: Mapping[str, Any]) -> str:
    """Without reference material."""
    return _OPEN_BLOCK.sub("", _raw_text(message)).strip()


def _without_options(text: str) -> str:
    several = len(_OPTION_LINE.findall(text)) > 1
    return _OPTION_LINE.sub("", text).strip() if several else text


def _url(part: Mapping[str, Any]) -> str:
    found = part.get("image_url")
    url = found.get("url") if isinstance(found, Mapping) else found
    return url if isinstance(url, str) else ""
