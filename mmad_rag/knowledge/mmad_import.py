"""Convert texts between MMAD's published knowledge file and product files."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from types import MappingProxyType
from typing import NoReturn

import yaml
from pydantic import ValidationError

from mmad_rag.errors import InputError, KnowledgeError
from mmad_rag.files import first_problem
from mmad_rag.folders import entries_in
from mmad_rag.knowledge.base import KnowledgeBase, load_knowledge
from mmad_rag.knowledge.schema import Product, ReviewStatus
from mmad_rag.records import NORMAL_ENTRY, Json

GOOD = "good"
"""MMAD's key of the normal state."""
LICENCE = "CC-BY-NC-SA-4.0"
"""Licence of MMAD's texts, which an import keeps."""
MAX_BYTES = 20_000_000
"""Largest size that is read, in bytes; the published file has 150 kilobytes."""

_DATASETS = MappingProxyType({"MVTec": "MVTec AD", "MVTec-LOCO": "MVTec LOCO"})
"""Data sets that product files spell differently than the published file; the questions say `DS-MVTec` for
the first."""
_MARK = "# Imported by `mmad-rag knowledge import-mmad`, which replaces this file when it is run again.\n"
_TITLE = re.compile(r"\s*<([^<>\n]{1,200})>")


@dataclass(frozen=True, slots=True)
class _Entry:
    """One text of the published file."""

    dataset: str
    product: str
    folder: str
    """Name of the folder: `good`, or a kind of defect."""
    text: str


class _Dumper(yaml.SafeDumper):
    """A dumper that writes long texts in double quotes: PyYAML's other styles lose line breaks such as
    U+0085."""


