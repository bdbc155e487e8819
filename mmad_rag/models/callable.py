"""A model made from a callable that turns messages into text."""

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
"""Takes OpenAI-style messages with images as `data:` URLs; returns the reply's text or an awaitable of it."""


class CallableModel:
    """Asks a function that the caller provides.

    A function that is not a coroutine function runs in threads, so several calls may run at once.

    Args:
        ask: The function that answers.
        name: Name of the function in the identity and in messages; by default its module and its name. Give
            a name with a version if a run stores the replies, because a change of code is not detected.

    Example:
        >>> CallableModel(lambda messages: "A", name="always A, v1").identity
        'callable:always A, v1'
    """

    def __init__(self, ask: AskFunction, *, name: str | None = None) -> None:
        self._ask = ask
        self._name = name or _name_of(ask)

    @property
    def identity(self) -> str:
        """`callable:` with the name."""
        return f"callable:{self._name}"

    async def answer(self, prompt: Prompt) -> Reply:
        """Call the function.

        Raises:
            ModelActionError: the function returned something other than text.
            ModelRetryError: the function raised an error, which is this error's cause. Errors of this
                library pass unchanged.
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
    """Whether a call returns at once, because the work is done when its result is awaited."""
    call = getattr(ask, "__call__", None)  # noqa: B004 - an object's own method, inspected and not called
    return inspect.iscoroutinefunction(ask) or inspect.iscoroutinefunction(call)


def _name_of(ask: AskFunction) -> str:
    owner = ask if hasattr(ask, "__qualname__") else type(ask)
    return f"{owner.__module__}.{owner.__qualname__}"
