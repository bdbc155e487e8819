"""Leave the questions of known errata out, and say how many."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmad_rag.cli.console import note

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmad_rag.benchmark.data.mmad import Benchmark


def without_errata(benchmark: Benchmark, names: Sequence[str]) -> Benchmark:
    """The benchmark without the questions of the named errata, told one by one on standard error."""
    from mmad_rag.benchmark.data.errata import apply_errata

    for name in dict.fromkeys(names):
        before = len(benchmark.questions)
        benchmark = apply_errata(benchmark, [name])
        left_out = before - len(benchmark.questions)
        note(
            f"erratum {name}: {left_out} of {before:,} questions left out"
            + ("" if left_out else "; this copy does not have it")
        )
    return benchmark
