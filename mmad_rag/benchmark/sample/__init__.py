"""Render a small benchmark in MMAD's layout, with answers that are true by construction."""

from mmad_rag.benchmark.sample.catalogue import CATALOGUE, LOOK_ALIKES, UNKNOWN_PRODUCTS
from mmad_rag.benchmark.sample.draw import draw
from mmad_rag.benchmark.sample.drawing import GOOD, Drawing, Kind, Notes, SampleProduct
from mmad_rag.benchmark.sample.write import SAMPLE_VERSION, SampleSummary, image_rng, render_sample

__all__ = [
    "CATALOGUE",
    "GOOD",
    "LOOK_ALIKES",
    "SAMPLE_VERSION",
    "UNKNOWN_PRODUCTS",
    "Drawing",
    "Kind",
    "Notes",
    "SampleProduct",
    "SampleSummary",
    "draw",
    "image_rng",
    "render_sample",
]
