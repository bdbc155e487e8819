"""The records of an index's keys and references, each of which has one vector."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mmad_rag.index.views import WHOLE
from mmad_rag.records import NORMAL_ENTRY


class KeyKind(StrEnum):
    """The part of a product file that a key was taken from; it decides how the key is embedded."""

    NAME = "name"
    """The visual name or an alias, embedded through the prompt ensemble."""
    LINE = "line"
    """A one-line description, embedded as it is."""


@dataclass(frozen=True, slots=True)
class Key:
    """A short text by which an image of a product is recognised."""

    product: str
    """MMAD's category name."""
    text: str
    """The text as in the product file."""
    kind: KeyKind = KeyKind.NAME
    """The part of the product file that holds the text."""


@dataclass(frozen=True, slots=True)
class Reference:
    """One view of a reference image, which is identified by its bytes."""

    product: str
    """MMAD's category name."""
    name: str
    """File name, for messages."""
    digest: str
    """SHA-256 (hex) of the file's bytes, whatever the view."""
    entry: str = NORMAL_ENTRY
    """`normal`, or the id of the defect that the image shows."""
    view: str = WHOLE
    """Name of the view, one of `mmad_rag.index.views.VIEWS`."""


def reference_order(reference: Reference) -> tuple[str, str, str, str, str]:
    """The sort key of references, so that their rows do not depend on the order of adding them."""
    return reference.product, reference.entry, reference.name, reference.digest, reference.view
