"""Start a product file, with its normal images beside it."""

from __future__ import annotations

import datetime as dt
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from mmad_rag.errors import KnowledgeError
from mmad_rag.knowledge.images import NormalImages, measure_images
from mmad_rag.knowledge.json_schema import SCHEMA_FILE, schema_text
from mmad_rag.knowledge.schema import Id
from mmad_rag.knowledge.template import template_text


@dataclass(frozen=True, slots=True)
class NewProduct:
    """The files that were written."""

    path: Path
    """The product file."""
    references: tuple[str, ...]
    """Images that the file lists, relative to its folder."""
    copied: int
    """Number of images that were copied into the folder; the others were in it already."""


def new_product(
    product: str, folder: Path, *, today: dt.date, name: str | None = None, images: Path | None = None
) -> NewProduct:
    """Write `<folder>/<product>.yaml` from the template; nothing that exists is overwritten.

    The JSON Schema that the file's first line names is written beside it if it is missing.

    Args:
        product: The id: lower-case words joined by underscores.
        folder: The knowledge folder; made when it is missing.
        today: The date in the provenance.
        name: The visual name; by default the id with spaces.
        images: A folder of normal images. They are copied to `<folder>/<product>/`, or listed where they
            are when they lie in the knowledge folder already.

    Raises:
        KnowledgeError: the id or the name is invalid, the file exists, or the folder cannot be written to.
        ImageError: an image cannot be read, or there is none.
    """
    check_id(product)
    if name is not None and (not name.strip() or not name.isprintable()):
        raise KnowledgeError(f"the name {name!r} is not a noun phrase; give one such as 'metal nut'")
    path = folder / f"{product}.yaml"
    for taken in (path, path.with_suffix(".yml")):
        if taken.exists():
            raise KnowledgeError(f"{taken} exists and is not overwritten; edit it, or choose another --out")
    measured = measure_images(images) if images is not None else None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        placed = _place(measured, folder, product)
        references = tuple(item.relative_to(folder.resolve()).as_posix() for item in placed)
        text = template_text(
            product,
            today=today,
            name=name.strip() if name else None,
            references=references,
            images=measured,
        )
        if not (folder / SCHEMA_FILE).exists():
            (folder / SCHEMA_FILE).write_text(schema_text(), encoding="utf-8")
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise KnowledgeError(
            f"{path} cannot be written ({error.strerror or error}); choose another folder with --out"
        ) from None
    copied = 0 if measured is None or _inside(measured, folder) else len(references)
    return NewProduct(path, references, copied)


def check_id(product: str) -> None:
    """Refuse a name that is not a product id.

    Raises:
        KnowledgeError: the name is not an id; the message suggests an id if one can be made from the name.
    """
    try:
        TypeAdapter(Id).validate_python(product)
    except ValidationError:
        near = "_".join(re.findall(r"[a-z0-9]+", product.lower()))[:64].strip("_")
        hint = f", such as {near!r}" if near else ""
        raise KnowledgeError(
            f"{product!r} is not a product id; use lower-case words joined by underscores{hint}"
        ) from None


def _place(measured: NormalImages | None, folder: Path, product: str) -> Sequence[Path]:
    """Resolved paths of the images inside the knowledge folder, after copying them there if needed."""
    if measured is None:
        return ()
    if _inside(measured, folder):
        return [path.resolve() for path in measured.paths]
    home = folder.resolve() / product
    targets = [home / path.name for path in measured.paths]
    for source, target in zip(measured.paths, targets, strict=True):
        if target.exists() and target.read_bytes() != source.read_bytes():
            raise KnowledgeError(f"{target} exists and is another image than {source}; rename one of the two")
    home.mkdir(exist_ok=True)
    for source, target in zip(measured.paths, targets, strict=True):
        if not target.exists():
            shutil.copyfile(source, target)
    return targets


def _inside(measured: NormalImages, folder: Path) -> bool:
    """Whether every image is in the knowledge folder already."""
    return all(path.resolve().is_relative_to(folder.resolve()) for path in measured.paths)
