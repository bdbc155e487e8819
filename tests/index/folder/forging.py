"""Ways to change a saved index, and what is said of it."""

from __future__ import annotations

import json
from pathlib import Path

from mmad_rag.errors import IndexMismatchError
from mmad_rag.index import KnowledgeIndex, Manifest

MEND = "build it again with `mmad-rag build-index KNOWLEDGE --out"


FILES = ("passages.jsonl", "keys.jsonl", "references.jsonl", "passages.npy", "keys.npy", "references.npy")


def path_of(folder: Path, name: str) -> Path:
    """Where the folder holds `keys.npy`, or `manifest.json`."""
    stem, _, suffix = name.partition(".")
    found = sorted(folder.glob(f"{stem}.*{suffix}"))
    assert len(found) == 1
    return found[0]


def refusal(folder: Path) -> str | None:
    """The message, or None when the index loads."""
    try:
        KnowledgeIndex.load(folder)
    except IndexMismatchError as error:
        message = str(error)
    else:
        return None
    assert message.count(MEND) == 1
    assert "\n" not in message
    return message


def forge(folder: Path, **changes: object) -> None:
    """Change the manifest as one who knows how its digest is made."""
    path = folder / "manifest.json"
    document = json.loads(path.read_bytes())
    document.pop("digest")
    manifest = Manifest.model_validate_json(json.dumps({**document, **changes}))
    path.write_bytes(manifest.to_json())
