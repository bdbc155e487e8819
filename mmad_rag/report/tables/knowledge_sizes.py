"""How long two knowledge bases are, product by product."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mmad_rag.knowledge import KnowledgeBase, passages_of
from mmad_rag.report.tables.table import Table, TableColumn, corner, table_row
from mmad_rag.retrieve import estimate_tokens


@dataclass(frozen=True, slots=True)
class ProductSize:
    """How much each base says of one product."""

    product: str
    words: dict[str, int]
    """Base -> words of all passages; 0 where the base does not know the product."""
    tokens: dict[str, int]
    """Base -> estimated tokens of all passages."""


def knowledge_sizes(bases: Mapping[str, KnowledgeBase], products: Sequence[str]) -> tuple[ProductSize, ...]:
    """One row per product, then their sum under the name `all`."""
    texts = {
        name: {
            product.product: [passage.text for passage in passages_of(product)] for product in base.products
        }
        for name, base in bases.items()
    }
    rows = [_row(product, {name: texts[name].get(product, []) for name in bases}) for product in products]
    whole = {name: [text for product in products for text in texts[name].get(product, [])] for name in bases}
    return (*rows, _row("all", whole))


def sizes_table(rows: Sequence[ProductSize]) -> Table:
    """Products down, words and tokens of each base across."""
    bases = tuple(rows[0].words)
    return Table(
        "Length of the texts",
        (
            corner("product"),
            *(TableColumn(f"{name}\n{unit}", wraps=True) for name in bases for unit in ("words", "tokens")),
        ),
        tuple(
            table_row(
                row.product,
                (str(number) for name in bases for number in (row.words[name], row.tokens[name])),
            )
            for row in rows
        ),
    )


def _row(product: str, texts: Mapping[str, Sequence[str]]) -> ProductSize:
    return ProductSize(
        product,
        {name: sum(len(text.split()) for text in lines) for name, lines in texts.items()},
        {name: sum(map(estimate_tokens, lines)) for name, lines in texts.items()},
    )
