"""Keep a hard subset as a file, with all that it depends on."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter, ValidationError

from mmad_rag.benchmark.audit.choose_hard import HARD_VERSION, RULE, HardSubset, hard_subset
from mmad_rag.benchmark.audit.shortcuts import chance_of, shortcut_credits
from mmad_rag.benchmark.data.mmad import Benchmark
from mmad_rag.errors import DataError
from mmad_rag.knowledge import KnowledgeBase

_JSON: TypeAdapter[HardSubset] = TypeAdapter(HardSubset)


def choose_hard(benchmark: Benchmark, base: KnowledgeBase | None) -> HardSubset:
    """Choose the hard subset of a whole question file; takes about 2 s for 11,656 questions.

    Args:
        benchmark: The question file; its pictures are not looked at.
        base: What the text-only readers are given; None leaves them out.
    """
    products = None if base is None else {product.product: product for product in base.products}
    credit = shortcut_credits(benchmark.questions, products)
    excess = np.column_stack(list(credit.values())) - chance_of(benchmark.questions)[:, None]
    return hard_subset_of(
        benchmark, base, tuple(name.value for name in credit), hard_subset(benchmark.questions, excess)
    )


def hard_subset_of(
    benchmark: Benchmark, base: KnowledgeBase | None, shortcuts: tuple[str, ...], questions: tuple[str, ...]
) -> HardSubset:
    """Chosen questions with what they depend on."""
    digest = None if base is None else knowledge_sha256(base)
    return HardSubset(
        HARD_VERSION, RULE, benchmark.sha256, digest, shortcuts, len(benchmark.questions), questions
    )


def knowledge_sha256(base: KnowledgeBase) -> str:
    """SHA-256 (hex) over names and hashes of the product files."""
    listed = [[file.product.product, file.digest] for file in base.files]
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()


def hard_bytes(subset: HardSubset) -> bytes:
    """What the file holds; the same subset gives the same bytes."""
    return _JSON.dump_json(subset, indent=1) + b"\n"


def read_hard(path: Path) -> HardSubset:
    """Read a file that `mmad-rag audit --out` or a run wrote.

    Raises:
        DataError: it cannot be read, or is none.
    """
    try:
        subset = _JSON.validate_json(path.read_bytes(), strict=True)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); check the path") from error
    except ValidationError as error:
        raise DataError(f"{path} is no hard subset; write one by `mmad-rag audit --out`") from error
    if subset.version != HARD_VERSION:
        raise DataError(
            f"{path} has version {subset.version}, not {HARD_VERSION}; write it again by "
            "`mmad-rag audit --out`"
        )
    return subset
