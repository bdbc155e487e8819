"""How long each step of one query takes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from mmad_rag.encoders.protocol import Encoder, ImageTower
from mmad_rag.images import open_image
from mmad_rag.index.build.embed import Progress
from mmad_rag.index.data import IndexData
from mmad_rag.index.views import WHOLE, view_of
from mmad_rag.records import FloatArray
from mmad_rag.retrieval_eval.embed import image_tower
from mmad_rag.retrieval_eval.images import LabelledImage
from mmad_rag.retrieve import ClipRetriever

QUESTIONS = (
    "Is there any defect in the object?",
    "There is a defect in the object. What is the type of the defect?",
    "There is a defect in the object. Where is the defect?",
    "There is a defect in the object. What is the effect of the defect?",
    "There is a defect in the object. What is the cause of the defect?",
    "There is a defect in the object. What is the appearance of the defect?",
    "What is the structure of the object?",
    "What is the function of the object?",
)
"""Asked in turn, so that every kind of passage is selected."""
_OPENED = 64
_ROUTED = 1000


class Step(StrEnum):
    """The parts of a query."""

    DECODE = "decode"
    """Read the file and decode it once, to be sure that it is whole."""
    ENCODE = "encode"
    """What the encoder is shown of the image, its preprocessing and its forward pass."""
    SEARCH = "search"
    """The route, from the image's vector to the confidence."""
    QUESTION = "question"
    """What a question costs that was not asked before: its own embedding, where passages have vectors."""
    SELECT = "select"
    """The passages for a question that has been asked before."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Percentiles of one step."""

    step: Step
    n: int
    """Times that were measured."""
    p50_ms: float
    p95_ms: float
    p99_ms: float


def latencies(
    index: IndexData,
    encoder: Encoder,
    images: Sequence[LabelledImage],
    vectors: FloatArray,
    *,
    seed: int,
    progress: Progress | None = None,
) -> tuple[Latency, ...]:
    """Time every step on unchanged images, one at a time, after one that is not counted.

    Args:
        index: What is searched.
        encoder: The encoder that built it.
        images: At least one; a seeded sample of 64 is opened and encoded, of 1,000 routed.
        vectors: Shape (images, d).
        seed: Of the samples.
        progress: Called with (stage, images done, images in all).
    """
    order = np.random.default_rng(seed).permutation(len(images))
    opened = [images[place] for place in order[:_OPENED]]
    times = _open_and_encode(image_tower(encoder), opened, progress)
    times |= _route_and_select(ClipRetriever(index, encoder=encoder), vectors[order[:_ROUTED]])
    return tuple(_percentiles(step, times[step]) for step in Step if times[step])


def _open_and_encode(
    tower: ImageTower, images: Sequence[LabelledImage], progress: Progress | None
) -> dict[Step, list[float]]:
    times: dict[Step, list[float]] = {Step.DECODE: [], Step.ENCODE: []}
    tower.encode_images([view_of(open_image(images[0].path), WHOLE)])
    for number, image in enumerate(images, start=1):
        start = time.perf_counter()
        found = open_image(image.path)
        decoded = time.perf_counter()
        tower.encode_images([view_of(found, WHOLE)])
        times[Step.DECODE].append(decoded - start)
        times[Step.ENCODE].append(time.perf_counter() - decoded)
        if progress:
            progress("timing", number, len(images))
    return times


def _route_and_select(retriever: ClipRetriever, vectors: FloatArray) -> dict[Step, list[float]]:
    """Selection is what `retrieve_vector` takes longer than `route_vector`, where something was named."""
    times: dict[Step, list[float]] = {Step.SEARCH: [], Step.QUESTION: [], Step.SELECT: []}
    named = [vector for vector in vectors if retriever.route_vector(vector).products]
    if named:
        retriever.retrieve_vector("What is shown?", named[0])
        for question in QUESTIONS:
            first, again = (_timed_retrieve(retriever, question, named[0]) for _ in range(2))
            times[Step.QUESTION].append(max(0.0, first - again))
    times[Step.SEARCH] = [_timed_route(retriever, vector) for vector in vectors]
    for number, vector in enumerate(named):
        routed = _timed_route(retriever, vector)
        whole = _timed_retrieve(retriever, QUESTIONS[number % len(QUESTIONS)], vector)
        times[Step.SELECT].append(max(0.0, whole - routed))
    return times


def _timed_route(retriever: ClipRetriever, vector: FloatArray) -> float:
    start = time.perf_counter()
    retriever.route_vector(vector)
    return time.perf_counter() - start


def _timed_retrieve(retriever: ClipRetriever, question: str, vector: FloatArray) -> float:
    start = time.perf_counter()
    retriever.retrieve_vector(question, vector)
    return time.perf_counter() - start


def _percentiles(step: Step, seconds: Sequence[float]) -> Latency:
    p50, p95, p99 = (round(float(value) * 1000, 3) for value in np.percentile(seconds, (50, 95, 99)))
    return Latency(step, len(seconds), p50, p95, p99)
