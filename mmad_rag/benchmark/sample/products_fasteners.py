"""Drawings of fasteners: metal_nut, screw, zipper."""

from __future__ import annotations

import numpy as np

from mmad_rag.benchmark.sample.canvas import Array, Canvas, Frame, Point, Rng
from mmad_rag.benchmark.sample.drawing import Flaw, Notes
from mmad_rag.benchmark.sample.marks import fringe, pick
from mmad_rag.benchmark.sample.texture import blob, curl, mottle, noise, vary, zigzag


def metal_nut(canvas: Canvas, scene: Rng, flaw: Flaw) -> Notes:
    """A grey metal nut from above: a round hole with a collar, four teeth like a pinwheel's vanes."""
    canvas.fill(mottle(vary(scene, (0.07, 0.08, 0.1), 0.03), noise(scene, canvas.size, 50, 2), 0.35))
    frame = canvas.frame(
        scene.uniform(0.47, 0.53),
        scene.uniform(0.47, 0.53),
        scene.uniform(0, 2 * np.pi),
        scene.uniform(0.92, 1.05),
    )
    tooth = int(flaw.rng.integers(4))
    turn = np.arctan2(frame.v, frame.u) * (-1 if flaw.kind == "flip" else 1)
    outline = np.interp(
        (turn / np.float32(np.pi / 2)) % 1,
        (0, 0.07, 0.12, 0.4, 0.75, 0.92, 1),
        (0.29, 0.41, 0.445, 0.43, 0.37, 0.3, 0.29),
    ).astype(np.float32)
    sector = np.exp(-((_turned(turn, (tooth + 0.3) * np.pi / 2) / np.float32(0.4)) ** 2))
    if flaw.kind == "bent":
        outline = outline - np.float32(0.11) * sector
    radius = frame.radius()
    body = frame.inside(radius - outline)
    canvas.shadow(body, shift=(0.012, 0.014), blur=0.02, strength=0.5)
    brushed = np.interp(radius, np.linspace(0, 0.5, 60), scene.uniform(-1, 1, 60)).astype(np.float32)
    steel = vary(scene, (0.5, 0.55, 0.52), 0.05)
    shine = np.cos(turn * 2 + scene.uniform(0, 6.28)) * np.float32(0.18)
    field = brushed * np.float32(0.12) + noise(scene, canvas.size, 70, 2) * np.float32(0.25) + shine
    canvas.paint(body, mottle(steel, field, 1.0))
    rim = np.exp(-(((radius - outline + np.float32(0.012)) / np.float32(0.008)) ** 2))
    canvas.glow(rim * body * np.float32(0.28))
    canvas.shade(1 - frame.ring(0.255, 0.025, 0.02) * np.float32(0.4))
    if flaw.kind == "flip":
        canvas.paint(frame.disc(0, 0, 0.2), mottle(steel, noise(flaw.rng, canvas.size, 40, 2), 0.2))
    canvas.paint(frame.disc(0, 0, 0.135), mottle((0.75, 0.78, 0.77), shine, 0.5))
    canvas.paint(frame.disc(0, 0, 0.1), (0.03, 0.03, 0.04))
    canvas.glow(frame.ring(0.103, 0.008) * np.float32(0.3))
    _nut_marks(canvas, frame, body, flaw, heading=(tooth + 0.35) * np.pi / 2, sector=sector)
    return Notes(part="whole nut" if flaw.kind == "flip" else "one tooth")


def _turned(turn: Array, centre: float) -> Array:
    """Angles relative to a direction, in [-pi, pi]."""
    shifted: Array = (turn - np.float32(centre) + np.float32(np.pi)) % np.float32(2 * np.pi) - np.float32(
        np.pi
    )
    return shifted


def _nut_marks(
    canvas: Canvas, frame: Frame, body: Array, flaw: Flaw, *, heading: float, sector: Array
) -> None:
    """The visible damage to the tooth that lies in the direction `heading`."""
    x, y = 0.33 * np.cos(heading), 0.33 * np.sin(heading)
    if flaw.kind == "bent":
        side = (
            (x - 0.12 * np.sin(heading), y + 0.12 * np.cos(heading)),
            (x + 0.12 * np.sin(heading), y - 0.12 * np.cos(heading)),
        )
        outside = np.clip((frame.radius() - np.float32(0.27)) * 40, 0, 1) * sector
        canvas.shade(1 - outside * np.float32(0.55), body)
        inward = [(px * 0.84, py * 0.84) for px, py in side]
        canvas.paint(
            frame.strokes([zigzag(flaw.rng, inward[0], inward[1], 5, 0.008)], 0.016) * body,
            (0.93, 0.95, 0.94),
        )
    elif flaw.kind == "color":
        ink = pick(flaw.rng, [(0.62, 0.12, 0.1), (0.12, 0.16, 0.55), (0.22, 0.1, 0.05)])
        canvas.paint(frame.polygons([blob(flaw.rng, x, y, 0.062, rough=0.3, stretch=1.3)]) * body, ink, 0.85)
    elif flaw.kind == "scratch":
        along = flaw.rng.uniform(0, np.pi)
        dx, dy = 0.08 * np.cos(along), 0.08 * np.sin(along)
        paths = [
            zigzag(flaw.rng, (x - dx + d, y - dy - d), (x + dx + d, y + dy - d), 5, 0.005)
            for d in (-0.02, 0, 0.022)
        ]
        canvas.paint(
            frame.strokes([[(px + 0.006, py) for px, py in path] for path in paths], 0.009) * body,
            (0.12, 0.13, 0.13),
        )
        canvas.paint(frame.strokes(paths, 0.009) * body, (0.97, 0.98, 0.97))


