"""What other installed packages bring by entry points, looked up only for a prefix that is not built in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from mmad_rag.errors import MmadRagError
from mmad_rag.files import first_line

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

ENCODERS = "mmad_rag.encoders"
"""The group of entry points whose names are prefixes of encoder specs; see `EncoderLoader`."""
MODELS = "mmad_rag.models"
"""The group of entry points whose names are prefixes of model specs; see `ModelLoader`."""

_T = TypeVar("_T")


def make_installed(
    group: str,
    spec: str,
    kind: type[_T],
    call: Callable[[Any], object],
    error: type[MmadRagError],
) -> _T | None:
    """Let an installed package make what a spec names.

    Args:
        group: `ENCODERS` or `MODELS`.
        spec: `prefix:name`.
        kind: Type that the result must have.
        call: Calls the loader of the package.
        error: Class of the error to raise when the package fails; its own `MmadRagError`s pass unchanged.

    Returns:
        None when no installed package brings the prefix.

    Raises:
        MmadRagError: of the given class, naming the package: two packages bring the prefix, its entry point
            cannot be imported, its loader fails, or makes something else.
    """
    prefix = spec.partition(":")[0]
    found = [point for point in _entry_points(group) if point.name == prefix]
    if not found:
        return None
    if len(found) > 1:
        owners = " and ".join(_package(point) for point in found)
        raise error(f"{prefix}: is brought by {owners}; uninstall all but one of them")
    package = _package(found[0])
    try:
        loader = found[0].load()
    except Exception as problem:  # importing foreign code raises anything
        raise error(
            f"{prefix}: is brought by {package}, whose entry point {found[0].value} cannot be imported "
            f"({_in_short(problem)}); update or uninstall that package"
        ) from problem
    try:
        made = call(loader)
    except MmadRagError:
        raise
    except Exception as problem:  # as above
        raise error(f"{package} could not load {spec} ({_in_short(problem)}); ask its authors") from problem
    if isinstance(made, type) or not isinstance(made, kind):
        raise error(
            f"{package} made {type(made).__name__} of {spec}, which is not a {kind.__name__}; ask its authors"
        )
    return made


def installed_forms(group: str, built_in: Iterable[str]) -> tuple[str, ...]:
    """One line for each prefix that installed packages bring, for messages; a built-in prefix stays ours."""
    ours = frozenset(built_in)
    points = sorted(_entry_points(group), key=lambda point: (point.name, _package(point)))
    return tuple(
        f"  {point.name + ':...':<22} by {_package(point)}" for point in points if point.name not in ours
    )


def _entry_points(group: str) -> Iterable[EntryPoint]:
    from importlib.metadata import entry_points

    return entry_points(group=group)


def _package(point: EntryPoint) -> str:
    return "an installed package" if point.dist is None else f"{point.dist.name} {point.dist.version}"


def _in_short(problem: BaseException) -> str:
    said, kind = first_line(problem), type(problem).__name__
    return kind if said == kind else f"{kind}: {said}"
