"""How often counting tokens by an estimate shows a model other passages than its own tokenizer does.

    python benchmarks/counting.py DATA [--model openai:gpt-4o] [--tokens 300]

For every pair of a product and a question's words in the question file, passages are selected for the true
product from the shipped knowledge, by their words, once with tokens estimated and once with the model's own
tokenizer. Until one configuration stood behind every way of asking, `eval` selected in the first way and
`RagWrapper` in the second.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mmad_rag.benchmark.data.mmad import load_questions
from mmad_rag.index import KnowledgeIndex
from mmad_rag.knowledge import load_knowledge
from mmad_rag.knowledge.shipped import shipped_knowledge
from mmad_rag.retrieve.config import counter_for
from mmad_rag.retrieve.selection.select import DEFAULT_BUDGET, select
from mmad_rag.retrieve.selection.similarity import word_similarity
from mmad_rag.retrieve.selection.tokenizers import ESTIMATE


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="openai:gpt-4o")
    parser.add_argument("--tokens", type=int, default=DEFAULT_BUDGET)
    options = parser.parse_args()
    index = KnowledgeIndex.build(load_knowledge(shipped_knowledge()), "builtin:tiny", text_encoder="words")
    similarity = word_similarity(index)
    questions = load_questions(options.data).questions
    pairs = sorted({(item.product, item.text) for item in questions if item.product in index.products})
    counter = counter_for(options.model)
    differ = less = more = 0
    for product, question in pairs:
        estimated, exact = (
            {
                hit.passage.id
                for hit in select(index, (product,), question, similarity, budget=options.tokens, counter=by)
            }
            for by in (ESTIMATE, counter)
        )
        differ += estimated != exact
        less += len(estimated) < len(exact)
        more += len(estimated) > len(exact)
    share = 100 * differ / len(pairs)
    print(f"{options.model} counts by {counter.name}, {options.tokens} tokens, {len(pairs):,} pairs")
    print(f"other passages by the estimate: {differ:,} ({share:.1f} %), fewer {less:,}, more {more:,}")


if __name__ == "__main__":
    main()
