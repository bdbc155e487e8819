"""Put two runs of the same questions side by side, where they may be compared."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

from mmad_rag.benchmark.run.records import ArmHeader, OutcomeRow, Run, header_differences
from mmad_rag.errors import DataError

MAY_DIFFER = frozenset({"arms", "counter", "circular", "circular_seed", "hard_sha256"})
"""Fields of the header that a comparison of two runs can be about, or that do not touch it."""


@dataclasses.dataclass(frozen=True, slots=True)
class TwoRuns:
    """Two runs as one, whose arms are told apart by the name of their run."""

    run: Run
    """Arms are called `<run>:<arm>`."""
    pairs: tuple[tuple[str, str], ...]
    """The arms that both runs have: name in the first, name in the second."""
    differences: tuple[str, ...]
    """What differs between the arms of each pair, in words."""


def put_together(first: Run, second: Run) -> TwoRuns:
    """Put two runs together.

    Raises:
        DataError: they were not asked the same questions in the same way, or share no arm; the message names
            everything that differs.
    """
    if first.folder.resolve() == second.folder.resolve():
        raise DataError(f"{first.folder} and {second.folder} are the same run; give two")
    refuse_other_settings(first, second, MAY_DIFFER)
    names = _names(first, second)
    arms = [{arm.name: arm for arm in run.header.arms} for run in (first, second)]
    shared = [arm for arm in arms[0] if arm in arms[1]]
    if not shared:
        raise DataError(
            f"{first.folder} has the arms {', '.join(arms[0])}, {second.folder} {', '.join(arms[1])}: "
            "none is in both; run one of them with an arm of the other"
        )
    header = dataclasses.replace(
        first.header,
        arms=tuple(
            dataclasses.replace(item, name=f"{name}:{item.name}")
            for name, run in zip(names, (first, second), strict=True)
            for item in run.header.arms
        ),
        circular=0,
    )
    rows = (*_renamed(first, names[0]), *_renamed(second, names[1]))
    differences = tuple(
        f"{arm}: {' and '.join(_told(arms[0][arm], arms[1][arm])) or 'nothing'} differs" for arm in shared
    )
    pairs = tuple((f"{names[0]}:{arm}", f"{names[1]}:{arm}") for arm in shared)
    both = Run(first.folder, header, first.questions, rows, hard=first.hard, whole_columns=first.columns)
    return TwoRuns(both, pairs, differences)


def refuse_other_settings(first: Run, second: Run, may_differ: Collection[str]) -> None:
    """Refuse to compare two runs whose headers differ in another field.

    Raises:
        DataError: they do; the message names everything that differs.
    """
    found = [item for item in header_differences(first.header, second.header) if item.field not in may_differ]
    if found:
        mend = "run one of them again with the settings of the other"
        if {item.field for item in found} == {"parser_version"}:
            mend = "`mmad-rag rescore` reads the replies of the older one again without asking"
        listed = "; ".join(f"{item.name}: {item.first!r} and {item.second!r}" for item in found)
        raise DataError(
            f"{first.folder} and {second.folder} cannot be compared, they differ in {listed}; {mend}"
        )


def _names(first: Run, second: Run) -> tuple[str, str]:
    names = (first.folder.resolve().name, second.folder.resolve().name)
    return names if names[0] != names[1] else (str(first.folder), str(second.folder))


def _renamed(run: Run, name: str) -> tuple[OutcomeRow, ...]:
    return tuple(dataclasses.replace(row, arm=f"{name}:{row.arm}") for row in run.rows)


def _told(one: ArmHeader, other: ArmHeader) -> list[str]:
    """What differs; the identity of an arm says it only where its model and index do not."""
    found = [name for name in ("model", "index") if getattr(one, name) != getattr(other, name)]
    if one.counter and other.counter and one.counter != other.counter:
        found.append("what tokens are counted by")
    if not found and one.identity != other.identity:
        found = ["how knowledge is chosen"]
    return found
