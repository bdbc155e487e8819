"""The text of a new product file, with a placeholder for everything that only its author knows."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from string import Template

import yaml

from mmad_rag.knowledge.catalogue import DATASETS, DEFECT_FOLDERS
from mmad_rag.knowledge.images import PLAIN_WITHIN, NormalImages
from mmad_rag.knowledge.json_schema import SCHEMA_COMMENT
from mmad_rag.knowledge.placeholders import PLACEHOLDER
from mmad_rag.knowledge.schema import ReviewStatus

OWN_DATASET = "own"
"""The data set of a product that MMAD does not have."""

_FILE = Template(
    """\
$schema_comment
# What an inspector, and a model, should know of one product. Replace every $todo, remove what does not
# apply, then run `mmad-rag knowledge lint` on this folder: it names what is left to do. Each item of a list
# is one or two plain sentences of at most 30 words, and is understood without its neighbours.
${measured}schema_version: 1
product: $product
dataset: $dataset
visual:
  # What an image is found by. The name and the aliases are noun phrases that fit "a photo of a ...".
  name: $name
  aliases: # 3 to 8
    - $todo another name for the $words
    - $todo name and colour of the $words
    - $todo name and shape or material of the $words
  descriptions: # of the whole image, at most 20 words each
    - $todo one line on what the image shows
view:
  - $todo the camera, the background, how many pieces there are, how they lie
normal:
  appearance:
    - $todo shapes, colours, textures and markings of a good piece
  structure:
    - $todo its parts, their number, order and place
  function:
    - $todo what it is for, and which part does what
  variation:
    - $todo what differs between good pieces and must not be reported
  # Rules such as "how many of what, where, which belongs to which":
  # composition:
  #   - $todo one rule
# Products that look like this one; each must tell itself apart from this one too:
# tell_apart:
#   - product: other_product
#     how:
#       - $todo what this product shows that the other does not
$defects${references}provenance:
  sources:
    - $todo drawing, standard, defect catalogue, or general knowledge of something
  author: $todo your role, not your name
  licence: LicenseRef-Proprietary # an SPDX identifier; CC-BY-4.0 is the one of the texts that are shipped
  date: $date
  status: $status # checked once compared with images, reviewed once a second person agrees
"""
)
_DEFECT = Template(
    """\
  - id: $id
    name: $name
$folders    appearance:
      - $todo for $id, what is seen, its shape, colour, size and edges
    location:
      - $todo for $id, where on the product it occurs
    cause:
      - $todo for $id, where it likely comes from
    effect:
      - $todo for $id, what it does to function, safety or further use
"""
)
_OWN_DEFECTS = """\
# What goes wrong: take the leading "# " away, and repeat the item for each defect.
"""
_LOOK_ALIKES = Template(
    """\
    # look_alikes: # another defect of this file, which must name this one too, or `normal`
    #   - defect: other_defect
    #     how:
    #       - $todo what this defect shows that the other does not
"""
)


def template_text(
    product: str,
    *,
    today: dt.date,
    name: str | None = None,
    references: Sequence[str] = (),
    images: NormalImages | None = None,
) -> str:
    """A file that the schema accepts; what the linter says of it is what its author has to do.

    Data set and defects of a product of MMAD are filled in, as is all that the arguments tell.

    Args:
        product: A valid id, e.g. `metal_nut`.
        today: Goes into the provenance.
        name: The visual name; by default the id with spaces.
        references: Images of normal pieces, relative to the file's folder.
        images: What was measured on them, told in comments.
    """
    words = product.replace("_", " ")
    datasets = [dataset for dataset, products in DATASETS.items() if product in products]
    return _FILE.substitute(
        schema_comment=SCHEMA_COMMENT,
        todo=PLACEHOLDER,
        measured="".join(f"# {line}\n" for line in measured_lines(images)) if images else "",
        product=_scalar(product),
        dataset=_scalar(datasets[0] if datasets else OWN_DATASET),
        name=_scalar(name or words),
        words=words,
        defects=_defects(DEFECT_FOLDERS.get(product, ())),
        references=_listed("references", references),
        date=today.isoformat(),
        status=ReviewStatus.DRAFT.value,
    )


def measured_lines(images: NormalImages) -> tuple[str, ...]:
    """What images of normal pieces show, as sentences for their product's author."""
    count, corners = len(images.paths), images.corners
    first, last = images.sizes[0], images.sizes[-1]
    size = f"{first.width} x {first.height}"
    if len(images.sizes) > 1:
        size = f"{len(images.sizes)} sizes from {size} to {last.width} x {last.height}"
    colour = f"RGB {corners.red} {corners.green} {corners.blue}, {corners.name}"
    if corners.spread <= PLAIN_WITHIN:
        ground = f"one plain background: {colour}, within {corners.spread} of 255 in every image"
    else:
        ground = f"no one plain background: {colour} in the middle, but up to {corners.spread} of 255 apart"
    return (
        f"Measured on {count} image{'s' if count > 1 else ''} of normal pieces, {size} pixels.",
        f"Their corners show {ground}.",
    )


def _defects(folders: Sequence[str]) -> str:
    """A block per folder of MMAD, or a commented example for a product of one's own."""
    look_alikes = _LOOK_ALIKES.substitute(todo=PLACEHOLDER)
    if not folders:
        block = "defects:\n" + _defect("scratch", "Scratch", ()) + look_alikes
        return _OWN_DEFECTS + "".join(f"# {line}\n" for line in block.splitlines())
    blocks = (_defect(folder, folder.replace("_", " ").capitalize(), (folder,)) for folder in folders)
    return "defects:\n" + "".join(blocks) + look_alikes


def _defect(identity: str, name: str, folders: Sequence[str]) -> str:
    listed = f"    folders: [{', '.join(folders)}]\n" if folders else ""
    return _DEFECT.substitute(id=identity, name=name, folders=listed, todo=PLACEHOLDER)


def _listed(field: str, values: Sequence[str]) -> str:
    if not values:
        return f"# Images of normal pieces, relative to this folder:\n# {field}: []\n"
    return f"{field}:\n" + "".join(f"  - {_scalar(value)}\n" for value in values)


def _scalar(text: str) -> str:
    """`text` as a YAML scalar on one line, quoted where YAML would read something else."""
    return yaml.safe_dump([text], allow_unicode=True, width=math.inf)[2:-1]
