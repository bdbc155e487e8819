"""`mmad-rag eval`: the same questions in every arm, into a run folder."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
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
from mmad_rag.cli.plan import budget_of, show_plan
from mmad_rag.cli.progress import end_with_failures, note_missing, run_with_progress
from mmad_rag.cli.summary import print_summary
from mmad_rag.errors import DataError
from mmad_rag.retrieve import DEFAULT_BUDGET

if TYPE_CHECKING:
    from mmad_rag.benchmark.audit.choose_hard import HardSubset
    from mmad_rag.benchmark.data.mmad import Benchmark
    from mmad_rag.benchmark.data.selection import Selection
    from mmad_rag.benchmark.run.run_arms import RunResult


def evaluate(
    data: Annotated[Path, typer.Option("--data", help="Folder that holds mmad.json and the images.")],
    model: ModelOption,
    arms: Annotated[
        str,
        typer.Option(
            "--arms",
            help="Of none, rag, oracle, wrong, lookalike, filler, all, blind, blind-none; by commas.",
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
    seed: Annotated[int, typer.Option("--seed", help="Of the sample, wrong products and intervals.")] = 0,
    shots: Annotated[
        int, typer.Option("--shots", min=0, help="Normal example images shown with each question.")
    ] = 0,
    templates: Annotated[
        TemplateKind,
        typer.Option("--templates", help="Which of an image's lists the examples are taken from."),
    ] = TemplateKind.RANDOM,
    wording: Annotated[
        str, typer.Option("--wording", help="Of the prompt: default, or mmad (MMAD's form of question).")
    ] = "default",
    no_images: Annotated[
        bool,
        typer.Option("--no-images", help="Show no image; asks every question, also without a file."),
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
            "--context", min=1, help="Refuse the arm all where a product's text has more tokens than this."
        ),
    ] = None,
    circular: Annotated[
        int,
        typer.Option("--circular", min=0, help="Ask so many questions in every rotation of their options."),
    ] = 0,
    hard_file: Annotated[
        Path | None,
        typer.Option("--hard", help="Hard subset as written by `mmad-rag audit --out`; else chosen anew."),
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
        typer.Option("--budget", min=0, help="US dollars to keep within; with --plan, what they buy."),
    ] = None,
    prices: PricesOption = None,
    reply_tokens: Annotated[
        int, typer.Option("--reply-tokens", min=0, help="For --plan: tokens of a reply.")
    ] = 16,
    discordance: Annotated[
        float, typer.Option("--discordance", help="For --plan: share of questions on which arms disagree.")
    ] = 0.2,
    concurrency: Annotated[int, typer.Option("--concurrency", help="Questions under way at a time.")] = 8,
    base_url: BaseUrlOption = None,
    option: OptionsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask every question in every arm; the same command continues an interrupted run.

    Exit code 1 when a question got no reply: the table is printed, and why on standard error.
    """
    from mmad_rag.benchmark.data.mmad import load_questions
    from mmad_rag.benchmark.data.selection import select
    from mmad_rag.benchmark.run.arms import IMAGE_ARMS, INDEXLESS_ARMS, build_arms, check_arm_names
    from mmad_rag.benchmark.run.run_arms import run_arms
    from mmad_rag.cli.progress import without_errata
    from mmad_rag.index import KnowledgeIndex
    from mmad_rag.models import load_model
    from mmad_rag.models.dry_run import CountingModel
    from mmad_rag.models.options import MAX_LOGPROBS
    from mmad_rag.models.prices import DEFAULT_IMAGES, load_prices, price_of

    names = [name.strip() for name in arms.split(",") if name.strip()]
    check_arm_names(names)
    whole = load_questions(data)
    benchmark = without_errata(whole, errata or ())
    selection = select(benchmark, only=only or (), limit=limit, seed=seed, images=not no_images)
    folder = out_folder or Path("runs") / "-".join([data.resolve().name, *model.replace("/", "-").split(":")])
    options = model_options(option, model, base_url=base_url, logprobs=MAX_LOGPROBS if logprobs else None)
    asked = load_model(model, options, asks=not plan)
    price = price_of(asked.identity, load_prices(prices))
    index = KnowledgeIndex.load(index_folder) if set(names) - INDEXLESS_ARMS else None
    if plan:
        images = DEFAULT_IMAGES if price is None else price.images
        counter = _counter_for(model)
        asked = CountingModel(asked.identity, counter, images, reply_tokens=reply_tokens, options=options)
    built = build_arms(names, asked, index, encoder=encoder, budget=tokens, context=context, seed=seed)
    if no_images and (idle := [name for name in names if name in IMAGE_ARMS]):
        note(f"without images no product is found: {', '.join(idle)} will show no knowledge")
    note_missing(benchmark, selection)
    ask = partial(
        run_arms, benchmark, arms=built, wording=wording, shots=shots, templates=templates,
        shuffle_options=shuffle_options, image_size=image_size, circular=circular, circular_seed=seed,
        concurrency=concurrency,
    )  # fmt: skip
    if plan:
        show_plan(
            selection,
            lambda size: select(benchmark, only=only or (), limit=size, seed=seed, images=not no_images),
            lambda sampled, scratch: ask(selection=sampled, out=scratch),
            out_folder=folder,
            price=price,
            budget=budget,
            discordance=discordance,
            as_json=as_json,
        )
        return
    allowed = budget_of(budget, price)
    hard = hard_subset_for(whole, folder, hard_file)
    result = run_with_progress(
        lambda advance: ask(selection=selection, out=folder, hard=hard, budget=allowed, progress=advance),
        out_folder=folder,
        goes_on=True,
    )
    _tell(result, selection, budget=budget, prices=prices, seed=seed, as_json=as_json)


