"""Ask many questions concurrently, within a limit."""

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
    """One question about one image: the arguments of `RagWrapper.ask` in their order."""

    image: ImageSource
    """A path, bytes, `data:` URL, Pillow image or uint8 array."""
    question: str
    """The question in plain words."""
    choices: Mapping[str, str] | None = None
    """Letter -> option, for a multiple-choice question."""
    references: Sequence[ImageSource] | None = None
    """Reference images of normal pieces to show with the query image."""


class AskingInterrupted(KeyboardInterrupt):
    """An interrupt while questions were asked; nothing more is sent.

    Args:
        answers: What was answered before it, by the position of the question.
    """

    def __init__(self, answers: Mapping[int, Answer | Exception]) -> None:
        self.answers: Mapping[int, Answer | Exception] = dict(sorted(answers.items()))
        """The answers (or errors) so far, by the position of the question; the other questions have none."""
        super().__init__(f"interrupted; the {len(self.answers)} answers so far are in `.answers`")


Asking: TypeAlias = Callable[[Inquiry], Awaitable[Answer]]


async def ask_all(
    ask: Asking,
    items: Iterable[Inquiry | tuple[Any, ...]],
    *,
    concurrency: int,
    progress: bool,
    answers: dict[int, Answer | Exception] | None = None,
) -> list[Answer | Exception]:
    """Ask every item; items are taken from the iterable only as the limit allows.

    Args:
        ask: Asks one question.
        items: Inquiries, or tuples of an inquiry's fields.
        concurrency: Largest number of questions asked at once, at least 1.
        progress: Whether to show a bar on standard error if that is a terminal or a notebook.
        answers: Where to keep what is answered, by position, so that an interrupt does not lose it.

    Returns:
        The answer to each item, or the error in its place, in the order of the items. After a
        `ModelActionError`, which every other question would meet too, no further question is asked: the
        remaining items have that error.

    Raises:
        InputError: `concurrency` is below 1.
    """
    if concurrency < 1:
        raise InputError(f"concurrency={concurrency} asks nothing; give 1 or more")
    results: dict[int, Answer | Exception] = {} if answers is None else answers
    waiting = enumerate(items)
    stopped: list[ModelActionError] = []

    async def work(update: Callable[[int, int | None], None]) -> None:
        for number, item in waiting:
            try:
                results[number] = stopped[0] if stopped else await ask(_inquiry(item))
            except ModelActionError as error:
                stopped.append(error)
                results[number] = error
            except Exception as error:  # an error in one item must not lose the replies to the others
                results[number] = error
            update(len(results), total)

    total = len(items) if isinstance(items, Sized) else None
    with asking_bar(shown=progress) as update:
        tasks = [asyncio.ensure_future(work(update)) for _ in range(concurrency)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)  # nothing is under way after this
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
def asking_bar(*, shown: bool) -> Iterator[Callable[[int, int | None], None]]:
    """A context with a progress bar on standard error; it yields a function of the questions done and of all.

    Args:
        shown: Whether to show a bar if standard error is a terminal or a notebook with ipywidgets.
    """
    from importlib.util import find_spec

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    visible = console.is_terminal or (console.is_jupyter and find_spec("ipywidgets") is not None)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not (shown and visible)) as bar:
        task = bar.add_task("asking", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
