"""The shape of a product file: what an expert writes down about one product."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(_[a-z0-9]+)*$", max_length=64)]
"""Lower-case words joined by underscores, as MMAD names its folders."""

Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20_000)]
"""One piece of text, never empty; the linter is stricter about its length."""


class _Section(BaseModel):
    """Unknown fields are errors, values are never turned into another type, nothing changes later."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)


class ReviewStatus(StrEnum):
    """How far a file has come."""

    DRAFT = "draft"
    """Written, not yet checked against images."""
    CHECKED = "checked"
    """Checked by its writer against images or published descriptions of the product."""
    REVIEWED = "reviewed"
    """Read and agreed to by a second person who knows the product."""
    IMPORTED = "imported"
    """Taken from another source as it stands."""


class Visual(_Section):
    """What an image of the product can be found by: short, visual, inside CLIP's context."""

    name: Line
    """A noun phrase that fits "a photo of a ...", e.g. `metal nut`."""
    aliases: tuple[Line, ...] = ()
    """Other noun phrases for the same thing, three to eight."""
    descriptions: tuple[Line, ...] = ()
    """One-line descriptions of the whole image, at most 20 words each."""


class Normal(_Section):
    """The normal state. Each item of a list is one or two plain sentences."""

    appearance: tuple[Line, ...]
    """Shapes, colours, textures, markings."""
    structure: tuple[Line, ...] = ()
    """Parts, their number, order and place."""
    function: tuple[Line, ...] = ()
    """What the product is for, and which part does what."""
    variation: tuple[Line, ...] = ()
    """What differs between good pieces and must not be reported."""
    composition: tuple[Line, ...] = ()
    """Rules of the kind "how many of what, where, which belongs to which"."""


class TellApart(_Section):
    """How to tell this product from another one that looks like it."""

    product: Id
    """The other product."""
    how: tuple[Line, ...]
    """What this product shows that the other does not."""


class LookAlike(_Section):
    """How to tell this defect from another one of the same product."""

    defect: Id
    """The other defect, or `normal` for a harmless variation that resembles this defect."""
    how: tuple[Line, ...]
    """What this defect shows that the other does not."""


class Defect(_Section):
    """One thing that goes wrong. Each item of a list is one or two plain sentences."""

    id: Id
    """Unique in the file."""
    name: Line
    """What an inspector calls it, e.g. `Bent tooth`."""
    folders: tuple[Id, ...] = ()
    """The benchmark folders that hold images of it; empty when it is not in the benchmark."""
    aliases: tuple[Line, ...] = ()
    """Other words for it."""
    appearance: tuple[Line, ...]
    """What is seen: shape, colour, size, edges."""
    location: tuple[Line, ...] = ()
    """Where on the product it occurs."""
    cause: tuple[Line, ...] = ()
    """Where it likely comes from."""
    effect: tuple[Line, ...] = ()
    """What it does to function, safety or further use."""
    look_alikes: tuple[LookAlike, ...] = ()
    """What it is confused with."""


class Provenance(_Section):
    """Where the text comes from, and how far it can be trusted."""

    sources: tuple[Line, ...]
    """Data sets, papers, standards, or "general knowledge of ..."."""
    author: Line
    """A role, not a person."""
    licence: Line
    """SPDX identifier where there is one, e.g. `CC-BY-4.0`."""
    date: dt.date
    """Of the last change to the text."""
    status: ReviewStatus
    """How far the file has come."""


class Product(_Section):
    """One product file."""

    schema_version: Annotated[int, Field(ge=1, le=1)]
    """1."""
    product: Id
    """The product's name in the catalogue: MMAD's category, e.g. `metal_nut`; equals the file's name."""
    dataset: Line
    """Where it is benchmarked, e.g. `MVTec AD`; any words for a product of your own."""
    visual: Visual
    view: tuple[Line, ...] = ()
    """Camera, background, how many pieces, how they lie."""
    normal: Normal
    tell_apart: tuple[TellApart, ...] = ()
    """Products that look like it."""
    defects: tuple[Defect, ...] = ()
    """Everything that is known to go wrong."""
    references: tuple[Line, ...] = ()
    """Images of normal pieces, relative to the file's folder."""
    provenance: Provenance
