"""Put knowledge into a conversation that shows an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeGuard

from mmad_rag.errors import InputError
from mmad_rag.images import open_image
from mmad_rag.images.data_urls import is_data_url, unread_type
from mmad_rag.prompt import knowledge_text
from mmad_rag.rag.conversation import Query, TextType, find_query, with_block
from mmad_rag.records import Knowledge
from mmad_rag.retrieve import ClipRetriever, Retriever
from mmad_rag.retrieve.route_cache import SeenImages, recall, see
from mmad_rag.retrieve.selection.tokenizers import NamedCounter


@dataclass(frozen=True, slots=True)
class Addition:
    """What became of a conversation."""

    messages: list[Any] = field(repr=False)
    """OpenAI-style messages, with knowledge where any was added; those handed in are never changed."""
    knowledge: Knowledge | None
    """What was looked up; None where there was no image to look at."""
    note: str
    """Why nothing was added; empty where something was."""

    @property
    def added(self) -> bool:
        """Whether the messages differ from those handed in."""
        return not self.note


class Hindrance(StrEnum):
    """Why no knowledge is looked up for a conversation."""

    NO_IMAGE = "no message of the user shows an image"
    ALREADY_THERE = "the message with the image holds reference material already"
    PROVIDER_FILE = "the image is a file at the provider, which is not fetched"
    ELSEWHERE = "the image is at an address, which is not fetched"
    UNREAD_TYPE = "the image is of a type that is not read"


@dataclass(frozen=True, slots=True)
class Consultation:
    """What is to be looked up for a conversation, or why nothing is."""

    query: Query | None
    """The image that the conversation is about; None where it shows none."""
    hindrance: Hindrance | None = None
    """None where the image is looked up."""
    note: str = ""
    """The hindrance in a sentence; empty without one."""


def find_consultation(messages: Sequence[Any], text_type: TextType | None = None) -> Consultation:
    """Decide whether knowledge is looked up for a conversation; the one decision for every door.

    Args:
        messages: Those of a chat completion, or the items of a response.
        text_type: What text parts are called where the messages are sent; None goes by the image's part.
    """
    query = find_query(messages, text_type)
    if query is None:
        return Consultation(None, Hindrance.NO_IMAGE, Hindrance.NO_IMAGE.value)
    if query.has_block:
        return Consultation(query, Hindrance.ALREADY_THERE, Hindrance.ALREADY_THERE.value)
    if not query.url:
        return Consultation(query, Hindrance.PROVIDER_FILE, Hindrance.PROVIDER_FILE.value)
    if not is_data_url(query.url):
        note = f"the image at {query.url[:200]!r} is not fetched; send it as a data URL"
        return Consultation(query, Hindrance.ELSEWHERE, note)
    if unread := unread_type(query.url):
        note = f"an image of type {unread!r} is not read; send PNG, JPEG, WebP, GIF, BMP or TIFF"
        return Consultation(query, Hindrance.UNREAD_TYPE, note)
    return Consultation(query)


def with_knowledge(messages: Sequence[Any], query: Query, knowledge: Knowledge) -> list[Any]:
    """The messages with the knowledge before the image that it is about; those given are not changed."""
    return with_block(messages, query, knowledge_text(knowledge))


def add_knowledge(
    messages: Sequence[Any],
    retriever: Retriever,
    seen: SeenImages | None = None,
    *,
    text_type: TextType | None = None,
    counter: NamedCounter | None = None,
) -> Addition:
    """Look up the image that a conversation is about, and add what is known to the message that shows it.

    | conversation                              | what happens                                        |
    |-------------------------------------------|-----------------------------------------------------|
    | no image in a message of the user       | as it came                                          |
    | several images                          | the last one, of the last message of the user with  |
    |                                           | an image, is looked up                             |
    | image at an address, or a provider file | as it came: nothing is fetched, no file is opened   |
    | product not in the catalogue              | as it came                                          |
    | reference material is there already       | as it came                                          |
    | tool calls and their results              | kept; the question is the user's last               |
    | a `data:` URL that declares another media | as it came: the provider may understand it          |
    | type than those read (HEIC, SVG, PDF ...) |                                                     |
    | a `data:` URL of PNG, JPEG, WebP, GIF,    | ImageError                                        |
    | BMP, TIFF or no type, without a whole one |                                                     |

    Args:
        messages: Those of a chat completion, or the items of a response.
        retriever: Looks things up.
        seen: Remembers images by their `data:` URL, so that a `ClipRetriever` opens, embeds and routes each
            one once. Others are asked anew each time.
        text_type: What text parts are called where the messages are sent; None goes by the image's part.
        counter: Counts the tokens of knowledge instead of the retriever's, where that is a `ClipRetriever`.

    Raises:
        InputError: the messages are not a list.
        ImageError: a `data:` URL is broken, or what it holds is not an image, or too large a one.
    """
    if isinstance(messages, str) or not isinstance(messages, Sequence):
        raise InputError(
            f"a {type(messages).__name__} is not a list of messages; "
            'give [{"role": "user", "content": [...]}], as to a chat completion'
        )
    found = find_consultation(messages, text_type)
    if found.query is None or found.hindrance is not None:
        return Addition(list(messages), None, found.note)
    query = found.query
    knowledge = _known(query, retriever, seen, counter)
    if not knowledge.hits:
        return Addition(list(messages), knowledge, "nothing is known about what the image shows")
    return Addition(with_knowledge(messages, query, knowledge), knowledge, "")


def _known(
    query: Query, retriever: Retriever, seen: SeenImages | None, counter: NamedCounter | None
) -> Knowledge:
    """What is known about the image in a `data:` URL."""
    if not _routes_first(retriever):
        return retriever.retrieve(query.question, open_image(query.url))
    image = None if seen is None else seen.get(query.url)
    if image is None or image.index != retriever.index.fingerprint:
        image = see(retriever, open_image(query.url))
        if seen is not None:
            seen.put(query.url, image)
    return recall(retriever, image, query.question, counter)


def _routes_first(retriever: Retriever) -> TypeGuard[ClipRetriever]:
    """Whether its routes may be kept: one made from it that retrieves in its own way is asked anew."""
    return isinstance(retriever, ClipRetriever) and type(retriever).retrieve is ClipRetriever.retrieve
