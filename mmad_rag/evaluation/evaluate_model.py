"""The one call behind `mmad-rag eval`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mmad_rag.benchmark.run.settings import DEFAULT_SETTINGS, RunSettings
from mmad_rag.benchmark.run.worker import RunProgress
from mmad_rag.encoders.protocol import Encoder
from mmad_rag.evaluation.experiment import DEFAULT_ARMS, prepare
from mmad_rag.evaluation.result import Evaluation
from mmad_rag.index.data import IndexData
from mmad_rag.models import ModelOptions
from mmad_rag.models.adapt import ModelSource
from mmad_rag.retrieve import DEFAULT_BUDGET


def evaluate(
    data: Path | str,
    model: ModelSource,
    index: IndexData | Path | str | None = None,
    *,
    arms: Sequence[str] = DEFAULT_ARMS,
    settings: RunSettings = DEFAULT_SETTINGS,
    tokens: int = DEFAULT_BUDGET,
    context: int | None = None,
    encoder: Encoder | str | None = None,
    model_name: str | None = None,
    options: ModelOptions | None = None,
    out: Path | str | None = None,
    hard: Path | str | None = None,
    budget: float | None = None,
    prices: Path | str | None = None,
    concurrency: int = 8,
    progress: bool | Callable[[RunProgress], None] = True,
) -> Evaluation:
    """Ask a model the same questions in every arm, and say what knowledge is worth.

    The same call continues a run that was interrupted: nothing that was answered is asked again. It works
    inside a running event loop (a notebook) too.

    Args:
        data: The folder that holds `mmad.json` and the images.
        model: A spec such as `openai:gpt-4o`, any `Model`, an OpenAI client, a LlamaIndex `LLM`, or a
            callable from OpenAI-style messages to text.
        index: An index, or the folder of one; arms without knowledge need none.
        arms: Of `mmad_rag.benchmark.ARM_NAMES`, each at most once.
        settings: Which questions are asked, and how.
        tokens: Tokens of knowledge per prompt, counted by the model's tokenizer where that is at hand, else
            estimated.
        context: Tokens that the arm `all` may show of a product; it refuses a product with more.
        encoder: Loads the index's encoder by this spec, or is it; None takes the one that the index names.
        model_name: Which model an OpenAI client is to ask; with a client only.
        options: What the model is told beside its name; with a spec or a client only.
        out: The run folder; None takes `runs/` with the names of data and model.
        hard: A hard subset as written by `mmad-rag audit --out`; None chooses one, the same for every run on
            these questions.
        budget: US dollars that the run may cost; when they are used up it stops, and keeps what was answered.
        prices: A price table (YAML) that stands before the shipped one.
        concurrency: Questions under way at a time, at least 1.
        progress: True shows a bar where standard error is a terminal or a notebook with ipywidgets; a
            function is called after every outcome.

    Raises:
        InputError: the data, a setting, an arm, the model or the price table cannot be used, or the budget
            was used up before any question was answered in every arm.
        IndexMismatchError: the index is absent, or its encoder is another one.
        ModelActionError: the model can give no reply until the user acts; what was answered is kept.

    Example:
        >>> found = evaluate("MMAD", "openai:gpt-4o", "indexes/default")  # doctest: +SKIP
        >>> print(found.table())                                          # doctest: +SKIP
    """
    experiment = prepare(
        data, model, index, arms=arms, settings=settings, tokens=tokens, context=context, encoder=encoder,
        model_name=model_name, options=options, out=out, prices=prices,
    )  # fmt: skip
    with _progress_of(progress) as advance:
        return experiment.run(hard=hard, budget=budget, concurrency=concurrency, progress=advance)


@contextmanager
def _progress_of(
    wanted: bool | Callable[[RunProgress], None],
) -> Iterator[Callable[[RunProgress], None] | None]:
    """What is to be told of the progress; a bar lives as long as the context."""
    if not isinstance(wanted, bool):
        yield wanted
        return
    from importlib.util import find_spec

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    visible = console.is_terminal or (console.is_jupyter and find_spec("ipywidgets") is not None)
    if not wanted or not visible:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("asking", total=None)
        yield lambda state: bar.update(task, completed=state.done, total=state.total)
