"""The records of the sample's mmad.json in the official schema."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmad_rag.benchmark.sample.canvas import Rng
from mmad_rag.benchmark.sample.drawing import GOOD
from mmad_rag.benchmark.sample.options import LETTERS, Draft, SampleQuestion, choose_options
from mmad_rag.records import Json


@dataclass(frozen=True, slots=True)
class Page:
    """One query image, to be written into mmad.json."""

    path: str
    """Path of the image relative to the data folder: the record's key."""
    image_path: str
    """Path of the image relative to the product's folder."""
    mask: str | None
    """Path of the mask relative to the product's folder; None for a normal image."""
    similar: tuple[str, ...]
    """Paths of the templates relative to the data folder, most similar first."""
    random: tuple[str, ...]
    """Paths of the templates relative to the data folder, sorted."""
    drafts: tuple[Draft, ...]
    """The image's questions, still without options."""


def file_names(label: str, number: int, *, visa: bool) -> tuple[str, str | None]:
    """The paths of a query image and its mask inside the product's folder, as MMAD writes them."""
    if visa:
        image_path = f"test/{label}/{number:04d}.JPG" if label == GOOD else f"test/{label}/{number:03d}.JPG"
        mask = f"ground_truth/{label}/{number:03d}.png"
    else:
        image_path, mask = f"image/{label}/{number:03d}.png", f"rbg_mask/{label}/{number:03d}_rbg_mask.png"
    return image_path, None if label == GOOD else mask


def records_of(pages: Sequence[Page], rng: Rng) -> Json:
    """The content of mmad.json in the official schema."""
    questions = iter(choose_options([draft for page in pages for draft in page.drafts], rng))
    return {
        page.path: {
            "image_path": page.image_path,
            "conversation": [_as_json(next(questions)) for _ in page.drafts],
            "mask_path": page.mask,
            "similar_templates": list(page.similar),
            "random_templates": list(page.random),
        }
        for page in pages
    }


def _as_json(question: SampleQuestion) -> Json:
    """A question in the official schema."""
    return {
        "Question": question.question,
        "Answer": question.answer,
        "Options": dict(zip(LETTERS, question.options, strict=False)),
        "type": question.type,
        "annotation": True,
    }
