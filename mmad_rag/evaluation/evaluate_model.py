"""Evaluate a model in one call, as `mmad-rag eval` does."""

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
from mmad_rag.rag.batch import asking_bar
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
    retry_empty: bool = False,
    progress: bool | Callable[[RunProgress], None] = True,
) -> Evaluation:
    """Ask a model the same questions in every arm, and report what the knowledge changes.

    The same call continues a run that was interrupted: questions with a reply are not asked again. It also
    works inside a running event loop (a notebook).

    Args:
        data: The folder that holds `mmad.json` and the images.
        model: A spec such as `openai:gpt-4o`, any `Model`, an OpenAI client, a LlamaIndex `LLM`, or a
            callable from OpenAI-style messages to text.
        index: An index, or the folder of one; arms without knowledge need none.
        arms: Names from `mmad_rag.benchmark.ARM_NAMES`, each at most once.
        settings: The protocol: which questions are asked, and how they are presented.
        tokens: Tokens of knowledge per prompt, counted by the model's tokenizer if it is available, otherwise
            estimated.
        context: Largest number of tokens that the arm `all` may show of a product; it refuses a product with
            more.
        encoder: The encoder of the index, loaded or as a spec; None loads the one that the index names.
        model_name: Name of the model that an OpenAI client asks; only with a client.
        options: Further options of the model; only with a spec or a client.
        out: The run folder; None takes `runs/` with the names of data and model.
        hard: File of a hard subset written by `mmad-rag audit --out`; None chooses one, the same for every
            run on these questions.
        budget: US dollars that the run may cost; when they are used up the run stops and keeps its replies.
        prices: A price table (YAML) that takes precedence over the shipped one.
        concurrency: Questions under way at a time, at least 1.
        retry_empty: Whether questions whose reply in the run folder has no text are asked again.
        progress: True shows a bar if standard error is a terminal or a notebook with ipywidgets; a function
            is called after every outcome.

    Raises:
        InputError: the data, a setting, an arm, the model or the price table cannot be used; an arm needs an
            index and none is given; or the budget was used up before any question was answered in every arm.
        IndexMismatchError: the folder does not hold an index that can be used, or the encoder is another one.
        EncoderError: the encoder cannot be loaded, or an arm needs a tower that it does not have.
        ModelActionError: the model cannot reply until the user acts; earlier replies are kept.

    Example:
        >>> found = evaluate("MMAD", "openai:gpt-4o", "indexes/default")  # doctest: +SKIP
        >>> print(found.table())                                          # doctest: +SKIP
    """
    experiment = prepare(
        data, model, index, arms=arms, settings=settings, tokens=tokens, context=context, encoder=encoder,
        model_name=model_name, options=options, out=out, prices=prices,
    )  # fmt: skip
    with _progress_of(progress) as advance:
        return experiment.run(
            hard=hard, budget=budget, concurrency=concurrency, retry_empty=retry_empty, progress=advance
        )


@contextmanager
def _progress_of(
    wanted: bool | Callable[[RunProgress], None],
) -> Iterator[Callable[[RunProgress], None] | None]:
    """The function to call with the progress, if any; a bar exists as long as the context."""
    if not isinstance(wanted, bool):
        yield wanted
        return
    with asking_bar(shown=wanted) as update:
        yield lambda state: update(state.done, state.total)
