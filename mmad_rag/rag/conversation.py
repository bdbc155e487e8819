"""Find the image and the question in an OpenAI-style conversation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from mmad_rag.records import CHOICE_LETTERS

TextType: TypeAlias = Literal["text", "input_text"]
"""Type of a text part: `text` in chat completions, `input_text` in responses."""

_TEXT_TYPES: Mapping[str, TextType] = MappingProxyType({"image_url": "text", "input_image": "input_text"})
"""Type of an image part -> type of text parts in the same kind of message."""
_OPTION_LINE = re.compile(rf"^[ \t]*\(?[{''.join(CHOICE_LETTERS)}][.):][ \t]*\S.*(?:\n|\Z)", re.MULTILINE)
_OPEN_BLOCK = re.compile(r"<reference_material>\n.*?(?:\n</reference_material>|\Z)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Query:
    """The image that a conversation is about, and the question about it."""

    position: int
    """Position of the message that holds the image, counted from 0."""
    url: str = field(repr=False)
    """Address of the image, or a `data:` URL that holds it; empty if the provider has it as a file."""
    question: str
    """Text of the user's last message that holds any, without options; may be empty."""
    text_type: TextType
    """Type of a text part in this kind of message."""
    has_block: bool
    """Whether the message already holds reference material."""


def find_query(messages: Sequence[Any], text_type: TextType | None = None) -> Query | None:
    """Find the last image of the user's last message that holds one; None if there is none.

    Images of other messages, and earlier images of the same message, are ignored: only the text around them
    says whether they are normal examples or other views. If two or more lines list options ("A. Yes"), these
    lines are left out of the question, because no retriever may see them.

    Args:
        messages: The messages of a chat completion, or the items of a response.
        text_type: Type of text parts at the endpoint that gets the messages; None derives it from the image's
            part.
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
    """New messages with the block as a text part at the start of the message that shows the image.

    An empty line separates it from a following text, because most chat templates put nothing between parts.
    """
    changed = list(messages)
    message = changed[query.position]
    content = message["content"]
    before_text = isinstance(content[0], Mapping) and content[0].get("type") in _TEXT_TYPES.values()
    part = {"type": query.text_type, "text": f"{block}\n\n" if before_text else block}
    changed[query.position] = {**message, "content": [part, *content]}
    return changed


def with_image(messages: Sequence[Any], query: Query, url: str) -> list[Any]:
    """New messages in which the image that the conversation is about has this URL."""
    changed = list(messages)
    message = changed[query.position]
    content = [_with_url(part, query.url, url) for part in message["content"]]
    changed[query.position] = {**message, "content": content}
    return changed


def _with_url(part: Any, old: str, new: str) -> Any:  # noqa: ANN401 - a part may be anything
    """The part with the new URL, if it is an image with the old one."""
    if not isinstance(part, Mapping) or part.get("type") not in _TEXT_TYPES or _url(part) != old:
        return part
    found = part["image_url"]
    return {**part, "image_url": {**found, "url": new} if isinstance(found, Mapping) else new}


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
    """Text of a message, without reference material."""
    return _OPEN_BLOCK.sub("", _raw_text(message)).strip()


def _without_options(text: str) -> str:
    several = len(_OPTION_LINE.findall(text)) > 1
    return _OPTION_LINE.sub("", text).strip() if several else text


def _url(part: Mapping[str, Any]) -> str:
    found = part.get("image_url")
    url = found.get("url") if isinstance(found, Mapping) else found
    return url if isinstance(url, str) else ""
