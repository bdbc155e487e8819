"""Make a folder look like an installed package with entry points, to `importlib.metadata` and to imports."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def install(
    site: Path,
    name: str,
    entry_points: Mapping[str, Mapping[str, str]],
    modules: Mapping[str, str],
    *,
    version: str = "1.0",
) -> None:
    """Write what an installer writes for a pure Python wheel.

    Args:
        site: The folder that stands for `site-packages`; who puts it on the path has the package.
        name: Of the distribution, in lower-case words joined by underscores.
        entry_points: Group -> name -> `module:object`.
        modules: File below `site` -> source.
    """
    info = site / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = []
    for group, points in entry_points.items():
        lines += [f"[{group}]", *(f"{point} = {target}" for point, target in points.items()), ""]
    (info / "entry_points.txt").write_text("\n".join(lines))
    for file, source in modules.items():
        path = site / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
