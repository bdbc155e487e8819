"""Ask many questions at once, within a bound."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence, Sized
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

from mmad_rag.errors import InputError, ModelActionError
from mmad_rag.images import ImageSource
from mmad_rag.rag.answer import Answer


@dataclass(frozen=True, slots=True)
class Inquiry:
    """One question about one image: what `RagWrapper.ask` takes, in its order."""

    image: ImageSource
    """A path, bytes, `data:` URL, Pillow image or uint8 array."""
    question: str
    """In plain words."""
    choices: Mapping[str, str] | None = None
    """Letter -> option, for a multiple-choice question."""
    references: Sequence[ImageSource] | None = None
    """Images of normal examples to show beside the query."""


Asking: TypeAlias = Callable[[Inquiry], Awaitable[Answer]]


async def ask_all(
    ask: Asking,
    items: Iterable[Inquiry | tuple[Any, ...]],
    *,
    concurrency: int,
    progress: bool,
) -> list[Answer | Exception]:
    """Ask every item; items are taken from the iterable one by one, as there is room.

    Args:
        ask: Asks one.
        items: Inquiries, or tuples of an inquiry's fields.
        concurrency: How many are asked at once, at least 1.
        progress: Whether to show a bar on standard error, where that is a terminal or a notebook.

    Returns:
        In the order of the items: the answer, or the error that stands in its place. After a
        `ModelActionError`, which every other question would meet too, no further one is asked: those left
        have that error.

    Raises:
        InputError: the bound is below 1.
    """
    if concurrency < 1:
        raise InputError(f"concurrency={concurrency} asks nothing; give 1 or more")
    results: dict[int, Answer | Exception] = {}
    waiting = enumerate(items)
    stopped: list[ModelActionError] = []

    async def work(advance: Callable[[], None]) -> None:
        for number, item in waiting:
            try:
                results[number] = stopped[0] if stopped else await ask(_inquiry(item))
            except ModelActionError as error:
                stopped.append(error)
                results[number] = error
            except Exception as error:  # a mistake in one must not lose the replies to the others
                results[number] = error
            advance()

    total = len(items) if isinstance(items, Sized) else None
    with _bar(total, shown=progress) as advance:
        tasks = [asyncio.ensure_future(work(advance)) for _ in range(concurrency)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
    return [results[number] for number in sorted(results)]


def _inquiry(item: Inquiry | tuple[Any, ...]) -> Inquiry:
    if isinstance(item, Inquiry):
        return item
    if isinstance(item, tuple) and 2 <= len(item) <= 4:
        return Inquiry(*item)
    raise InputError(
        f"a {type(item).__name__} is not a question; give Inquiry(image, question, choices, references), "
        "or a tuple of these of which the last two may be left out"
    )


@contextmanager
def _bar(total: int | None, *, shown: bool) -> Iterator[Callable[[], None]]:
    """Yields what to call after each question."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    visible = shown and (console.is_terminal or console.is_jupyter)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not visible) as bar:
        task = bar.add_task("asking", total=total)
        yield lambda: bar.advance(task)
