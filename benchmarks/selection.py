"""Measure how passages should be compared with a question: by need alone, words, vectors, or both.

    python benchmarks/selection.py --data MMAD --text-encoder sentence_transformers:@FOLDER

prints Markdown tables; MMAD is a folder with mmad.json (no image is needed), FOLDER the model
all-MiniLM-L6-v2. The true product is given, so that nothing but the selection differs. The same files give
the same tables.

1. The reader (`builtin:reader`, which sees no image) on every question of MMAD: accuracy by subtask, and
   the paired difference to BM25 with its 95 % interval (bootstrap over images).
2. MMAD's defect questions, whose true defect is the image's folder: is a passage of that defect and of the
   field asked for among those selected? The question does not say which defect it is.
3. Questions that describe the defect in the words of the sample's facts, which were written apart from the
   knowledge, then ask for its cause, effect or place: once in the benchmark's words, once freely.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from mmad_rag.benchmark.analysis.compare import Comparison, compare_arms
from mmad_rag.benchmark.data.columns import AVERAGE
from mmad_rag.benchmark.data.mmad import load_questions
from mmad_rag.benchmark.run.grade import graded
from mmad_rag.benchmark.run.records import OutcomeRow
from mmad_rag.benchmark.sample.catalogue import CATALOGUE
from mmad_rag.benchmark.sample.facts import load_facts
from mmad_rag.encoders import load_encoder
from mmad_rag.fields import Field
from mmad_rag.index import KnowledgeIndex
from mmad_rag.knowledge import KnowledgeBase, load_knowledge
from mmad_rag.models.builtin.reader import ReaderModel
from mmad_rag.records import Hit, Knowledge, Outcome, Prompt, Question, Route, RouteOutcome
from mmad_rag.retrieve.selection.select import Similarity, select
from mmad_rag.retrieve.selection.similarity import vector_similarity, word_similarity

BUDGETS = (100, 150, 300, 600)
BASELINE = "BM25"
REPLICATES = 2_000
RANK_CONSTANT = 60

_FIELDS = {
    "Defect Classification": frozenset({Field.APPEARANCE}),
    "Defect Localization": frozenset({Field.LOCATION}),
    "Defect Description": frozenset({Field.APPEARANCE}),
    "Defect Analysis": frozenset({Field.CAUSE, Field.EFFECT}),
}
_ASKED = {
    "benchmark's words": {
        Field.CAUSE: "There is a defect in the object: {look}. What is the likely cause of the defect?",
        Field.EFFECT: "There is a defect in the object: {look}. What is the effect of the defect?",
        Field.LOCATION: "There is a defect in the object: {look}. Where is the defect?",
    },
    "free words": {
        Field.CAUSE: "{look}. How did that happen, and what went wrong in production?",
        Field.EFFECT: "{look}. Does that matter, and can the piece still do its job?",
        Field.LOCATION: "{look}. At which spot should I check for that damage?",
    },
}


@dataclass(frozen=True, slots=True)
class Target:
    """A question whose answer stands in a known passage."""

    product: str
    question: str
    defects: frozenset[str]
    """Entries of which one will do."""
    fields: frozenset[Field]
    """Fields of which one will do."""


Select = Callable[[str, str, int], tuple[Hit, ...]]
"""(product, question, budget) -> passages."""


def main() -> None:
    """Measure, then print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with mmad.json")
    parser.add_argument("--text-encoder", required=True, help="spec of all-MiniLM-L6-v2")
    parser.add_argument("--knowledge", type=Path, default=Path("knowledge"))
    options = parser.parse_args()
    base = load_knowledge(options.knowledge)
    text = load_encoder(options.text_encoder)
    index = KnowledgeIndex.build(base, "builtin:tiny", text_encoder=text)
    words, vectors = word_similarity(index), vector_similarity(index, text)
    similarities: dict[str, Similarity] = {
        "need alone": lambda _question, rows: [0.0] * len(rows),
        BASELINE: words,
        "MiniLM": vectors,
        "MiniLM + BM25": fused(vectors, words),
    }
    methods = {name: selector(index, similarity) for name, similarity in similarities.items()}
    questions = [item for item in load_questions(options.data).questions if item.product in index.products]
    print_reader(questions, methods)
    print_hits("MMAD's defect questions", list(labelled(base, questions)), methods)
    for wording, asked in _ASKED.items():
        print_hits(f"Described defects, {wording}", list(described(base, asked)), methods)


def selector(index: KnowledgeIndex, similarity: Similarity) -> Select:
    """Passages by one similarity; every product, question and budget is selected for once."""

    @cache
    def found(product: str, question: str, budget: int) -> tuple[Hit, ...]:
        return select(index, (product,), question, similarity, budget=budget)

    return found


def fused(first: Similarity, second: Similarity) -> Similarity:
    """Reciprocal rank fusion (Cormack et al. 2009, k = 60); what is not told apart shares its mean rank."""

    def similarity(question: str, rows: Sequence[int]) -> Sequence[float]:
        found = np.zeros(len(rows))
        for one in (first, second):
            _, place, counts = np.unique(
                -np.asarray(one(question, rows)), return_inverse=True, return_counts=True
            )
            found += 1.0 / (RANK_CONSTANT + (np.cumsum(counts) - (counts - 1) / 2)[place])
        low, high = found.min(), found.max()
        return ((found - low) / (high - low)).tolist() if high > low else [0.0] * len(rows)

    return similarity


