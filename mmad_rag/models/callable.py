"""A model that is any callable from messages to text."""

from __future__ import annotations

import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

from mmad_rag.errors import MmadRagError, ModelActionError, ModelRetryError
from mmad_rag.models.event_loops import in_thread
from mmad_rag.models.openai.request import chat_messages
from mmad_rag.prompt import render
from mmad_rag.records import Prompt, Reply

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionMessageParam

AskFunction: TypeAlias = "Callable[[list[ChatCompletionMessageParam]], str | Awaitable[str]]"
"""Takes OpenAI-style messages, images as `data:` URLs; gives the reply's text, now or when awaited."""


class CallableModel:
    """Asks a function of yours.

    A function that is not a coroutine function runs in a thread, so several questions may be in it at once.

    Args:
        ask: What answers.
        name: What the identity and messages call it; by default its module and its name. Give one, with a
            version in it, where a run stores what it answers: from code alone a change cannot be seen.

    Example:
        >>> CallableModel(lambda messages: "A", name="always A, v1").identity
        'callable:always A, v1'
    """

    def __init__(self, ask: AskFunction, *, name: str | None = None) -> None:
        self._ask = ask
        self._name = name or _name_of(ask)

    @property
    def identity(self) -> str:
        """The name."""
        return f"callable:{self._name}"

    async def answer(self, prompt: Prompt) -> Reply:
        """Call the function.

        Raises:
            ModelActionError: what it gave is not text.
            ModelRetryError: it raised an error; the error stands behind this one as its cause. Errors of this
                library's own tree come through as they are.
        """
        messages = chat_messages(render(prompt))
        start = time.perf_counter()
        try:
            text = await self._call(messages)
        except MmadRagError:
            raise
        except Exception as error:
            raise ModelRetryError(
                f"{self.identity} raised {type(error).__name__} ({error}); mend the function, or ask again"
            ) from error
        if not isinstance(text, str):
            raise ModelActionError(
                f"{self.identity} gave {type(text).__name__} where text is wanted; "
                "let it return the reply's text as a str"
            )
        return Reply(text, self._name, latency_s=time.perf_counter() - start)

    async def _call(self, messages: list[ChatCompletionMessageParam]) -> object:
        if _is_async(self._ask):
            result: object = self._ask(messages)
        else:
            result = await in_thread(lambda: self._ask(messages))
        return await result if inspect.isawaitable(result) else result


def _is_async(ask: AskFunction) -> bool:
    """Whether calling it is quick, because the work is done when its result is awaited."""
    call = getattr(ask, "__call__", None)  # noqa: B004 - an object's own method, looked at and not called
    return inspect.iscoroutinefunction(ask) or inspect.iscoroutinefunction(call)


def _name_of(ask: AskFunction) -> str:
    owner = ask if hasattr(ask, "__qualname__") else type(ask)
    return f"{owner.__module__}.{owner.__qualname__}"
