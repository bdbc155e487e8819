"""Put knowledge into a conversation that shows a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from mmad_rag.errors import InputError
from mmad_rag.images import open_picture
from mmad_rag.prompt import knowledge_text
from mmad_rag.rag.conversation import find_query, with_block
from mmad_rag.records import Knowledge
from mmad_rag.retrieve import Retriever


@dataclass(frozen=True, slots=True)
class Addition:
    """What became of a conversation."""

    messages: list[Any] = field(repr=False)
    """OpenAI-style messages, with knowledge where any was added; those handed in are never changed."""
    knowledge: Knowledge | None
    """What was looked up; None where there was no picture to look at."""
    note: str
    """Why nothing was added; empty where something was."""

    @property
    def added(self) -> bool:
        """Whether the messages differ from those handed in."""
        return not self.note


def add_knowledge(messages: Sequence[Any], retriever: Retriever) -> Addition:
    """Look up the picture that a conversation is about, and add what is known to the message that shows it.

    | conversation                              | what happens                                        |
    |-------------------------------------------|-----------------------------------------------------|
    | no picture in a message of the user       | as it came                                          |
    | several pictures                          | the last one, of the last message of the user with  |
    |                                           | a picture, is looked up                             |
    | picture at an address, or a provider file | as it came: nothing is fetched, no file is opened   |
    | product not in the catalogue              | as it came                                          |
    | reference material is there already       | as it came                                          |
    | tool calls and their results              | kept; the question is the user's last               |
    | a `data:` URL that holds no picture       | PictureError                                        |

    Raises:
        InputError: the messages are no list.
        PictureError: a `data:` URL is broken, or what it holds is no picture, or too large a one.
    """
    if isinstance(messages, str) or not isinstance(messages, Sequence):
        raise InputError(
            f"a {type(messages).__name__} is no list of messages; "
            'give [{"role": "user", "content": [...]}], as to a chat completion'
        )
    query = find_query(messages)
    if query is None:
        return Addition(list(messages), None, "no message of the user shows a picture")
    if query.has_block:
        return Addition(list(messages), None, "the message with the picture holds reference material already")
    if not query.url:
        return Addition(list(messages), None, "the picture is a file at the provider, which is not fetched")
    if query.url[:5].lower() != "data:":
        place = repr(query.url[:200])
        return Addition(list(messages), None, f"the picture at {place} is not fetched; send it as a data URL")
    knowledge = retriever.retrieve(query.question, open_picture(query.url))
    if not knowledge.hits:
        return Addition(list(messages), knowledge, "nothing is known about what the picture shows")
    return Addition(with_block(messages, query, knowledge_text(knowledge)), knowledge, "")
