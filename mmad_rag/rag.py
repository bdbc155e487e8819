"""A model that looks things up before it asks another model."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from mmad_rag.errors import InputError
from mmad_rag.images import PictureSource, open_picture
from mmad_rag.index import KnowledgeIndex
from mmad_rag.models import Model, load_model
from mmad_rag.records import Choice, Prompt, Reply
from mmad_rag.retrieve import DEFAULT_BUDGET, ClipRetriever, Retriever, token_counter
from mmad_rag.retrieve.counter import ESTIMATE

_T = TypeVar("_T")


class RagWrapper:
    """Any model, with knowledge.

    It is a `Model` itself: `answer` puts what the retriever finds into `prompt.knowledge` and asks the inner
    model, so that with and without knowledge differ in exactly that one field.

    Args:
        model: The model to ask: a spec such as `openai:gpt-4o`, or any `Model`.
        index: An index, or the folder of one.
        retriever: Instead of an index: anything that looks up knowledge.
        budget: Tokens of knowledge per prompt, when an index is given; counted by the tokenizer of the model
            where its spec is given and its tokenizer is at hand, else estimated.

    Raises:
        InputError: neither or both of index and retriever are given.

    Example:
        >>> rag = RagWrapper("openai:gpt-4o", "indexes/default")          # doctest: +SKIP
        >>> rag.ask("nut.png", "Is there a defect?").text                 # doctest: +SKIP
        'Yes: one tooth is bent upwards.'
    """

    def __init__(
        self,
        model: Model | str,
        index: KnowledgeIndex | Path | str | None = None,
        *,
        retriever: Retriever | None = None,
        budget: int = DEFAULT_BUDGET,
    ) -> None:
        if (index is None) == (retriever is None):
            raise InputError("a RagWrapper needs an index or a retriever, one of the two; give index=...")
        self.model: Model = load_model(model) if isinstance(model, str) else model
        if retriever is None:
            loaded = index if isinstance(index, KnowledgeIndex) else KnowledgeIndex.load(str(index))
            counter = token_counter(model) if isinstance(model, str) else ESTIMATE
            retriever = ClipRetriever(loaded, budget=budget, counter=counter)
        self.retriever: Retriever = retriever

    @property
    def identity(self) -> str:
        """The retriever's identity and the inner model's."""
        return f"rag({self.retriever.identity})/{self.model.identity}"

    async def answer(self, prompt: Prompt) -> Reply:
        """Look up, put the knowledge into the prompt, ask the inner model."""
        knowledge = await asyncio.to_thread(
            self.retriever.retrieve, prompt.question, prompt.image, prompt.references
        )
        reply = await self.model.answer(dataclasses.replace(prompt, knowledge=knowledge))
        return dataclasses.replace(reply, knowledge=knowledge)

    async def aask(
        self,
        image: PictureSource,
        question: str,
        choices: Mapping[str, str] | None = None,
        references: Sequence[PictureSource] = (),
    ) -> Reply:
        """Ask one question about one picture.

        Args:
            image: A path, bytes, `data:` URL, Pillow image or uint8 array.
            question: In plain words.
            choices: Letter -> option, for a multiple-choice question.
            references: Pictures of normal examples to show beside the query.

        Raises:
            PictureError: a picture cannot be read.
            ModelError: the model gave no reply.
        """
        options = tuple(Choice(letter, text) for letter, text in (choices or {}).items())
        shown = tuple(open_picture(reference) for reference in references)
        return await self.answer(Prompt(question, open_picture(image), options, shown))

    def ask(
        self,
        image: PictureSource,
        question: str,
        choices: Mapping[str, str] | None = None,
        references: Sequence[PictureSource] = (),
    ) -> Reply:
        """As `aask`, for code that does not await; works inside a running event loop (a notebook) too."""
        return run_sync(self.aask(image, question, choices, references))


def run_sync(work: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine to its end from synchronous code, in a thread of its own if a loop is running here."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    results: list[_T] = []
    errors: list[BaseException] = []

    def target() -> None:
        try:
            results.append(asyncio.run(work))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=target, name="mmad-rag-ask")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]
