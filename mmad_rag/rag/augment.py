"""Add knowledge to a conversation that shows an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeGuard

from mmad_rag.errors import InputError
from mmad_rag.images import data_url, is_as_given, open_image
from mmad_rag.images.data_urls import is_data_url, unread_type
from mmad_rag.prompt import knowledge_text
from mmad_rag.rag.conversation import Query, TextType, find_query, with_block, with_image
from mmad_rag.records import Knowledge
from mmad_rag.retrieve import ClipRetriever, Retriever
from mmad_rag.retrieve.route_cache import SeenImages, recall, see
from mmad_rag.retrieve.selection.tokenizers import NamedCounter


@dataclass(frozen=True, slots=True)
class Addition:
    """A conversation after the attempt to add knowledge."""

    messages: list[Any] = field(repr=False)
    """OpenAI-style messages, with knowledge if any was added; the given messages are never changed."""
    knowledge: Knowledge | None
    """The knowledge that was looked up; None if there was no image to look up."""
    note: str
    """The reason why nothing was added; empty if something was."""

    @property
    def added(self) -> bool:
        """Whether the messages differ from the given ones."""
        return not self.note


class Hindrance(StrEnum):
    """The reason why no knowledge is looked up for a conversation, as a sentence or the form of one."""

    NO_IMAGE = "no message of the user shows an image"
    ALREADY_THERE = "the message with the image holds reference material already"
    PROVIDER_FILE = "the image is a file at the provider, which is not fetched"
    ELSEWHERE = "the image at {!r} is not fetched; send it as a data URL"
    UNREAD_TYPE = "an image of type {!r} is not read; send PNG, JPEG, WebP, GIF, BMP or TIFF"


@dataclass(frozen=True, slots=True)
class Consultation:
    """The query to look up for a conversation, or the reason why there is none."""

    query: Query | None
    """The image that the conversation is about, and the question; None if it shows no image."""
    hindrance: Hindrance | None = None
    """The reason why the image is not looked up; None if it is."""
    note: str = ""
    """The reason as a sentence; empty if the image is looked up."""


def find_consultation(messages: Sequence[Any], text_type: TextType | None = None) -> Consultation:
    """Decide whether knowledge is looked up for a conversation; every interface uses this decision.

    Args:
        messages: The messages of a chat completion, or the items of a response.
        text_type: Type of text parts at the endpoint that gets the messages; None derives it from the image's
            part.
    """
    query = find_query(messages, text_type)
    if query is None:
        return Consultation(None, Hindrance.NO_IMAGE, Hindrance.NO_IMAGE.value)
    if query.has_block:
        return Consultation(query, Hindrance.ALREADY_THERE, Hindrance.ALREADY_THERE.value)
    if not query.url:
        return Consultation(query, Hindrance.PROVIDER_FILE, Hindrance.PROVIDER_FILE.value)
    if not is_data_url(query.url):
        return Consultation(query, Hindrance.ELSEWHERE, Hindrance.ELSEWHERE.format(query.url[:200]))
    if unread := unread_type(query.url):
        return Consultation(query, Hindrance.UNREAD_TYPE, Hindrance.UNREAD_TYPE.format(unread))
    return Consultation(query)


def with_knowledge(
    messages: Sequence[Any], query: Query, knowledge: Knowledge, *, url: str | None = None
) -> list[Any]:
    """New messages with the knowledge before the image that it is about; the given ones are not changed.

    Args:
        messages: The conversation.
        query: The image that it is about, and the question.
        knowledge: What was found.
        url: The image as the knowledge was looked up for it, if models would not show the given one alike.
    """
    changed = with_block(messages, query, knowledge_text(knowledge))
    return changed if url is None or url == query.url else with_image(changed, query, url)


def add_knowledge(
    messages: Sequence[Any],
    retriever: Retriever,
    seen: SeenImages | None = None,
    *,
    text_type: TextType | None = None,
    counter: NamedCounter | None = None,
) -> Addition:
    """Look up the image that a conversation is about, and add knowledge to the message that shows it.

    | conversation                              | what happens                                        |
    |-------------------------------------------|-----------------------------------------------------|
    | no image in a message of the user         | returned unchanged                                  |
    | several images                            | the last image of the user's last message with an   |
    |                                           | image is looked up                                  |
    | image at an address, or a provider file   | returned unchanged: nothing is fetched or opened    |
    | product not in the catalogue              | returned unchanged                                  |
    | message holds reference material already  | returned unchanged                                  |
    | 16 bits, EXIF's turn, transparency, BMP,  | the image is sent as `open_image` writes it anew    |
    | TIFF: an image that models show otherwise |                                                     |
    | tool calls and their results              | kept; the question is the user's last               |
    | a `data:` URL that declares another media | returned unchanged: the provider may understand it  |
    | type than those read (HEIC, SVG, PDF ...) |                                                     |
    | a `data:` URL of PNG, JPEG, WebP, GIF,    | ImageError                                          |
    | BMP, TIFF or no type, with a broken image |                                                     |

    Args:
        messages: The messages of a chat completion, or the items of a response.
        retriever: The retriever that looks up knowledge.
        seen: Caches images by their `data:` URL, so that a `ClipRetriever` opens, embeds and routes each one
            once. Other retrievers do not use it.
        text_type: Type of text parts at the endpoint that gets the messages; None derives it from the image's
            part.
        counter: Counts the tokens of knowledge instead of the retriever's, if that is a `ClipRetriever`.

    Raises:
        InputError: the messages are not a list.
        ImageError: a `data:` URL is broken, does not hold an image, or holds one that is too large.
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
    knowledge, as_given = _known(query, retriever, seen, counter)
    if not knowledge.hits:
        return Addition(list(messages), knowledge, "nothing is known about what the image shows")
    url = None if as_given else data_url(open_image(query.url))
    return Addition(with_knowledge(messages, query, knowledge, url=url), knowledge, "")


def _known(
    query: Query, retriever: Retriever, seen: SeenImages | None, counter: NamedCounter | None
) -> tuple[Knowledge, bool]:
    """The knowledge about the image in a `data:` URL, and whether a model may be sent the image as it is."""
    if not _routes_first(retriever):
        opened = open_image(query.url)
        return retriever.retrieve(query.question, opened), is_as_given(opened)
    image = None if seen is None else seen.get(query.url)
    if image is None or image.index != retriever.index.fingerprint:
        image = see(retriever, open_image(query.url))
        if seen is not None:
            seen.put(query.url, image)
    return recall(retriever, image, query.question, counter), image.as_given


def _routes_first(retriever: Retriever) -> TypeGuard[ClipRetriever]:
    """Whether the retriever's routes may be cached: not if a subclass retrieves in its own way."""
    return isinstance(retriever, ClipRetriever) and type(retriever).retrieve is ClipRetriever.retrieve
