"""The products that the sample can draw."""

from __future__ import annotations

from mmad_rag.benchmark.sample import products_boards as boards
from mmad_rag.benchmark.sample import products_electric as electric
from mmad_rag.benchmark.sample import products_fasteners as fasteners
from mmad_rag.benchmark.sample import products_food as food
from mmad_rag.benchmark.sample import products_household as household
from mmad_rag.benchmark.sample import products_medicine as medicine
from mmad_rag.benchmark.sample import products_pasta as pasta
from mmad_rag.benchmark.sample import products_surface as surface
from mmad_rag.benchmark.sample import products_unknown as unknown
from mmad_rag.benchmark.sample.drawing import Kind, Painter, SampleProduct
from mmad_rag.errors import DataError


def _mvtec(name: str, painter: Painter, *kinds: str, label: str | None = None) -> SampleProduct:
    return SampleProduct(name, "DS-MVTec", tuple(Kind(kind, label or kind) for kind in kinds), painter)


def _visa(name: str, painter: Painter, *kinds: str) -> SampleProduct:
    return SampleProduct(name, "VisA", tuple(Kind(kind, "bad") for kind in kinds), painter)


def _unknown(name: str, painter: Painter) -> SampleProduct:
    return SampleProduct(name, "unknown", (), painter)


CATALOGUE: tuple[SampleProduct, ...] = (
    _mvtec("bottle", household.bottle, "broken_large", "broken_small", "contamination"),
    _mvtec("cable", electric.cable, "cable_swap", "cut_outer_insulation", "missing_cable", "missing_wire"),
    _mvtec("capsule", medicine.capsule, "crack", "faulty_imprint", "poke", "squeeze"),
    _mvtec("carpet", surface.carpet, "color", "cut", "hole", "metal_contamination"),
    _mvtec("grid", surface.grid, "bent", "broken", "glue", "thread"),
    _mvtec("hazelnut", food.hazelnut, "crack", "cut", "hole", "print"),
    _mvtec("leather", surface.leather, "color", "cut", "fold", "glue"),
    _mvtec("metal_nut", fasteners.metal_nut, "bent", "color", "flip", "scratch"),
    _mvtec("pill", medicine.pill, "color", "contamination", "crack", "scratch"),
    _mvtec("screw", fasteners.screw, "manipulated_front", "scratch_head", "scratch_neck", "thread_side"),
    _mvtec("tile", surface.tile, "crack", "glue_strip", "gray_stroke", "oil"),
    _mvtec(
        "toothbrush",
        household.toothbrush,
        "contamination",
        "missing_tuft",
        "splayed_bristles",
        label="defective",
    ),
    _mvtec("transistor", electric.transistor, "bent_lead", "cut_lead", "damaged_case", "misplaced"),
    _mvtec("wood", surface.wood, "color", "hole", "liquid", "scratch"),
    _mvtec("zipper", fasteners.zipper, "broken_teeth", "fabric_border", "fabric_interior", "split_teeth"),
    _visa("candle", food.candle, "chip", "color_spot", "foreign_particle", "weird_wick"),
    _visa("capsules", medicine.capsules, "bubble", "discolor", "leak", "misshape"),
    _visa("macaroni1", pasta.macaroni1, "breakage", "chip", "color_spot", "crack"),
    _visa("macaroni2", pasta.macaroni2, "breakage", "chip", "color_spot", "crack"),
    _visa("pcb1", boards.pcb1, "bent_pin", "melt", "missing_transducer", "scratch"),
)
"""The products of MMAD's catalogue that the sample draws, in alphabetical order within their data set."""

UNKNOWN_PRODUCTS: tuple[SampleProduct, ...] = (
    _unknown("button", unknown.button),
    _unknown("gear", unknown.gear),
    _unknown("key", unknown.key),
    _unknown("leaf", unknown.leaf),
    _unknown("spoon", unknown.spoon),
)
"""Products outside the catalogue, which a router must recognise as unknown."""

LOOK_ALIKES: tuple[tuple[str, str], ...] = (("capsule", "capsules"), ("macaroni1", "macaroni2"))
"""Pairs of drawn products that are easily mistaken for each other."""


def find_product(name: str) -> SampleProduct:
    """The product with this name.

    Raises:
        DataError: the sample does not draw this product.
    """
    for product in (*CATALOGUE, *UNKNOWN_PRODUCTS):
        if product.name == name:
            return product
    known = ", ".join(product.name for product in (*CATALOGUE, *UNKNOWN_PRODUCTS))
    raise DataError(f"the sample draws no product {name!r}; it knows {known}")
