"""Measure an encoder on images that the training never saw."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mmad_rag.benchmark.sample.catalogue import CATALOGUE, UNKNOWN_PRODUCTS
from mmad_rag.benchmark.sample.draw import draw
from mmad_rag.encoders import Encoder, TextTower
from mmad_rag.errors import EncoderError
from mmad_rag.images import open_image
from mmad_rag.index.build.embed import KEY_TEMPLATES
from mmad_rag.knowledge import load_knowledge, visual_keys
from mmad_rag.records import EncodedImage, FloatArray

_HELD_OUT_SEED = 20_260_000
_PER_LABEL = 4
_REFERENCES = 2


def report(encoder: Encoder, knowledge: Path) -> Iterator[str]:
    """Lines with routing accuracy by texts and by references, and how well unknown products stand apart."""
    images, texts = encoder.images, encoder.texts
    if images is None or texts is None:
        raise EncoderError(f"{encoder.spec} has one tower only; give a CLIP")
    drawn = [product.name for product in CATALOGUE]
    queries = [
        (product.name, _image(product.name, label, number))
        for product in CATALOGUE
        for label in product.labels
        for number in range(_PER_LABEL)
    ]
    truth = np.array([name for name, _ in queries])
    seen = images.encode_images([image for _, image in queries])
    unknown = images.encode_images(
        [_image(product.name, "good", n) for product in UNKNOWN_PRODUCTS for n in range(30)]
    )
    names, keys = _text_keys(texts, knowledge)
    subset = [names.index(name) for name in drawn]
    yield f"{len(queries)} held-out images of {len(drawn)} products, {len(unknown)} of unknown products"
    yield _line(
        "texts, drawn products", seen @ keys[subset].T, unknown @ keys[subset].T, np.array(drawn), truth
    )
    yield _line("texts, all products", seen @ keys.T, unknown @ keys.T, np.array(names), truth)
    references = images.encode_images(
        [_image(name, "good", 1000 + n) for name in drawn for n in range(_REFERENCES)]
    )
    owners = np.repeat(drawn, _REFERENCES)
    yield _line("nearest reference", seen @ references.T, unknown @ references.T, owners, truth)


def auroc(known: npt.NDArray[np.floating], unknown: npt.NDArray[np.floating]) -> float:
    """The chance that a known image scores higher than an unknown one, ties counting half."""
    above = (known[:, None] > unknown[None, :]).mean()
    return float(above + 0.5 * (known[:, None] == unknown[None, :]).mean())


def _line(
    name: str,
    scores: FloatArray,
    unknown: FloatArray,
    owners: npt.NDArray[np.str_],
    truth: npt.NDArray[np.str_],
) -> str:
    best = owners[scores.argmax(axis=1)]
    apart = auroc(scores.max(axis=1), unknown.max(axis=1)) if len(unknown) else float("nan")
    wrong = sorted({f"{a}->{b}" for a, b in zip(truth, best, strict=True) if a != b})
    return f"{name}: top-1 {(best == truth).mean():.4f}, unknown AUROC {apart:.4f} {' '.join(wrong)}".rstrip()


def _text_keys(tower: TextTower, knowledge: Path) -> tuple[list[str], FloatArray]:
    """One vector per product: the mean over its keys of the mean over the prompt ensemble."""
    names, rows = [], []
    for product in load_knowledge(knowledge).products:
        texts = [template.format(key) for key in visual_keys(product) for template in KEY_TEMPLATES]
        mean = tower.encode_texts(texts).mean(axis=0)
        names.append(product.product)
        rows.append(mean / np.linalg.norm(mean))
    return names, np.stack(rows).astype(np.float32)


def _image(product: str, label: str, number: int) -> EncodedImage:
    rng = np.random.default_rng([_HELD_OUT_SEED, number, *product.encode(), *label.encode()])
    return open_image(draw(product, label, rng, 224).image)