def _counter_for(model: str) -> Callable[[str], int]:
    """Of a checkpoint in a folder its own tokenizer, where it has one file for it."""
    from mmad_rag.retrieve.selection.tokenizers import ESTIMATE, token_counter

    name = model.partition(":")[2]
    if not name.startswith("@"):
        return token_counter(name)
    own = Path(name[1:]).expanduser() / "tokenizer.json"
    return token_counter(f"@{own}") if own.is_file() else ESTIMATE


def _tell(
    result: RunResult,
    selection: Selection,
    *,
    budget: float | None,
    prices: Path | None,
    seed: int,
    as_json: bool,
) -> None:
    """Print what came of a run; exit with 1 when a question got no reply."""
    from mmad_rag.benchmark.analysis.failures import failures_of
    from mmad_rag.benchmark.analysis.summary import summarise
    from mmad_rag.benchmark.run.reader import answered_part, read_run
    from mmad_rag.models.prices import load_prices

    run = read_run(result.folder)
    if result.stopped:
        run = answered_part(run)
        note(
            f"stopped: {result.spent_usd:.4g} of {budget:g} USD are spent and another request might exceed "
            f"that; {len(run.questions)} of {len(selection.questions)} questions are answered in every arm. "
            "The same command with a larger --budget goes on"
        )
        if not run.questions:
            raise typer.Exit(1)
    summary = summarise(run, seed=seed, prices=load_prices(prices))
    if as_json:
        told = {"progress": result.progress, "failures": failures_of(run), "header": result.header}
        print_json({"run": result.folder, **told, "stopped": result.stopped, "summary": summary})
    else:
        print_summary(summary)
        note(f"run folder: {result.folder}")
    end_with_failures(run, goes_on=True)


def hard_subset_for(benchmark: Benchmark, folder: Path, given: Path | None) -> HardSubset:
    """The hard subset of a run: the one that is given, else the one it was begun with, else a new one.

    A new one is chosen with the knowledge that comes with the library, whatever index the run uses, so that
    it is the same for every run on the same questions.
    """
    from mmad_rag.benchmark.audit.choose_hard import choose_hard, read_hard
    from mmad_rag.benchmark.run.reader import HARD_FILE
    from mmad_rag.knowledge import load_knowledge
    from mmad_rag.knowledge.shipped import shipped_knowledge

    if given is not None:
        return read_hard(given)
    begun = folder / HARD_FILE
    with contextlib.suppress(DataError):  # a damaged file is written anew, if it is the same subset
        if begun.exists() and (subset := read_hard(begun)).data_sha256 == benchmark.sha256:
            return subset
    return choose_hard(benchmark, load_knowledge(shipped_knowledge()))
