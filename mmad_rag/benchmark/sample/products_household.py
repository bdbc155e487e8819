"""Drawings of household goods: bottle, toothbrush."""

from __future__ import annotations

import numpy as np

from mmad_rag.benchmark.sample.canvas import Canvas, Colour, Frame, Point, Rng
from mmad_rag.benchmark.sample.drawing import Flaw, Notes
from mmad_rag.benchmark.sample.texture import blob, curl, mix, mottle, noise, vary

_GLASS_RADII = (0.0, 0.21, 0.22, 0.235, 0.25, 0.28, 0.31, 0.325, 0.335, 0.36, 0.385, 0.4, 0.42, 0.445)
_GLASS_TONES = (0.06, 0.05, 0.4, 0.16, 0.12, 0.2, 0.3, 0.1, 0.42, 0.3, 0.1, 0.34, 0.3, 0.05)


def bottle(canvas: Canvas, scene: Rng, flaw: Flaw) -> Notes:
    """The mouth of a dark glass bottle, seen straight from above: rings around a black opening, on white."""
    canvas.fill(vary(scene, (0.95, 0.95, 0.95), 0.04))
    frame = canvas.frame(
        scene.uniform(0.475, 0.525),
        scene.uniform(0.475, 0.525),
        scene.uniform(0, 2 * np.pi),
        scene.uniform(0.92, 1.06),
    )
    radius = frame.radius()
    tone = np.interp(radius, _GLASS_RADII, _GLASS_TONES).astype(np.float32) * np.float32(
        scene.uniform(0.85, 1.15)
    )
    turn = np.arctan2(frame.v, frame.u)
    glint = sum(np.cos(turn * n + scene.uniform(0, 6.28)) for n in (1, 2, 3, 5)) * np.float32(0.12)
    rings = tone * (1 + np.asarray(glint, dtype=np.float32)) + noise(scene, canvas.size, 60) * np.float32(
        0.012
    )
    glass = rings[..., None] * np.asarray(vary(scene, (0.98, 0.98, 1.1), 0.06), dtype=np.float32)
    body = frame.disc(0, 0, 0.445, 0.012)
    canvas.shadow(body, shift=(0.0, 0.0), blur=0.02, strength=0.35)
    canvas.paint(body, glass)
    for radius_of, strength in ((0.33, 0.75), (0.22, 0.4)):
        arcs = np.clip(np.cos(turn * 2 + scene.uniform(0, 6.28)) * np.float32(0.35) + np.float32(0.65), 0, 1)
        canvas.paint(frame.ring(radius_of, 0.011) * arcs, vary(scene, (0.85, 0.5, 0.25), 0.06), strength)
    return Notes(part=_bottle_damage(canvas, frame, flaw))


def _bottle_damage(canvas: Canvas, frame: Frame, flaw: Flaw) -> str:
    """Broken glass at the rim, or something in the mouth."""
    turn = flaw.rng.uniform(0, 2 * np.pi)
    at = canvas.frame(*frame.place((0.3 * np.cos(turn), 0.3 * np.sin(turn))), turn + frame.angle, frame.scale)
    facets = mix((0.5, 0.5, 0.5), (0.85, 0.84, 0.82), noise(flaw.rng, canvas.size, 22, 2) + np.float32(0.3))
    if flaw.kind == "broken_large":
        gap = at.polygons([blob(flaw.rng, 0.02, 0.0, 0.12, rough=0.35, stretch=1.25)])
        canvas.paint(gap, facets)
        inner = at.polygons([blob(flaw.rng, 0.0, 0.0, 0.07, rough=0.45, stretch=1.4)])
        canvas.paint(inner, (0.13, 0.12, 0.13))
        return "rim"
    if flaw.kind == "broken_small":
        gap = at.polygons([blob(flaw.rng, -0.045, 0.0, 0.038, rough=0.4)])
        canvas.paint(gap, facets)
        canvas.glow(at.polygons([blob(flaw.rng, -0.055, 0.0, 0.016, rough=0.4)]) * np.float32(0.6))
        return "rim"
    if flaw.kind == "contamination":
        far = flaw.rng.uniform(0.0, 0.09)
        x, y = far * np.cos(turn), far * np.sin(turn)
        dirt = frame.polygons([blob(flaw.rng, x, y, 0.085, rough=0.35, stretch=1.3)])
        canvas.paint(dirt, mottle((0.5, 0.47, 0.42), noise(flaw.rng, canvas.size, 45, 2), 0.5), 0.9)
        return "inside of the mouth"
    return ""


_BRISTLES: tuple[tuple[str, tuple[float, float, float]], ...] = (
    ("blue", (0.16, 0.25, 0.58)),
    ("red", (0.72, 0.16, 0.18)),
    ("green", (0.12, 0.5, 0.35)),
    ("orange", (0.85, 0.5, 0.08)),
)


