"""The schema of a product file: what an expert writes down about one product."""

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
    """A section of a product file: unknown fields are errors, values are not converted, and nothing can
    change."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)


class ReviewStatus(StrEnum):
    """The review status of a file."""

    DRAFT = "draft"
    """Written, not yet checked against images."""
    CHECKED = "checked"
    """Checked by its writer against images or published descriptions of the product."""
    REVIEWED = "reviewed"
    """Read and agreed to by a second person who knows the product."""
    IMPORTED = "imported"
    """Taken from another source as it stands."""


class Visual(_Section):
    """Short visual phrases that fit into CLIP's context, by which an image of the product is found."""

    name: Line
    """A noun phrase that fits "a photo of a ...", e.g. `metal nut`."""
    aliases: tuple[Line, ...] = ()
    """Three to eight other noun phrases for the same product."""
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
    """Rules such as "how many of what, where, which belongs to which"."""


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
    """One kind of defect. Each item of a list is one or two plain sentences."""

    id: Id
    """Id of the defect, unique in the file."""
    name: Line
    """The name that an inspector uses, e.g. `Bent tooth`."""
    folders: tuple[Id, ...] = ()
    """The benchmark folders that hold images of the defect; empty if it is not in the benchmark."""
    aliases: tuple[Line, ...] = ()
    """Other words for the defect."""
    appearance: tuple[Line, ...]
    """The visible appearance: shape, colour, size, edges."""
    location: tuple[Line, ...] = ()
    """The places on the product where the defect occurs."""
    cause: tuple[Line, ...] = ()
    """The likely causes of the defect."""
    effect: tuple[Line, ...] = ()
    """The effects on function, safety or further use."""
    look_alikes: tuple[LookAlike, ...] = ()
    """Defects and variations that it is confused with."""


class Provenance(_Section):
    """The origin of the text, and how far it can be trusted."""

    sources: tuple[Line, ...]
    """The sources: data sets, papers, standards, or "general knowledge of ..."."""
    author: Line
    """The author's role, not a person."""
    licence: Line
    """SPDX identifier if there is one, e.g. `CC-BY-4.0`."""
    date: dt.date
    """Date of the last change to the text."""
    status: ReviewStatus
    """The review status of the file."""


class Product(_Section):
    """One product file."""

    schema_version: Annotated[int, Field(ge=1, le=1)]
    """Version of the schema: 1."""
    product: Id
    """The product's name in the catalogue: MMAD's category, e.g. `metal_nut`; equals the file's name."""
    dataset: Line
    """The data set that holds the product, e.g. `MVTec AD`; any words for a product of your own."""
    visual: Visual
    view: tuple[Line, ...] = ()
    """The view: camera, background, number and position of pieces."""
    normal: Normal
    tell_apart: tuple[TellApart, ...] = ()
    """Other products that look like this product."""
    defects: tuple[Defect, ...] = ()
    """All known kinds of defects."""
    references: tuple[Line, ...] = ()
    """Paths of images of normal pieces, relative to the file's folder."""
    provenance: Provenance
