"""How numbers are rounded and written, wherever people read them.

A dash stands where there is no number. Data files (JSON, CSV) hold numbers unrounded and do not use this.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmad_rag.benchmark.stats.estimate import Estimate
    from mmad_rag.retrieval_eval.metrics import Share

NOTHING = "-"
"""Text in the place of a number that does not exist."""
_SMALLEST_P = 0.001


def points(number: float | None) -> str:
    """Percentage points with their sign, e.g. `+1.2`."""
    return decimal(number, 1, signed=True)


def percent(number: float | None) -> str:
    """Percent without a sign, e.g. `12.3`."""
    return decimal(number, 1)


def fine_percent(number: float | None) -> str:
    """Percent as MMAD's scores are published, e.g. `12.34`."""
    return decimal(number, 2)


def whole(number: float | None, otherwise: str = NOTHING) -> str:
    """The number without decimals, e.g. `12`."""
    return otherwise if number is None else decimal(number, 0)


def usd(number: float | None, *, signed: bool = False) -> str:
    """Dollars and cents, e.g. `1,234.50`."""
    if number is None:
        return NOTHING
    return f"{number:+,.2f}" if signed else f"{number:,.2f}"


def count(number: int) -> str:
    """A number of things, e.g. `39,670`."""
    return f"{number:,}"


def decimal(number: float | None, digits: int, *, signed: bool = False) -> str:
    """The number with this many digits after the point, for what no other function fits."""
    if number is None:
        return NOTHING
    return f"{number:+.{digits}f}" if signed else f"{number:.{digits}f}"


def fraction(number: float | None, *, signed: bool = False) -> str:
    """A share, a cosine or a score in a table or beside another, e.g. `0.125`."""
    return decimal(number, 3, signed=signed)


def share(found: Share | None) -> str:
    """Percent with its interval, e.g. `99.5 (98-100)`."""
    if found is None or found.share is None or found.low is None or found.high is None:
        return NOTHING
    return f"{percent(100 * found.share)} ({whole(100 * found.low)}-{whole(100 * found.high)})"


def likely(number: float | None) -> str:
    """A confidence or a probability in a sentence, e.g. `0.98`."""
    return decimal(number, 2)


def p_value(number: float) -> str:
    """E.g. `p = 0.012`, or `p < 0.001`."""
    return f"p < {_SMALLEST_P}" if number < _SMALLEST_P else f"p = {decimal(number, 3)}"


def interval(
    low: float | None, high: float | None, shown: Callable[[float | None], str], *, otherwise: str = ""
) -> str:
    """E.g. `[+1.0, +5.2]`; `otherwise` where an end is absent."""
    return otherwise if low is None or high is None else f"[{shown(low)}, {shown(high)}]"


def with_interval(estimate: Estimate, shown: Callable[[float | None], str]) -> str:
    """E.g. `+3.1 [+1.0, +5.2]`."""
    return f"{shown(estimate.value)} {interval(estimate.low, estimate.high, shown)}".rstrip()