def toothbrush(canvas: Canvas, scene: Rng, flaw: Flaw) -> Notes:
    """The head of a white toothbrush from above, on black: rows of tufts, white and coloured in turn."""
    canvas.fill(mottle(vary(scene, (0.05, 0.05, 0.06), 0.03), noise(scene, canvas.size, 40, 2), 0.4))
    frame = canvas.frame(
        scene.uniform(0.47, 0.53),
        scene.uniform(0.47, 0.51),
        scene.uniform(-0.07, 0.07),
        scene.uniform(0.93, 1.05),
    )
    white = vary(scene, (0.84, 0.87, 0.86), 0.04)
    head = np.maximum(frame.box(0, 0.02, 0.34, 0.8, 0.165), frame.box(0, 0.5, 0.1, 0.5, 0.03))
    canvas.shadow(head, shift=(0.01, 0.014), blur=0.02, strength=0.4)
    edge = np.clip(np.abs(frame.u) / np.float32(0.17), 0, 1) ** 4
    canvas.paint(head, mottle(white, (edge * np.float32(-0.25)).astype(np.float32), 1.0))
    canvas.paint(frame.box(0, 0.0, 0.22, 0.64, 0.1), mottle(white, noise(scene, canvas.size, 20), 0.05), 0.7)
    tint, accent = _BRISTLES[int(scene.integers(len(_BRISTLES)))]
    tufts = _tufts()
    gone = int(flaw.rng.integers(len(tufts))) if flaw.kind == "missing_tuft" else -1
    if gone >= 0:
        canvas.paint(frame.dots([(*tufts[gone][1], 0.026)]), (0.08, 0.08, 0.1))
    for coloured, colour in ((False, (0.93, 0.95, 0.96)), (True, vary(scene, accent, 0.05))):
        stars = [
            (number, _tuft(scene, at)) for number, (tinted, at) in enumerate(tufts) if tinted == coloured
        ]
        strokes = [line for number, star in stars if number != gone for line in star]
        canvas.paint(
            frame.strokes([[(x + 0.006, y + 0.008) for x, y in line] for line in strokes], 0.012),
            (0.25, 0.27, 0.33),
            0.6,
        )
        canvas.paint(frame.strokes(strokes, 0.007), colour)
    _brush_damage(canvas, frame, flaw, accent)
    return Notes(colour=tint)


def _tufts() -> list[tuple[bool, Point]]:
    """Whether each tuft is coloured, with its place: six white ones around one at the tip, then rows."""
    tip = (0.0, -0.27)
    ring = [
        (False, (tip[0] + 0.075 * np.sin(t), tip[1] - 0.075 * np.cos(t))) for t in np.arange(6) * np.pi / 3
    ]
    four, three, two = (-0.108, -0.036, 0.036, 0.108), (-0.075, 0.0, 0.075), (-0.036, 0.036)
    rows: list[tuple[bool, float, tuple[float, ...]]]
    rows = [(row % 2 == 0, -0.135 + row * 0.066, four) for row in range(6)]
    rows += [(True, 0.261, three), (False, 0.325, two)]
    return [(True, tip), *ring, *((coloured, (x, y)) for coloured, y, xs in rows for x in xs)]


def _tuft(scene: Rng, at: Point) -> list[list[Point]]:
    """Bristle ends of one tuft, spread like a small star."""
    reach = scene.uniform(0.014, 0.04, 16)
    turns = scene.uniform(0, 2 * np.pi, 16)
    return [
        [at, (float(at[0] + r * np.cos(t)), float(at[1] + r * np.sin(t)))]
        for r, t in zip(reach, turns, strict=True)
    ]


def _brush_damage(canvas: Canvas, frame: Frame, flaw: Flaw, accent: Colour) -> None:
    """Splayed bristles at one side, or something foreign between the tufts."""
    side, y = float(flaw.rng.choice([-1.0, 1.0])), flaw.rng.uniform(-0.25, 0.25)
    if flaw.kind == "splayed_bristles":
        paths = [
            [
                (side * 0.1, y + d * 0.5),
                (side * (0.17 + flaw.rng.uniform(0, 0.02)), y + d),
                (side * flaw.rng.uniform(0.19, 0.25), y + d * 1.7),
            ]
            for d in flaw.rng.uniform(-0.06, 0.06, 16)
        ]
        canvas.paint(frame.strokes(paths, 0.008), accent)
        canvas.paint(frame.strokes(paths[::3], 0.007), (0.9, 0.92, 0.95))
    elif flaw.kind == "contamination":
        x = flaw.rng.uniform(-0.07, 0.07)
        canvas.paint(frame.polygons([blob(flaw.rng, x, y, 0.04, rough=0.4, stretch=1.3)]), (0.2, 0.13, 0.08))
        canvas.paint(frame.strokes([curl(flaw.rng, (x, y), 0.16)], 0.009), (0.3, 0.2, 0.12))
