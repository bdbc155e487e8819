"""MMAD's 38 products with the defect folders that its questions come from."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

DEFECT_FOLDERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        # MVTec AD
        "bottle": ("broken_large", "broken_small", "contamination"),
        "cable": (
            "bent_wire",
            "cable_swap",
            "combined",
            "cut_inner_insulation",
            "cut_outer_insulation",
            "missing_cable",
            "missing_wire",
            "poke_insulation",
        ),
        "capsule": ("crack", "faulty_imprint", "poke", "scratch", "squeeze"),
        "carpet": ("color", "cut", "hole", "metal_contamination", "thread"),
        "grid": ("bent", "broken", "glue", "metal_contamination", "thread"),
        "hazelnut": ("crack", "cut", "hole", "print"),
        "leather": ("color", "cut", "fold", "glue", "poke"),
        "metal_nut": ("bent", "color", "scratch"),
        "pill": ("color", "combined", "contamination", "crack", "faulty_imprint", "scratch"),
        "screw": ("manipulated_front", "scratch_head", "scratch_neck", "thread_side", "thread_top"),
        "tile": ("crack", "glue_strip", "gray_stroke", "oil", "rough"),
        "toothbrush": ("defective",),
        "transistor": ("bent_lead", "cut_lead", "damaged_case", "misplaced"),
        "wood": ("color", "combined", "hole", "liquid", "scratch"),
        "zipper": (
            "broken_teeth",
            "combined",
            "fabric_border",
            "fabric_interior",
            "rough",
            "split_teeth",
            "squeezed_teeth",
        ),
        # MVTec LOCO
        "breakfast_box": ("logical_anomalies", "structural_anomalies"),
        "juice_bottle": ("logical_anomalies", "structural_anomalies"),
        "pushpins": ("logical_anomalies", "structural_anomalies"),
        "screw_bag": ("logical_anomalies", "structural_anomalies"),
        "splicing_connectors": ("logical_anomalies", "structural_anomalies"),
        # VisA
        "candle": ("bad",),
        "capsules": ("bad",),
        "cashew": ("bad",),
        "chewinggum": ("bad",),
        "fryum": ("bad",),
        "macaroni1": ("bad",),
        "macaroni2": ("bad",),
        "pcb1": ("bad",),
        "pcb2": ("bad",),
        "pcb3": ("bad",),
        "pcb4": ("bad",),
        "pipe_fryum": ("bad",),
        # GoodsAD
        "cigarette_box": ("opened",),
        "drink_bottle": ("cap_half_open", "cap_open", "surface_damage"),
        "drink_can": ("deformation", "straw_missing", "surface_damage"),
        "food_bottle": ("deformation", "opened", "surface_damage"),
        "food_box": ("deformation", "opened", "surface_damage"),
        "food_package": ("broken", "surface_anomaly"),
    }
)
"""Product -> its defect folders, sorted. Source: MMAD (arXiv 2410.09453)."""

_PRODUCTS = tuple(DEFECT_FOLDERS)

DATASETS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "MVTec AD": _PRODUCTS[:15],
        "MVTec LOCO": _PRODUCTS[15:20],
        "VisA": _PRODUCTS[20:32],
        "GoodsAD": _PRODUCTS[32:],
    }
)
"""Data set of MMAD, as product files name it -> its products."""
