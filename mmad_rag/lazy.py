"""Names of a package that are imported when they are first used (PEP 562)."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence


def lazy_names(
    package: str, names: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Make a package's `__getattr__` and `__dir__`.

    A package that imports its public names at once makes everybody pay for all of them: importing one
    of its modules runs its `__init__` first.

    Args:
        package: The package's `__name__`.
        names: Module -> the public names that it defines.

    Example:
        >>> __getattr__, __dir__ = lazy_names("mmad_rag.rag", {"mmad_rag.rag.wrapper": ("RagWrapper",)})
    """
    homes = {name: module for module, defined in names.items() for name in defined}

    def get(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(homes[name]), name)
        setattr(sys.modules[package], name, value)  # so that this function is asked once per name
        return value

    def listed() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes})

    return get, listed
