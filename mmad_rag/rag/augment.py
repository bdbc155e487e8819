"""Put knowledge into a conversation that shows an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from mmad_rag.errors import InputError
from mmad_rag.images import open_image
from mmad_rag.images.data_urls import is_data_url, unread_type
from mmad_rag.prompt import knowledge_text
from mmad_rag.rag.conversation import Query, TextType, find_query, with_block
from mmad_rag.records import Knowledge
from mmad_rag.retrieve import ClipRetriever, Retriever
from mmad_rag.retrieve.route_cache import SeenImages, recall, see


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


def add_knowledge(
    messages: Sequence[Any],
    retriever: Retriever,
    seen: SeenImages | None = None,
    *,
    text_type: TextType | None = None,
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

    Raises:
        InputError: the messages are not a list.
        ImageError: a `data:` URL is broken, or what it holds is not an image, or too large a one.
    """
    if isinstance(messages, str) or not isinstance(messages, Sequence):
        raise InputError(
            f"a {type(messages).__name__} is not a list of messages; "
            'give [{"role": "user", "content": [...]}], as to a chat completion'
        )
    query = find_query(messages, text_type)
    if query is None:
        return Addition(list(messages), None, "no message of the user shows an image")
    if reason := _hindrance(query):
        return Addition(list(messages), None, reason)
    knowledge = _known(query.url, query.question, retriever, seen)
    if not knowledge.hits:
        return Addition(list(messages), knowledge, "nothing is known about what the image shows")
    return Addition(with_block(messages, query, knowledge_text(knowledge)), knowledge, "")


def _hindrance(query: Query) -> str:
    """Why nothing is looked up; empty where nothing speaks against it."""
    if query.has_block:
        return "the message with the image holds reference material already"
    if not query.url:
        return "the image is a file at the provider, which is not fetched"
    if not is_data_url(query.url):
        return f"the image at {query.url[:200]!r} is not fetched; send it as a data URL"
    if unread := unread_type(query.url):
        return f"an image of type {unread!r} is not read; send PNG, JPEG, WebP, GIF, BMP or TIFF"
    return ""


def _known(url: str, question: str, retriever: Retriever, seen: SeenImages | None) -> Knowledge:
    """What is known about the image in a `data:` URL."""
    if seen is None or not _routes_first(retriever):
        return retriever.retrieve(question, open_image(url))
    image = seen.get(url)
    if image is None or image.index != retriever.index.fingerprint:
        image = see(retriever, open_image(url))
        seen.put(url, image)
    return recall(retriever, image, question)


def _routes_first(retriever: Retriever) -> TypeGuard[ClipRetriever]:
    """Whether its routes may be kept: one made from it that retrieves in its own way is asked anew."""
    return isinstance(retriever, ClipRetriever) and type(retriever).retrieve is ClipRetriever.retrieve
