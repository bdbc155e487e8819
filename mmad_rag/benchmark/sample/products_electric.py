"""Drawings of electrical parts: cable, transistor."""

from __future__ import annotations

import numpy as np

from mmad_rag.benchmark.sample.canvas import Canvas, Frame, Point, Rng
from mmad_rag.benchmark.sample.drawing import Flaw, Notes
from mmad_rag.benchmark.sample.marks import pick
from mmad_rag.benchmark.sample.texture import bezier, blob, mottle, noise, vary

_CORES: tuple[tuple[str, Point, tuple[float, float, float]], ...] = (
    ("green-yellow conductor", (0.0, -0.17), (0.42, 0.53, 0.26)),
    ("blue conductor", (-0.155, 0.1), (0.17, 0.32, 0.66)),
    ("brown conductor", (0.155, 0.1), (0.33, 0.26, 0.23)),
)


def cable(canvas: Canvas, scene: Rng, flaw: Flaw) -> Notes:
    """The cut end of a round cable: three insulated bundles of copper strands inside a pale sheath."""
    ground = vary(scene, (0.2, 0.28, 0.38), 0.07)
    canvas.fill(mottle(ground, noise(scene, canvas.size, 22, 3), 0.45))
    frame = canvas.frame(
        scene.uniform(0.47, 0.53),
        scene.uniform(0.47, 0.53),
        scene.uniform(-0.3, 0.3),
        scene.uniform(0.92, 1.05),
    )
    sheath = frame.disc(0, 0, 0.435)
    if flaw.kind == "cut_outer_insulation":
        turn = flaw.rng.uniform(0, 2 * np.pi)
        notch = canvas.frame(*frame.place((0.43 * np.cos(turn), 0.43 * np.sin(turn))), turn)
        cut = notch.polygons([[(0.09, -0.09), (-0.05, -0.07), (-0.075, 0.01), (-0.04, 0.07), (0.09, 0.06)]])
        sheath = sheath * (1 - cut)
    canvas.shadow(sheath, shift=(0.012, 0.016), blur=0.02, strength=0.6)
    pale = vary(scene, (0.66, 0.8, 0.86), 0.04)
    canvas.paint(sheath, mottle(pale, noise(scene, canvas.size, 40, 2), 0.12))
    hollow = frame.disc(0, 0, 0.345)
    canvas.paint(hollow * sheath, mottle((0.4, 0.47, 0.5), noise(scene, canvas.size, 6, 2), 0.2))
    canvas.shade(1 - frame.ring(0.345, 0.02, 0.02) * np.float32(0.35))
    victim = int(flaw.rng.integers(3))
    for number, (_, at, colour) in enumerate(_CORES):
        pane = canvas.window(*frame.place(at), 0.24)
        _core(scene, frame.on(pane), at, vary(scene, colour, 0.03), flaw, hit=number == victim)
    whole = flaw.kind == "cut_outer_insulation"
    return Notes(part="outer sheath" if whole else _CORES[victim][0])


