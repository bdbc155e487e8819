"""Load product files from a folder into a checked knowledge base."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from mmad_rag.errors import InputError, KnowledgeError
from mmad_rag.folders import files_in, same_name, suffix_of
from mmad_rag.knowledge.images import IMAGE_SUFFIXES
from mmad_rag.knowledge.placeholders import HOLDS_PLACEHOLDER, is_unwritten
from mmad_rag.knowledge.quoting import read_as
from mmad_rag.knowledge.schema import Product
from mmad_rag.knowledge.source import Source, read_yaml, texts_of
from mmad_rag.records import NORMAL_ENTRY

_MAX_SHOWN = 20
_SUFFIXES = (".yaml", ".yml")
_PLAIN_WORDS = {
    "extra_forbidden": "is not a field of a product file; remove it or correct its spelling",
    "missing": "is missing; add it",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem in a product file."""

    path: Path
    """The file."""
    line: int
    """Line in the file, from 1."""
    field: str
    """Dotted path of the field, e.g. `defects.2.appearance`; empty for the file as a whole."""
    message: str
    """What is wrong and how to correct it."""

    def __str__(self) -> str:
        field = f"{self.field} " if self.field else ""
        return f"{self.path}:{self.line}: {field}{self.message}"


@dataclass(frozen=True, slots=True)
class ProductFile:
    """A product with the file that it was read from."""

    product: Product
    path: Path
    digest: str
    """SHA-256 (hex) of the file's bytes."""
    source: Source

    def reference_paths(self) -> tuple[Path, ...]:
        """Paths of the reference images."""
        return tuple(self.path.parent / reference for reference in self.product.references)


@dataclass(frozen=True, slots=True)
class KnowledgeBase:
    """All product files of a folder, sorted by product."""

    root: Path
    files: tuple[ProductFile, ...]

    @property
    def products(self) -> tuple[Product, ...]:
        """The products, sorted by name."""
        return tuple(file.product for file in self.files)


def load_knowledge(root: Path | str) -> KnowledgeBase:
    """Load every `*.yaml` file of a folder.

    Raises:
        KnowledgeError: the folder is absent or empty, or any file is wrong or still holds a placeholder. One
            message names every problem by file, line and field (the first 20).
    """
    root = Path(root)
    files: list[ProductFile] = []
    problems: list[Problem] = []
    for path in product_paths(root):
        loaded, wrong = read_product(path)
        problems += wrong
        if loaded is not None:
            files.append(loaded)
            problems += _unwritten(loaded.source)
    if problems:
        shown = "\n".join(str(problem) for problem in problems[:_MAX_SHOWN])
        more = f"\n... and {len(problems) - _MAX_SHOWN} more" if len(problems) > _MAX_SHOWN else ""
        raise KnowledgeError(f"the knowledge in {root} has {len(problems)} problem(s):\n{shown}{more}")
    return KnowledgeBase(root, tuple(sorted(files, key=lambda file: file.product.product)))


def product_paths(root: Path) -> tuple[Path, ...]:
    """The product files of a folder, sorted; hidden and system files are passed over (see `folders`).

    Raises:
        KnowledgeError: the folder is absent, cannot be read, or holds no `*.yaml` file.
    """
    if not root.is_dir():
        raise KnowledgeError(
            f"there is no knowledge folder at {root}; give the folder that holds <product>.yaml files"
        )
    try:
        paths = files_in(root, _SUFFIXES)
    except InputError as error:
        raise KnowledgeError(str(error)) from error
    if not paths:
        raise KnowledgeError(
            f"the knowledge folder {root} holds no <product>.yaml file; write one per product"
        )
    return paths


def read_product(path: Path) -> tuple[ProductFile | None, list[Problem]]:
    """Read one product file; if no product is returned, the problems say why (with line numbers).

    No product is returned if its ids do not fit together, because its passages could not be named. A
    placeholder is not a problem here: it stands in a file that is being written, and only `load_knowledge`
    refuses it.
    """
    try:
        source = read_yaml(path)
    except KnowledgeError as error:
        return None, [_from_message(path, str(error))]
    if not isinstance(source.value, dict):
        return None, [Problem(path, 1, "", "the file holds no fields; start from another product file")]
    try:
        product = Product.model_validate_json(json.dumps(source.value, default=str))
    except ValidationError as error:
        return None, [_from_pydantic(source, details) for details in error.errors()]
    except ValueError as error:  # a number with thousands of digits
        return None, [
            Problem(path, 1, "", f"the file holds a value that cannot be used ({error}); correct it")
        ]
    problems = [*_whole_file_problems(product, source), *_reference_problems(product, source)]
    wrong_ids = list(_id_problems(product, source))
    if wrong_ids:
        return None, problems + wrong_ids
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return ProductFile(product, path, digest, source), problems


