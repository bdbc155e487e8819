"""Wrap a model so that it answers with knowledge."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from mmad_rag.encoders.protocol import Encoder
from mmad_rag.errors import InputError
from mmad_rag.images import ImageSource, open_image
from mmad_rag.index import KnowledgeIndex
from mmad_rag.index.data import IndexData
from mmad_rag.models import Model, ModelOptions
from mmad_rag.models.adapt import ModelSource, as_model
from mmad_rag.rag.answer import Answer, Timings, answer_from
from mmad_rag.rag.augment import Addition, add_knowledge
from mmad_rag.rag.batch import AskingInterrupted, Inquiry, ask_all
from mmad_rag.rag.openai_client import Report, is_wrapped, wrap_client
from mmad_rag.rag.sync import run_sync
from mmad_rag.records import CHOICE_LETTERS, Choice, EncodedImage, Knowledge, Prompt, Reply
from mmad_rag.retrieve import DEFAULT_BUDGET, Retriever
from mmad_rag.retrieve.config import RequestCounters, RetrievalConfig
from mmad_rag.retrieve.route_cache import SeenImages

ClientT = TypeVar("ClientT")
_IMAGES_KEPT = 1_000
"""Number of images of conversations that are cached, with about 15 kB each for 38 products."""


class RagWrapper:
    """Wraps any model so that it answers with knowledge.

    It is a `Model` itself: `answer` puts the knowledge that the retriever finds into `prompt.knowledge` and
    asks the inner model, so that prompts with and without knowledge differ in exactly that one field.

    Args:
        model: The model to ask: a spec such as `openai:gpt-4o`, any `Model`, an `openai.OpenAI` or
            `AsyncOpenAI` client, a LlamaIndex `LLM`, or a callable from OpenAI-style messages to text, plain
            or asynchronous. None if only `augment` or `wrap` is used.
        index: An index, or the folder of one.
        retriever: A retriever to use instead of an index.
        budget: Tokens of knowledge per prompt, when an index is given; counted by the model's tokenizer if
            that is available, else estimated.
        encoder: The encoder of the index, or a spec that loads it if its file has moved, when an index is
            given; None loads it by the spec in the manifest.
        model_name: Name of the model that an OpenAI client asks; with a client only.
        options: Options of the model; with a spec or a client only.

    Raises:
        InputError: neither or both of index and retriever are given, or the model cannot answer, or a name
            or options are given with a model that takes none.

    Example:
        >>> rag = RagWrapper("openai:gpt-4o", "indexes/default")          # doctest: +SKIP
        >>> rag.ask("nut.png", "Is there a defect?").text                 # doctest: +SKIP
        'Yes: one tooth is bent upwards.'
    """

    def __init__(
        self,
        model: ModelSource | None = None,
        index: IndexData | Path | str | None = None,
        *,
        retriever: Retriever | None = None,
        budget: int = DEFAULT_BUDGET,
        encoder: Encoder | str | None = None,
        model_name: str | None = None,
        options: ModelOptions | None = None,
    ) -> None:
        if (index is None) == (retriever is None):
            raise InputError("a RagWrapper needs an index or a retriever, one of the two; give index=...")
        if is_wrapped(model):
            raise InputError("this client adds knowledge already, and would add it twice; give the plain one")
        self.model: Model = as_model(model, model_name=model_name, options=options)
        self.config: RetrievalConfig | None = None
        """How knowledge is looked up in the index; None if a retriever was given."""
        if retriever is None:
            loaded = index if isinstance(index, IndexData) else KnowledgeIndex.load(str(index))
            self.config = RetrievalConfig.for_model(self.model, budget=budget, encoder=encoder)
            retriever = self.config.clip(loaded)
        self.retriever: Retriever = retriever
        self._seen = SeenImages(_IMAGES_KEPT)

    @property
    def identity(self) -> str:
        """The retriever's identity and the inner model's."""
        return f"rag({self.retriever.identity})/{self.model.identity}"

    @property
    def tokenizer(self) -> str | None:
        """The inner model's tokenizer, see `counter_for`."""
        return getattr(self.model, "tokenizer", None)

    async def answer(self, prompt: Prompt) -> Reply:
        """Look up knowledge, put it into the prompt, and ask the inner model."""
        return await self._answer_with(await self._look_up(prompt), prompt)

    async def aask(
        self,
        image: ImageSource,
        question: str,
        choices: Mapping[str, str] | None = None,
        references: Sequence[ImageSource] | None = None,
    ) -> Answer:
        """Ask one question about one image.

        Args:
            image: A path, bytes, `data:` URL, Pillow image or uint8 array.
            question: The question in plain words.
            choices: Letter -> option, for a multiple-choice question; letters from A to H.
            references: Reference images of normal pieces to show with the query image. Together they count as
                much as the query image in routing, so give images of the same product.

        Raises:
            InputError: the question is empty, or the choices are not letters with options.
            ImageError: an image cannot be read.
            ModelError: the model gave no reply.
        """
        if not isinstance(question, str) or not question.strip():
            raise InputError(f"{question!r} is not a question; ask something of the image")
        options = _options(choices)
        start = time.perf_counter()
        shown, *others = await asyncio.to_thread(_opened, image, references or ())
        prompt = Prompt(question, shown, options, tuple(others))
        opened = time.perf_counter()
        knowledge = await self._look_up(prompt)
        found = time.perf_counter()
        reply = await self._answer_with(knowledge, prompt)
        timings = Timings(opened - start, found - opened, time.perf_counter() - found)
        return answer_from(reply, options, timings)

    def ask(
        self,
        image: ImageSource,
        question: str,
        choices: Mapping[str, str] | None = None,
        references: Sequence[ImageSource] | None = None,
    ) -> Answer:
        """Ask one question as `aask` does, from synchronous code; an event loop may run (a notebook)."""
        return run_sync(self.aask(image, question, choices, references))

    async def aask_many(
        self, items: Iterable[Inquiry | tuple[Any, ...]], *, concurrency: int = 8, progress: bool = True
    ) -> list[Answer | Exception]:
        """Ask many questions concurrently.

        Args:
            items: The arguments of `ask` for each question, as `Inquiry` records or tuples; they are taken
                from the iterable only as `concurrency` allows.
            concurrency: Largest number of questions asked at once, at least 1.
            progress: Whether to show a bar on standard error if that is a terminal or a notebook.

        Returns:
            The answer to each item, or the error in its place, in the order of the items. After a
            `ModelActionError`, which every other question would meet too, no further question is asked: the
            remaining items have that error.
        """

        return await ask_all(self._ask_inquiry, items, concurrency=concurrency, progress=progress)

    def ask_many(
        self, items: Iterable[Inquiry | tuple[Any, ...]], *, concurrency: int = 8, progress: bool = True
    ) -> list[Answer | Exception]:
        """Ask many questions as `aask_many` does, from synchronous code; an event loop may run (a notebook).

        Raises:
            AskingInterrupted: Ctrl-C, or a notebook's stop button. What is under way is cancelled, nothing
                more is sent, and the answers so far are in the exception's `answers`.
        """
        answers: dict[int, Answer | Exception] = {}
        work = ask_all(self._ask_inquiry, items, concurrency=concurrency, progress=progress, answers=answers)
        try:
            return run_sync(work)
        except KeyboardInterrupt:
            raise AskingInterrupted(answers) from None

    def augment(self, messages: Sequence[Any]) -> list[Any]:
        """New OpenAI-style messages with knowledge added, for asking the model by other means.

        The given messages are not changed. `add_knowledge` lists what happens to which conversation. An image
        in one of the last thousand `data:` URLs is not opened again, here and in `wrap`.
        """
        return self.consult(messages).messages

    def consult(self, messages: Sequence[Any]) -> Addition:
        """Add knowledge as `augment` does; the result also holds the knowledge, or why nothing was added.

        `add_knowledge` lists what happens to which conversation.

        Raises:
            ImageError: a `data:` URL is broken, does not hold a complete image, or holds one that is too
                large.
        """
        return add_knowledge(messages, self.retriever, self._seen)

    def wrap(self, client: ClientT, *, report: Report | None = None) -> ClientT:
        """A client like the given `openai.OpenAI` or `AsyncOpenAI` whose requests carry knowledge.

        Knowledge is added to chat completions and responses that show an image; all other requests are sent
        unchanged. The wrapper's own model is not asked. See `wrap_client`.

        Args:
            client: The client, which is not changed.
            report: Called with the addition to each conversation.

        Raises:
            InputError: this is not an OpenAI client, or it is wrapped already.
        """
        counters = None if self.config is None else RequestCounters(self.config.counter)
        return wrap_client(client, self.retriever, report, self._seen, counters=counters)

    async def _ask_inquiry(self, item: Inquiry) -> Answer:
        return await self.aask(item.image, item.question, item.choices, item.references)

    async def _look_up(self, prompt: Prompt) -> Knowledge:
        """Look up knowledge in a thread, because embedding an image would block the event loop."""
        return await asyncio.to_thread(
            self.retriever.retrieve, prompt.question, prompt.image, prompt.references
        )

    async def _answer_with(self, knowledge: Knowledge, prompt: Prompt) -> Reply:
        reply = await self.model.answer(dataclasses.replace(prompt, knowledge=knowledge))
        return dataclasses.replace(reply, knowledge=knowledge)


def _opened(image: ImageSource, references: Sequence[ImageSource]) -> list[EncodedImage]:
    return [open_image(source) for source in (image, *references)]


def _options(choices: Mapping[str, str] | None) -> tuple[Choice, ...]:
    if choices is None:
        return ()
    good = isinstance(choices, Mapping) and all(
        letter in CHOICE_LETTERS and isinstance(text, str) and text.strip()
        for letter, text in choices.items()
    )
    if not good:
        raise InputError(
            f"the choices {choices!r} are not letters from A to H with their options; "
            'give {"A": "Yes.", "B": "No."}'
        )
    return tuple(Choice(letter, text) for letter, text in choices.items())