_SCREW_CORE = (
    (-0.43, -0.425, -0.4, -0.33, 0.0, 0.01, 0.3, 0.43, 0.44),
    (0.0, 0.1, 0.098, 0.04, 0.038, 0.03, 0.026, 0.0, -0.05),
)
"""Half the width without the thread, along the axis from head to tip."""
_SCREW_PARTS = {
    "scratch_head": "head",
    "scratch_neck": "smooth neck",
    "thread_side": "thread",
    "manipulated_front": "tip",
}


def screw(canvas: Canvas, scene: Rng, flaw: Flaw) -> Notes:
    """One grey countersunk screw on a pale ground, pointing anywhere: head, smooth neck, thread, tip."""
    canvas.fill(mottle(vary(scene, (0.72, 0.72, 0.72), 0.07), noise(scene, canvas.size, 60, 2), 0.04))
    frame = canvas.frame(
        scene.uniform(0.46, 0.54),
        scene.uniform(0.46, 0.54),
        scene.uniform(0, 2 * np.pi),
        scene.uniform(0.9, 1.02),
    )
    u, v, width, ridge = _screw_form(frame.u, frame.v, flaw)
    body = frame.inside(np.abs(v) - width) * frame.inside(np.abs(u) - np.float32(0.435))
    canvas.shadow(body, shift=(0.015, 0.018), blur=0.018, strength=0.45)
    across = np.clip(v / np.maximum(width, np.float32(0.004)), -1, 1)
    light = np.float32(0.2) + np.float32(0.4) * np.sqrt(1 - across**2) * (1 - np.float32(0.35) * across)
    light = light + ridge * np.float32(6) - np.float32(0.06) * (u > 0)
    light = np.clip(light * (1 + noise(scene, canvas.size, 70, 2) * np.float32(0.18)), 0.08, 0.9)
    grey = vary(scene, (0.93, 0.93, 0.92), 0.03)
    canvas.paint(body, mottle(grey, (light - 1).astype(np.float32), 1.0))
    canvas.glow(frame.box(-0.418, 0.0, 0.012, 0.17) * body * np.float32(0.3))
    for kind, x in (("scratch_head", -0.385), ("scratch_neck", flaw.rng.uniform(-0.24, -0.1))):
        if flaw.kind == kind:
            paths = [
                zigzag(flaw.rng, (x - 0.012 + d, -0.05), (x + 0.012 + d, 0.045), 4, 0.008)
                for d in (-0.012, 0.006, 0.022)
            ]
            canvas.paint(frame.strokes(paths, 0.01) * body, (0.97, 0.97, 0.96))
    part = _SCREW_PARTS.get(flaw.kind, "")
    return Notes(part=part, direction=(float(np.cos(frame.angle)), float(np.sin(frame.angle))))


def _screw_form(u: Array, v: Array, flaw: Flaw) -> tuple[Array, Array, Array, Array]:
    """Coordinates along and across the (bent) axis, half the width there, and the height of the thread."""
    if flaw.kind == "manipulated_front":
        swing = flaw.rng.choice([-1.0, 1.0]) * flaw.rng.uniform(2.6, 3.6)
        v = (v - np.float32(swing) * np.clip(u - np.float32(0.26), 0, 1) ** 2).astype(np.float32)
    reach = np.interp(u, (0.0, 0.03, 0.34, 0.42), (0, 0.03, 0.027, 0))
    pitch = ((u - v * np.float32(0.45)) * np.float32(17)) % 1
    ridge = np.clip(1 - np.abs(pitch - np.float32(0.5)) * 4, 0, 1) * reach
    if flaw.kind == "thread_side":
        at = flaw.rng.uniform(0.1, 0.22)
        worn = np.clip(np.float32(2.2) - np.abs(u - np.float32(at)) / np.float32(0.045), 0, 1)
        ridge = ridge * (1 - worn * (v * flaw.rng.choice([-1.0, 1.0]) > -0.01))
    core = np.interp(u, *_SCREW_CORE)
    return u, v, (core + ridge).astype(np.float32), ridge.astype(np.float32)


