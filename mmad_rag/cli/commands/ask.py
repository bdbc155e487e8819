"""`mmad-rag retrieve` and `mmad-rag ask`: one image at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from mmad_rag.cli.console import note, out, print_json
from mmad_rag.cli.options import (
    DEFAULT_INDEX,
    BaseUrlOption,
    EncoderOption,
    IndexOption,
    JsonOption,
    ModelOption,
    OptionsOption,
    TokensOption,
    model_options,
)
from mmad_rag.errors import SpecError
from mmad_rag.records import CHOICE_LETTERS, Choice, Prompt
from mmad_rag.retrieve import DEFAULT_BUDGET

_OPEN_QUESTION = "Is there any defect in the object?"
ImageArgument = Annotated[Path, typer.Argument(help="The image to inspect.")]


def retrieve(
    image: ImageArgument,
    question: Annotated[str, typer.Option("--question", help="What is asked about it.")] = _OPEN_QUESTION,
    index_folder: IndexOption = DEFAULT_INDEX,
    encoder: EncoderOption = None,
    tokens: TokensOption = DEFAULT_BUDGET,
    model: Annotated[
        str | None,
        typer.Option("--model", help="Count tokens as this model does, e.g. openai:gpt-4o; else estimated."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show an image's product and what a model is shown of it."""
    from mmad_rag.images import open_image
    from mmad_rag.index import KnowledgeIndex
    from mmad_rag.report.explain import knowledge_lines
    from mmad_rag.retrieve.config import RetrievalConfig

    opened = open_image(image)
    config = RetrievalConfig.for_model(model, budget=tokens, encoder=encoder)
    knowledge = config.clip(KnowledgeIndex.load(index_folder)).retrieve(question, opened)
    if as_json:
        print_json({"image": image, "question": question, "knowledge": knowledge})
        return
    for line in knowledge_lines(knowledge):
        out().print(line, markup=False)


def ask(
    image: ImageArgument,
    question: Annotated[str, typer.Argument(help="The question, in plain words.")],
    model: ModelOption,
    choice: Annotated[
        list[str] | None, typer.Option("--choice", help='An option, as "A=Yes."; repeat for each.')
    ] = None,
    reference: Annotated[
        list[Path] | None, typer.Option("--reference", help="An image of a normal piece; repeat for each.")
    ] = None,
    no_knowledge: Annotated[bool, typer.Option("--no-knowledge", help="Ask the model alone.")] = False,
    index_folder: IndexOption = DEFAULT_INDEX,
    encoder: EncoderOption = None,
    tokens: TokensOption = DEFAULT_BUDGET,
    base_url: BaseUrlOption = None,
    option: OptionsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask a model one question about one image."""
    from mmad_rag.images import open_image
    from mmad_rag.index import KnowledgeIndex
    from mmad_rag.models import load_model
    from mmad_rag.models.finish_reason import was_cut
    from mmad_rag.rag import RagWrapper, run_sync
    from mmad_rag.reading.citations import cited_passages
    from mmad_rag.reading.parse import read_choice
    from mmad_rag.report.explain import knowledge_lines

    if not question.strip():
        raise SpecError("the question is empty; ask something of the image")
    choices = _choices(choice or ())
    shown = tuple(open_image(path) for path in reference or ())
    prompt = Prompt(question, open_image(image), choices, shown)
    asked = load_model(model, model_options(option, model, base_url=base_url))
    if not no_knowledge:
        asked = RagWrapper(asked, KnowledgeIndex.load(index_folder), budget=tokens, encoder=encoder)
    reply = run_sync(asked.answer(prompt))
    cut = was_cut(reply.finish)
    letter = read_choice(reply.text, choices, cut=cut) if choices else None
    cited = [passage.id for passage in cited_passages(reply.text, reply.knowledge)]
    if as_json:
        print_json({"image": image, "question": question, "choice": letter, "cited": cited, "reply": reply})
        return
    console = out()
    console.print(reply.text, markup=False)
    if cut:
        note("the reply ended at the token limit; --option max_tokens=N raises it")
    if choices:
        console.print(f"choice: {letter or 'none could be read'}", markup=False)
    if cited:
        console.print(f"cited: {', '.join(cited)}", markup=False)
    if reply.knowledge is not None:
        for line in knowledge_lines(reply.knowledge):
            console.print(line, markup=False)


def _choices(texts: Sequence[str]) -> tuple[Choice, ...]:
    choices = tuple(_choice(text) for text in texts)
    letters = [choice.letter for choice in choices]
    for letter in letters:
        if letters.count(letter) > 1:
            raise SpecError(f"--choice gives the letter {letter} twice; give each option its own letter")
    return choices


def _choice(text: str) -> Choice:
    letter, separator, option = text.partition("=")
    letter = letter.strip().upper()
    if not separator or letter not in CHOICE_LETTERS or not option.strip():
        raise SpecError(f'--choice {text!r} is not of the form "A=Yes." with a letter from A to H')
    return Choice(letter, option.strip())
