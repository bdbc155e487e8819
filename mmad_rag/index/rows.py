"""The records that rows of vectors belong to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mmad_rag.index.views import WHOLE
from mmad_rag.records import NORMAL_ENTRY


class KeyKind(StrEnum):
    """Which part of a product file a key was taken from; it decides how the key is embedded."""

    NAME = "name"
    """The visual name or an alias, embedded through the prompt ensemble."""
    LINE = "line"
    """A one-line description, embedded as it is."""


@dataclass(frozen=True, slots=True)
class Key:
    """A short text that an image of a product is found by."""

    product: str
    """MMAD's category name."""
    text: str
    """The words of the product file."""
    kind: KeyKind = KeyKind.NAME
    """Where they stand in it."""


@dataclass(frozen=True, slots=True)
class Reference:
    """One view of an image of a piece that is known, identified by the image's bytes."""

    product: str
    """MMAD's category name."""
    name: str
    """File name, for messages."""
    digest: str
    """SHA-256 (hex) of the file's bytes, whatever the view."""
    entry: str = NORMAL_ENTRY
    """`normal`, or the id of the defect that the image shows."""
    view: str = WHOLE
    """How the image was looked at, a name of `mmad_rag.index.views.VIEWS`."""


def reference_order(reference: Reference) -> tuple[str, str, str, str, str]:
    """What references are sorted by, so that their rows do not depend on how they came together."""
    return reference.product, reference.entry, reference.name, reference.digest, reference.view