def zipper(canvas: Canvas, scene: Rng, flaw: Flaw) -> Notes:
    """A closed zipper from top to bottom: dark woven tape, a chain of interlocking teeth in its middle."""
    canvas.fill(vary(scene, (0.93, 0.93, 0.93), 0.04))
    frame = canvas.frame(
        scene.uniform(0.47, 0.53), 0.5, scene.uniform(-0.06, 0.06), scene.uniform(0.95, 1.05)
    )
    dark = vary(scene, (0.17, 0.17, 0.18), 0.04)
    weave = np.sin(frame.u * 190 + np.sin(frame.v * 95) * 1.6) * np.sin(frame.v * 210)
    tape = mottle(dark, weave * np.float32(0.22) + noise(scene, canvas.size, 60, 2) * np.float32(0.2), 1.0)
    ripple = noise(scene, canvas.size, (14, 1)) * np.float32(0.004)
    canvas.paint(frame.inside(np.abs(frame.u) - np.float32(0.38) + ripple), tape)
    at = flaw.rng.uniform(-0.28, 0.28)
    canvas.shade(1 - frame.box(0, 0, 0.13, 1.6) * np.float32(0.35))
    if flaw.kind == "split_teeth":
        lens = [(_gap(flaw, at, y), y) for y in np.linspace(at - 0.2, at + 0.2, 24)]
        canvas.paint(frame.polygons([lens + [(-x, y) for x, y in lens[::-1]]]), (0.9, 0.9, 0.9))
    lost = flaw.kind == "broken_teeth"
    for side in (-1, 1):
        rows = np.arange(-0.7, 0.7, 0.028) + (0.014 if side > 0 else 0)
        kept = [float(y) for y in rows if not (lost and side > 0 and abs(y - at) < 0.055)]
        teeth = [_tooth(side, _gap(flaw, at, y), y) for y in kept]
        canvas.paint(
            frame.strokes([[(x + 0.003, y + 0.008) for x, y in tooth] for tooth in teeth], 0.017),
            (0.05, 0.05, 0.05),
        )
        canvas.paint(frame.strokes(teeth, 0.012), vary(scene, (0.4, 0.4, 0.41), 0.03))
        canvas.paint(
            frame.strokes([[(x, y - 0.003) for x, y in tooth] for tooth in teeth], 0.004), (0.66, 0.66, 0.67)
        )
    return Notes(part=_tape_damage(canvas, frame, flaw, at))


def _tooth(side: int, gap: float, y: float) -> list[Point]:
    """One tooth of the left (-1) or right (1) row, from the tape to the middle."""
    return [(side * (0.042 + gap), y - 0.004), (side * (gap - 0.014), y + 0.004)]


def _gap(flaw: Flaw, at: float, y: float) -> float:
    """Half the distance between the two rows of teeth at the height `y`."""
    if flaw.kind != "split_teeth":
        return 0.0
    return float(0.055 * max(0.0, 1 - ((y - at) / 0.2) ** 2))


def _tape_damage(canvas: Canvas, frame: Frame, flaw: Flaw, at: float) -> str:
    """Damage to the woven tape; returns the part that is hurt."""
    side = float(flaw.rng.choice([-1.0, 1.0]))
    if flaw.kind == "fabric_border":
        paths = [
            curl(flaw.rng, (side * 0.375, at + d), 0.12, bend=0.5) for d in flaw.rng.uniform(-0.06, 0.06, 7)
        ]
        bite = frame.polygons([blob(flaw.rng, side * 0.39, at, 0.05, rough=0.35)])
        canvas.paint(bite, (0.9, 0.9, 0.9))
        canvas.paint(frame.strokes(paths, 0.008), (0.2, 0.2, 0.21))
        return "outer edge of the tape"
    if flaw.kind == "fabric_interior":
        x = side * flaw.rng.uniform(0.18, 0.28)
        canvas.paint(frame.polygons([blob(flaw.rng, x, at, 0.055, rough=0.3)]), (0.5, 0.5, 0.5), 0.75)
        canvas.paint(frame.polygons([blob(flaw.rng, x, at, 0.028, rough=0.3)]), (0.88, 0.88, 0.88))
        canvas.paint(fringe(canvas, flaw.rng, frame.place((x, at)), 0.05), (0.3, 0.3, 0.31))
        return "fabric of the tape"
    return "chain of teeth"