def _quoted(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    plain = text.isprintable() and len(text) < 80
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


_Dumper.add_representer(str, _quoted)


def import_mmad(file: Path, folder: Path, *, today: dt.date) -> KnowledgeBase:
    """Write one product file per product of MMAD's file; every text is kept whole.

    The published file is `{data set: {product: {"good" or a defect folder: text}}}`, and a text begins
    with its title as `<Title>`. The title becomes the defect's name, the text its appearance, the key its id
    and its folder.

    Args:
        file: MMAD's `domain_knowledge.json`.
        folder: The folder to write, which is new, empty, or holds only earlier imports; those are all
            replaced.
        today: The date in the provenance.

    Raises:
        KnowledgeError: the file is not of this form, a text of it has no place in a product file, or the
            folder holds anything else.
    """
    data = _read(file)
    digest = hashlib.sha256(data).hexdigest()
    entries = _entries(_parsed(file, data), file)
    _refuse_other_contents(folder)
    source = f"MMAD (arXiv 2410.09453), {file.name}, SHA-256 {digest}"
    contents: dict[str, str] = {}
    for (_, product), of_product in groupby(entries, key=lambda entry: (entry.dataset, entry.product)):
        if product in contents:
            _refuse(file, f"{product}: this product stands in two data sets; rename one of the two")
        contents[product] = _product_text(file, tuple(of_product), source, today)
    return _write(file, folder, contents)


def export_mmad(base: KnowledgeBase) -> dict[str, dict[str, dict[str, str]]]:
    """The published form of an imported base: `{data set: {product: {key: text}}}`, every text as it was.

    Raises:
        KnowledgeError: a file is not an import, or was changed so that an entry no longer holds one text.
    """
    keys: dict[str, str] = {name: key for key, name in _DATASETS.items()}
    published: dict[str, dict[str, dict[str, str]]] = {}
    for file in base.files:
        # The schema strips texts, so they are taken from the file as it was read.
        value: Json = file.source.value
        named = [(GOOD, value["normal"])] + [(defect["id"], defect) for defect in value.get("defects", ())]
        whole = [(key, entry["appearance"]) for key, entry in named if entry["appearance"]]
        if file.product.provenance.status is not ReviewStatus.IMPORTED or any(
            len(texts) != 1 for _, texts in whole
        ):
            raise KnowledgeError(f"{file.path}: this is not as it was imported; import the base again")
        dataset = str(value["dataset"])
        products = published.setdefault(keys.get(dataset, dataset), {})
        products[value["product"]] = {key: texts[0] for key, texts in whole}
    return published


def _read(file: Path) -> bytes:
    try:
        if file.stat().st_size > MAX_BYTES:
            _refuse(file, f"the file is larger than {MAX_BYTES:,} bytes; give MMAD's domain_knowledge.json")
        return file.read_bytes()
    except OSError as error:
        raise KnowledgeError(f"{file}: the file cannot be read ({error.strerror}); check the path") from None


def _parsed(file: Path, data: bytes) -> object:
    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        names = [name for name, _ in pairs]
        for name in names:
            if names.count(name) > 1:
                _refuse(file, f"the key {name!r} stands twice in one object; keep one")
        return dict(pairs)

    try:
        return json.loads(data.decode("utf-8-sig"), object_pairs_hook=unique)
    except KnowledgeError:
        raise
    except (ValueError, RecursionError) as error:
        raise KnowledgeError(
            f"{file}: this is not JSON ({error}); give MMAD's domain_knowledge.json"
        ) from None


def _entries(published: object, file: Path) -> tuple[_Entry, ...]:
    """Every text with its three keys, in the file's order."""
    found: list[_Entry] = []
    for dataset, products in _items(published, file, "the file"):
        if dataset in _DATASETS.values():
            _refuse(file, f"{dataset!r} is not a data set of MMAD's file; its keys are such as 'MVTec'")
        for product, texts in _items(products, file, dataset):
            for folder, text in _items(texts, file, f"{dataset}/{product}"):
                if not isinstance(text, str) or not text.strip():
                    _refuse(file, f"{dataset}/{product}/{folder}: this is not text; give a description")
                found.append(_Entry(dataset, product, folder, text))
    return tuple(found)


def _items(value: object, file: Path, where: str) -> Sequence[tuple[str, object]]:
    if not isinstance(value, dict) or not value:
        _refuse(
            file,
            f"{where}: no filled object stands here; expected {{data set: {{product: {{defect: text}}}}}}",
        )
    return tuple(value.items())


def _product_text(file: Path, entries: Sequence[_Entry], source: str, today: dt.date) -> str:
    """The product file of one product's entries, checked against the schema."""
    first = entries[0]
    where = f"{first.dataset}/{first.product}"
    normal = [entry.text for entry in entries if entry.folder == GOOD]
    value: Json = {
        "schema_version": 1,
        "product": first.product,
        "dataset": _DATASETS.get(first.dataset, first.dataset),
        "visual": {"name": first.product.replace("_", " ")},
        "normal": {"appearance": normal},
        "defects": [_defect(entry) for entry in entries if entry.folder != GOOD],
        "provenance": {
            "sources": [f"{source}, {where}"],
            "author": "the authors of MMAD",
            "licence": LICENCE,
            "date": today,
            "status": ReviewStatus.IMPORTED.value,
        },
    }
    if any(entry.folder == NORMAL_ENTRY for entry in entries):
        _refuse(file, f"{where}/{NORMAL_ENTRY}: this name is taken by the normal state; call it {GOOD!r}")
    try:
        Product.model_validate_json(json.dumps(value, default=str))
    except ValidationError as error:
        _refuse(file, f"{where}: {first_problem(error)}; correct the entry")
    return _MARK + yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def _defect(entry: _Entry) -> Json:
    title = _TITLE.match(entry.text)
    name = title[1].strip() if title else ""
    return {
        "id": entry.folder,
        "name": name or entry.folder.replace("_", " ").capitalize(),
        "folders": [entry.folder],
        "appearance": [entry.text],
    }


def _refuse_other_contents(folder: Path) -> None:
    """Refuse a folder that holds anything but earlier imports."""
    if folder.exists() and not folder.is_dir():
        raise KnowledgeError(f"{folder} is not a folder; choose another one with --out")
    for path in _contents(folder):
        if not _is_import(path):
            raise KnowledgeError(f"{folder} holds {path.name}, which is not an import; choose another --out")


def _contents(folder: Path) -> tuple[Path, ...]:
    """What a folder holds beside hidden and system entries; nothing if it does not exist."""
    try:
        return entries_in(folder) if folder.exists() else ()
    except InputError as error:
        raise KnowledgeError(str(error)) from error


def _is_import(path: Path) -> bool:
    if path.suffix != ".yaml" or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_MARK.encode())) == _MARK.encode()


def _write(file: Path, folder: Path, contents: dict[str, str]) -> KnowledgeBase:
    """Write beside the folder first and read that back, so that the folder never holds half an import."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as name:
            fresh = Path(name)
            for product, text in contents.items():
                (fresh / f"{product}.yaml").write_text(text, encoding="utf-8", newline="")
            try:
                load_knowledge(fresh)
            except KnowledgeError as error:
                _refuse(file, f"this cannot be written as product files: {error}")
            folder.mkdir(exist_ok=True)
            for path in _contents(folder):
                path.unlink()
            for path in _contents(fresh):
                shutil.move(path, folder / path.name)
    except OSError as error:
        raise KnowledgeError(
            f"{folder} cannot be written ({error.strerror or error}); choose another --out"
        ) from None
    return load_knowledge(folder)


def _refuse(file: Path, message: str) -> NoReturn:
    raise KnowledgeError(f"{file}: {message}")