def _core(
    scene: Rng, frame: Frame, at: Point, colour: tuple[float, float, float], flaw: Flaw, *, hit: bool
) -> None:
    """One conductor; if it is `hit`, the defect is drawn on it."""
    canvas = frame.canvas
    body = frame.disc(*at, 0.15)
    lights, spots = scene.uniform(0, 1, 64), _strands(scene, at)
    bright = scene.uniform(0.35, 0.75)
    if hit and flaw.kind == "cable_swap":
        others = [core[2] for core in _CORES if core[1] != at]
        colour = pick(flaw.rng, others)
    if hit and flaw.kind == "missing_cable":
        canvas.paint(body, (0.03, 0.03, 0.04))
        return
    canvas.shadow(body, shift=(0.006, 0.008), blur=0.014, strength=0.5)
    rim = np.clip(1.25 - frame.radius(*at) / np.float32(0.15) * np.float32(0.45), 0, 1.2)
    canvas.paint(body, np.asarray(colour, dtype=np.float32) * rim[..., None])
    canvas.paint(frame.disc(*at, 0.1), (0.1, 0.07, 0.06))
    if hit and flaw.kind == "missing_wire":
        spots = spots[: len(spots) // 6]
    for low, colour_of in ((0.0, (0.33, 0.2, 0.15)), (bright, (0.92, 0.87, 0.82))):
        chosen = [spot for spot, light in zip(spots, lights, strict=False) if light >= low]
        canvas.paint(frame.dots(chosen), colour_of)


def _strands(scene: Rng, at: Point) -> list[tuple[float, float, float]]:
    """Ends of copper strands, packed in rows inside a circle."""
    pitch, spots = 0.0265, []
    for row in range(-4, 5):
        for column in range(-4, 5):
            x, y = (column + 0.5 * (row % 2)) * pitch, row * pitch * 0.87
            if np.hypot(x, y) < 0.085:
                spots.append((at[0] + x + scene.uniform(-0.002, 0.002), at[1] + y, 0.0125))
    order = scene.permutation(len(spots))
    return [spots[int(index)] for index in order]


_LEGS = ("left lead", "middle lead", "right lead")


def transistor(canvas: Canvas, scene: Rng, flaw: Flaw) -> Notes:
    """A black transistor with three silver leads, plugged into a copper strip board."""
    frame = canvas.frame(scene.uniform(0.48, 0.52), scene.uniform(0.47, 0.51), scene.uniform(-0.04, 0.04))
    copper = vary(scene, (0.68, 0.4, 0.31), 0.05)
    canvas.fill(mottle(copper, noise(scene, canvas.size, (40, 80), 2), 0.12))
    gaps = [[(x, -0.8), (x, 0.8)] for x in (-0.335, -0.112, 0.112, 0.335)]
    canvas.paint(frame.strokes(gaps, 0.045), (0.2, 0.11, 0.08))
    holes = [(0.223 * i, 0.39 - 0.223 * j, 0.042) for i in (-2, -1, 0, 1, 2) for j in range(-1, 5)]
    canvas.paint(frame.dots([(x, y, r * 1.18) for x, y, r in holes]), (0.8, 0.55, 0.45), 0.6)
    canvas.paint(frame.dots(holes), (0.05, 0.035, 0.03))
    tilt, sink = scene.uniform(-0.02, 0.02), 0.0
    if flaw.kind == "misplaced":
        tilt, sink = flaw.rng.choice([-1.0, 1.0]) * flaw.rng.uniform(0.28, 0.5), 0.0
    body = canvas.frame(*frame.place((scene.uniform(-0.01, 0.01), -0.12 + sink)), frame.angle + tilt)
    victim = int(flaw.rng.integers(3))
    for number, side in enumerate((-1, 0, 1)):
        top = body.place((side * 0.1, 0.17))
        path = _lead(canvas, frame, top, side, flaw, hit=number == victim)
        _silver(canvas, path)
    _case(canvas, scene, body, flaw)
    part = {"damaged_case": "black case", "misplaced": "whole component"}.get(flaw.kind, _LEGS[victim])
    return Notes(part=part)


def _lead(canvas: Canvas, frame: Frame, top: Point, side: int, flaw: Flaw, *, hit: bool) -> list[Point]:
    """The path of a lead on the canvas, from the case to its hole."""
    foot = frame.place((side * 0.223, 0.39))
    if hit and flaw.kind == "bent_lead":
        swing = flaw.rng.choice([-1.0, 1.0]) * flaw.rng.uniform(0.1, 0.14)
        foot = (
            foot[0] + (swing if side == 0 else -side * abs(swing)),
            foot[1] + flaw.rng.uniform(-0.13, -0.04),
        )
    knee = (top[0] * 0.85 + foot[0] * 0.15, top[1] * 0.5 + foot[1] * 0.5)
    path = bezier([top, (top[0], knee[1]), (foot[0], knee[1] - 0.02), foot], 10)
    if hit and flaw.kind == "cut_lead":
        return path[: int(flaw.rng.integers(3, 5))]
    return path


def _silver(canvas: Canvas, path: list[Point]) -> None:
    frame = canvas.page()
    canvas.paint(frame.strokes([[(x + 0.008, y + 0.008) for x, y in path]], 0.036), (0.08, 0.05, 0.04), 0.6)
    canvas.paint(frame.strokes([path], 0.034), (0.5, 0.48, 0.46))
    canvas.paint(frame.strokes([[(x - 0.006, y) for x, y in path]], 0.012), (0.95, 0.94, 0.92))


def _case(canvas: Canvas, scene: Rng, body: Frame, flaw: Flaw) -> None:
    """The moulded case, with its flat face and a round ejector mark."""
    cover = body.box(0, 0, 0.4, 0.38, 0.02)
    if flaw.kind == "damaged_case":
        side, level = flaw.rng.choice([-1.0, 1.0]), flaw.rng.choice([-1.0, 1.0])
        x, y = 0.16 * side, 0.15 * level
        chip = body.polygons([blob(flaw.rng, x, y, 0.085, rough=0.35)])
        canvas.paint(chip * cover, mottle((0.42, 0.4, 0.38), noise(flaw.rng, canvas.size, 30, 2), 0.5))
        cover = cover * (1 - chip * np.float32(0.92))
    canvas.shadow(cover, shift=(0.015, 0.018), blur=0.018, strength=0.55)
    sheen = np.float32(0.06) + np.float32(0.07) * np.exp(-(((body.u - np.float32(0.15)) / 0.035) ** 2))
    canvas.paint(
        cover, np.repeat(sheen[..., None], 3, axis=2) * np.asarray((1.1, 1.0, 1.0), dtype=np.float32)
    )
    mark = body.inside(np.abs(body.radius(0, 0.03) - np.float32(0.055)) - np.float32(0.004)) * cover
    canvas.glow(mark * np.float32(scene.uniform(0.06, 0.12)))
    canvas.glow(body.box(0, -0.185, 0.4, 0.012) * cover * np.float32(0.15))