def _whole_file_problems(product: Product, source: Source) -> Iterator[Problem]:
    """Problems with the file's name and with its neighbours."""
    if product.product != same_name(source.path.stem):
        yield _problem(
            source, ("product",), f"is {product.product!r} but the file is {source.path.name}; let both agree"
        )
    twin = _twin(source.path)
    if twin is not None:
        yield _problem(source, (), f"{twin.name} is a file of the same product; keep one of the two")


def _twin(path: Path) -> Path | None:
    """The file of the same product that comes before this one; None if this is the first or the only one."""
    name = same_name(path.stem)
    twins = [other for other in files_in(path.parent, _SUFFIXES) if same_name(other.stem) == name]
    first = min(twins, key=lambda twin: (suffix_of(twin) != ".yaml", twin.name), default=path)
    return first if first.name != path.name else None


def _id_problems(product: Product, source: Source) -> Iterator[Problem]:
    """Ids that are not unique, or that do not exist."""
    seen: set[str] = set()
    for position, defect in enumerate(product.defects):
        message = None
        if defect.id == NORMAL_ENTRY:
            message = f"{defect.id!r} is the id of the normal state; give the defect another"
        elif defect.id in seen:
            message = f"{defect.id!r} is used twice; give each defect its own"
        if message:
            yield _problem(source, ("defects", position, "id"), message)
        seen.add(defect.id)
    for position, defect in enumerate(product.defects):
        for place, look_alike in enumerate(defect.look_alikes):
            if look_alike.defect not in seen | {NORMAL_ENTRY}:
                where = ("defects", position, "look_alikes", place, "defect")
                yield _problem(
                    source, where, f"{look_alike.defect!r} is not a defect of this file; correct the id"
                )


def _reference_problems(product: Product, source: Source) -> Iterator[Problem]:
    """References that are not files inside the file's folder."""
    folder = source.path.parent.resolve()
    for position, reference in enumerate(product.references):
        message = None
        try:
            target = (folder / reference).resolve()
            if not target.is_relative_to(folder):
                message = f"{reference!r} leaves the knowledge folder; keep images in it"
            elif not target.is_file():
                message = f"{reference!r} does not exist; correct the path or remove it"
            elif suffix_of(Path(reference)) not in IMAGE_SUFFIXES:
                known = ", ".join(sorted(IMAGE_SUFFIXES))
                message = f"{reference!r} is not named like an image ({known}); name an image or remove it"
        except (OSError, RuntimeError) as error:  # a name that is too long, or links in a circle
            reason = error.strerror if isinstance(error, OSError) else "its links go in a circle"
            message = f"{reference[:80]!r} cannot be looked up ({reason}); correct the path"
        if message:
            yield _problem(source, ("references", position), message)


def _unwritten(source: Source) -> Iterator[Problem]:
    """Placeholders, which a model must never be shown."""
    for where, text in texts_of(source.value):
        if is_unwritten(text):
            yield _problem(source, where, HOLDS_PLACEHOLDER)


def _problem(source: Source, where: tuple[str | int, ...], message: str) -> Problem:
    return Problem(source.path, source.line(where), ".".join(str(part) for part in where), message)


def _from_pydantic(source: Source, details: ErrorDetails) -> Problem:
    message = (
        _PLAIN_WORDS.get(details["type"]) or f"{details['msg'][0].lower()}{details['msg'][1:]}; correct it"
    )
    if details["type"] == "string_type":
        message = read_as(source, tuple(details["loc"])) or message
    message = message.replace("valid array", "list").replace("an object", "a set of fields")
    return _problem(source, tuple(details["loc"]), message)


def _from_message(path: Path, message: str) -> Problem:
    """The problem in a reader's message, split into line and text so that every problem has one form."""
    rest = message.removeprefix(f"{path}:")
    line, separator, text = rest.partition(": ")
    if separator and line.isdigit():
        return Problem(path, int(line), "", text)
    return Problem(path, 1, "", rest.strip())
