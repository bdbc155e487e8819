"""`mmad-rag eval`: the same questions in every arm, into a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmad_rag.benchmark.data.mmad import TemplateKind
from mmad_rag.cli.console import note, print_json
from mmad_rag.cli.options import (
    DEFAULT_INDEX,
    BaseUrlOption,
    EncoderOption,
    IndexOption,
    JsonOption,
    ModelOption,
    OptionsOption,
    PricesOption,
    TokensOption,
    model_options,
)
from mmad_rag.cli.plan import show_plan
from mmad_rag.cli.progress import asking_progress, end_with_failures
from mmad_rag.cli.summary import print_summary
from mmad_rag.retrieve import DEFAULT_BUDGET

if TYPE_CHECKING:
    from mmad_rag.evaluation.result import Evaluation


def evaluate(
    data: Annotated[Path, typer.Option("--data", help="Folder that holds mmad.json and the images.")],
    model: ModelOption,
    arms: Annotated[
        str,
        typer.Option(
            "--arms",
            help="Arms, by commas: none, rag, oracle, wrong, lookalike, filler, all, blind, blind-none.",
        ),
    ] = "none,rag",
    index_folder: IndexOption = DEFAULT_INDEX,
    encoder: EncoderOption = None,
    out_folder: Annotated[
        Path | None, typer.Option("--out", help="Run folder; an interrupted run in it is continued.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", help="Ask a seeded sample of this many questions.")
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", help="Ask about these images only: a product or a glob on paths; repeatable."),
    ] = None,
    errata: Annotated[
        list[str] | None,
        typer.Option("--errata", help="Leave out the questions of this known erratum; repeatable."),
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", help="Seed for the sample, the wrong products and the intervals.")
    ] = 0,
    shots: Annotated[
        int, typer.Option("--shots", min=0, help="Normal example images shown with each question.")
    ] = 0,
    templates: Annotated[
        TemplateKind,
        typer.Option("--templates", help="List of an image that the example images are taken from."),
    ] = TemplateKind.RANDOM,
    wording: Annotated[
        str,
        typer.Option("--wording", help="Wording of the prompt: default, or mmad (MMAD's form of question)."),
    ] = "default",
    no_images: Annotated[
        bool,
        typer.Option("--no-images", help="Show no image; questions whose image has no file are asked too."),
    ] = False,
    image_size: Annotated[
        int | None,
        typer.Option("--image-size", min=1, help="Scale images down to this longest side, in pixels."),
    ] = None,
    shuffle_options: Annotated[
        int | None,
        typer.Option("--shuffle-options", help="Show options in an order drawn by this seed."),
    ] = None,
    tokens: TokensOption = DEFAULT_BUDGET,
    context: Annotated[
        int | None,
        typer.Option(
            "--context", min=1, help="Refuse the arm `all` if a product's text has more tokens than this."
        ),
    ] = None,
    circular: Annotated[
        int,
        typer.Option("--circular", min=0, help="Ask this many questions in every rotation of their options."),
    ] = 0,
    hard_file: Annotated[
        Path | None,
        typer.Option(
            "--hard", help="Hard subset as written by `mmad-rag audit --out`; by default it is chosen anew."
        ),
    ] = None,
    logprobs: Annotated[
        bool,
        typer.Option("--logprobs", help="Also read the choice from the probabilities of the first token."),
    ] = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="Ask nothing: print requests, tokens, price and detectable gain.")
    ] = False,
    budget: Annotated[
        float | None,
        typer.Option("--budget", min=0, help="US dollars that the run may cost; with --plan, what they buy."),
    ] = None,
    prices: PricesOption = None,
    reply_tokens: Annotated[
        int, typer.Option("--reply-tokens", min=0, help="For --plan: tokens of a reply.")
    ] = 16,
    discordance: Annotated[
        float, typer.Option("--discordance", help="For --plan: share of questions on which arms disagree.")
    ] = 0.2,
    concurrency: Annotated[int, typer.Option("--concurrency", help="Questions under way at a time.")] = 8,
    retry_empty: Annotated[
        bool, typer.Option("--retry-empty", help="Ask again where the kept reply has no text.")
    ] = False,
    base_url: BaseUrlOption = None,
    option: OptionsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure a model with and without knowledge.

    Every question is asked in every arm; the same command continues an interrupted run.

    Exit code 1 when a question got no reply: the table is printed, and why on standard error.
    """
    from mmad_rag.benchmark.run.settings import RunSettings
    from mmad_rag.evaluation.experiment import prepare
    from mmad_rag.models.options import MAX_LOGPROBS

    settings = RunSettings(
        only=only or (),
        limit=limit,
        seed=seed,
        errata=errata or (),
        images=not no_images,
        wording=wording,
        shots=shots,
        templates=templates,
        shuffle_options=shuffle_options,
        image_size=image_size,
        circular=circular,
    )
    experiment = prepare(
        data,
        model,
        index_folder,
        arms=arms.split(","),
        settings=settings,
        tokens=tokens,
        context=context,
        encoder=encoder,
        options=model_options(option, model, base_url=base_url, logprobs=MAX_LOGPROBS if logprobs else None),
        out=out_folder,
        prices=prices,
        dry_run=plan,
        reply_tokens=reply_tokens,
    )
    for line in experiment.notes:
        note(line)
    if plan:
        show_plan(experiment, budget=budget, discordance=discordance, as_json=as_json)
        return
    with asking_progress(experiment.out, goes_on=True) as advance:
        evaluation = experiment.run(
            hard=hard_file, budget=budget, concurrency=concurrency, retry_empty=retry_empty, progress=advance
        )
    _print(evaluation, as_json=as_json)


def _print(evaluation: Evaluation, *, as_json: bool) -> None:
    """Print what came of a run; exit with 1 when a question got no reply."""
    from mmad_rag.benchmark.run.reader import HEADER_JSON

    run = evaluation.run
    if evaluation.stopped:
        note(evaluation.notes[-1])
    if as_json:
        print_json(
            {
                "run": evaluation.folder,
                "progress": evaluation.progress,
                "failures": evaluation.failures(),
                "header": HEADER_JSON.dump_python(run.header, mode="json", by_alias=True),
                "stopped": evaluation.stopped,
                "summary": evaluation.summary,
            }
        )
    else:
        print_summary(evaluation.summary)
        note(f"run folder: {evaluation.folder}")
    end_with_failures(run, goes_on=True)
