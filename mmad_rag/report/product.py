"""One product file as an author or an inspector reads it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from mmad_rag.fields import Field
from mmad_rag.knowledge import Product, ProductFile, passages_of
from mmad_rag.records import NORMAL_ENTRY, Json
from mmad_rag.words.token_estimate import estimate_tokens


@dataclass(frozen=True, slots=True)
class PassageView:
    """A passage with what it costs."""

    id: str
    """Id that `mmad-rag retrieve` names the passage by."""
    entry: str
    """`normal`, or the id of a defect."""
    field: Field
    title: str
    """What a reader calls the entry."""
    text: str
    tokens: int
    """Estimated."""


@dataclass(frozen=True, slots=True)
class ProductView:
    """All that can be retrieved of a product."""

    path: Path
    """The file."""
    product: Json
    """The file's fields."""
    passages: tuple[PassageView, ...]
    """Passages in the order of reading."""
    words: int
    """Words of all passages."""
    tokens: int
    """Estimated tokens of all passages."""


def product_view(file: ProductFile) -> ProductView:
    """What `knowledge show --json` prints."""
    passages = tuple(
        PassageView(
            passage.id,
            passage.entry,
            passage.field,
            passage.title,
            passage.text,
            estimate_tokens(passage.text),
        )
        for passage in passages_of(file.product)
    )
    return ProductView(
        path=file.path,
        product=file.product.model_dump(mode="json"),
        passages=passages,
        words=sum(len(passage.text.split()) for passage in passages),
        tokens=sum(passage.tokens for passage in passages),
    )


def product_lines(file: ProductFile) -> Iterator[RenderableType]:
    """Keys, then every passage below its entry with its id and its price, then where the text comes from."""
    product, view = file.product, product_view(file)
    yield Text.assemble((product.product, "bold"), f" ({product.dataset}), {file.path}")
    yield from _key_lines(product)
    defects = {defect.id: defect for defect in product.defects}
    for entry, passages in groupby(view.passages, key=lambda passage: passage.entry):
        shown = tuple(passages)
        heading = shown[0].title
        if entry != NORMAL_ENTRY:
            defect = defects[entry]
            heading = f"Defect: {defect.name}"
            heading += f" (also: {', '.join(defect.aliases)})" if defect.aliases else ""
            heading += f" [folders: {', '.join(defect.folders)}]" if defect.folders else ""
        yield Text()
        yield Text(heading, style="bold")
        for passage in shown:
            yield Padding(
                Text(f"{passage.id} ({passage.tokens} tokens)", style="cyan"), (0, 0, 0, 2), expand=False
            )
            yield Padding(Text(passage.text), (0, 0, 0, 6), expand=False)
    yield from _closing_lines(product, view)


def _key_lines(product: Product) -> Iterator[Text]:
    """What an image is routed by."""
    visual = product.visual
    yield Text(f"name: {visual.name}")
    for label, keys in (("alias", visual.aliases), ("description", visual.descriptions)):
        for key in keys:
            yield Text(f"{label}: {key}")
    for reference in product.references:
        yield Text(f"reference: {reference}")


def _closing_lines(product: Product, view: ProductView) -> Iterator[Text]:
    provenance = product.provenance
    yield Text()
    yield Text(f"{provenance.status.value}, {provenance.date}, {provenance.licence}, by {provenance.author}")
    for source in provenance.sources:
        yield Text(f"source: {source}")
    yield Text(f"{len(view.passages)} passages, {view.words} words, about {view.tokens} tokens", style="bold")