def print_reader(questions: Sequence[Question], methods: dict[str, Select]) -> None:
    """The first table: per budget and method, accuracy by subtask, and what it adds to BM25."""
    print(f"\n### The reader, {len(questions):,} questions\n")
    header: list[str] = []
    for budget in BUDGETS:
        rows = {name: asyncio.run(read(questions, name, found, budget)) for name, found in methods.items()}
        for name in methods:
            compared = compare_arms(
                [*rows[BASELINE], *(rows[name] if name != BASELINE else ())],
                questions,
                BASELINE,
                name,
                replicates=REPLICATES,
            )
            if not header:
                header = [column.column for column in compared.columns]
                print(f"| budget | by | {' | '.join(header)} | less BM25, 95 % |")
                print("|---|---|" + "--:|" * (len(header) + 1))
            print(f"| {budget} | {name} | {' | '.join(_cells(compared))} | {_difference(compared)} |")


async def read(questions: Sequence[Question], arm: str, found: Select, budget: int) -> list[OutcomeRow]:
    """The reader's outcomes with the true product's passages."""
    reader = ReaderModel()
    rows = []
    for question in questions:
        route = Route(RouteOutcome.PRODUCT, (), (question.product,), 1.0)
        knowledge = Knowledge(route, found(question.product, question.text, budget), "")
        reply = await reader.answer(Prompt(question.text, None, question.choices, knowledge=knowledge))
        rows.append(graded(OutcomeRow("", question.id, arm, Outcome.FAILED), question, reply, None))
    return rows


def _cells(compared: Comparison) -> list[str]:
    return [f"{column.arm:.1f}" for column in compared.columns]


def _difference(compared: Comparison) -> str:
    average = next(column for column in compared.columns if column.column == AVERAGE)
    return f"{average.difference:+.2f} [{average.low:+.2f}, {average.high:+.2f}]"


def labelled(base: KnowledgeBase, questions: Sequence[Question]) -> Iterator[Target]:
    """MMAD's questions about a defect that the knowledge has an entry for."""
    entries: dict[tuple[str, str], frozenset[str]] = {}
    for product in base.products:
        for defect in product.defects:
            for folder in defect.folders:
                key = (product.product, folder)
                entries[key] = entries.get(key, frozenset()) | {defect.id}
    for question in questions:
        defects = entries.get((question.product, question.label))
        if defects and question.type in _FIELDS:
            yield Target(question.product, question.text, defects, _FIELDS[question.type])


def described(base: KnowledgeBase, asked: dict[Field, str]) -> Iterator[Target]:
    """Every defect of the sample in the words of its facts, asked for three fields."""
    entries = {
        (product.product, folder): defect.id
        for product in base.products
        for defect in product.defects
        for folder in (defect.id, *defect.folders)
    }
    for drawn in CATALOGUE:
        for facts in load_facts(drawn.name).defects:
            entry = entries.get((drawn.name, facts.kind))
            for field, wording in asked.items():
                if entry is not None:
                    question = wording.format(look=facts.look)
                    yield Target(drawn.name, question, frozenset({entry}), frozenset({field}))


def print_hits(title: str, targets: Sequence[Target], methods: dict[str, Select]) -> None:
    """A table of hit rates: per method and budget, with what it adds to BM25."""
    print(f"\n### {title}: the target is among the selected, {len(targets):,} questions\n")
    print("| by | " + " | ".join(f"{budget} | less BM25" for budget in BUDGETS) + " |")
    print("|---|" + "--:|--:|" * len(BUDGETS))
    hits = {name: np.array([_hits(found, item) for item in targets]) for name, found in methods.items()}
    products = sorted({item.product for item in targets})
    owner = np.array([products.index(item.product) for item in targets])
    for name in methods:
        gained = hits[name].astype(np.float64) - hits[BASELINE]
        cells = [
            f"{100 * hits[name][:, column].mean():.1f} | {_interval(gained[:, column], owner)}"
            for column in range(len(BUDGETS))
        ]
        print(f"| {name} | " + " | ".join(cells) + " |")


def _hits(found: Select, item: Target) -> list[bool]:
    """Per budget, whether a passage of the target was selected."""
    return [
        any(
            hit.passage.entry in item.defects and hit.passage.field in item.fields
            for hit in found(item.product, item.question, budget)
        )
        for budget in BUDGETS
    ]


def _interval(gained: np.ndarray, owner: np.ndarray) -> str:
    """The mean difference in points, and its 95 % interval over products drawn with replacement."""
    products = int(owner.max()) + 1
    sums, counts = np.bincount(owner, gained, products), np.bincount(owner, minlength=products)
    drawn = np.random.default_rng(0).integers(products, size=(REPLICATES, products))
    means = 100 * sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return f"{100 * gained.mean():+.1f} [{low:+.1f}, {high:+.1f}]"


if __name__ == "__main__":
    main()
