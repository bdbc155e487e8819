"""Drawings of natural materials: candle, hazelnut."""

from __future__ import annotations

import numpy as np

from mmad_rag.benchmark.sample.canvas import Array, Canvas, Frame, Rng
from mmad_rag.benchmark.sample.drawing import Flaw, Notes
from mmad_rag.benchmark.sample.marks import QUARTERS
from mmad_rag.benchmark.sample.texture import blob, mix, mottle, noise, vary, zigzag


def candle(canvas: Canvas, scene: Rng, flaw: Flaw) -> Notes:
    """Four round cream candles from above, two by two on a dark ground."""
    canvas.fill(mottle(vary(scene, (0.15, 0.1, 0.05), 0.04), noise(scene, canvas.size, 6, 2), 0.4))
    board = canvas.frame(scene.uniform(0.48, 0.52), scene.uniform(0.48, 0.52), scene.uniform(-0.06, 0.06))
    wax = vary(scene, (0.95, 0.85, 0.64), 0.04)
    victim = int(flaw.rng.integers(4))
    for number, (_, (x, y)) in enumerate(QUARTERS):
        at = board.place((x + scene.uniform(-0.015, 0.015), y + scene.uniform(-0.015, 0.015)))
        pane = canvas.window(*at, 0.23)
        one = pane.frame(*at, scene.uniform(0, 2 * np.pi), scene.uniform(0.97, 1.03))
        _candle(scene, one, wax, flaw.kind if number == victim else "good", flaw.rng)
    return Notes(part=QUARTERS[victim][0])


def _candle(scene: Rng, one: Frame, wax: tuple[float, float, float], kind: str, rng: Rng) -> None:
    """One candle with its wick; `kind` is its defect."""
    canvas = one.canvas
    body = one.disc(0, 0, 0.158)
    turn = rng.uniform(0, 2 * np.pi)
    if kind == "chip":
        rim = (0.15 * np.cos(turn), 0.15 * np.sin(turn))
        chip = one.polygons([blob(rng, *rim, rng.uniform(0.04, 0.055), rough=0.35)])
        canvas.paint(chip * body, (0.42, 0.32, 0.19))
        body = body * (1 - chip * np.float32(0.9))
    canvas.shadow(body, shift=(0.018, 0.02), blur=0.025, strength=0.6)
    edge = np.clip((one.radius() - np.float32(0.14)) * 45, 0, 1) * np.float32(0.22)
    canvas.paint(body, mottle(wax, noise(scene, canvas.size, 25, 2) * np.float32(0.05) - edge, 1.0))
    canvas.shade(1 - one.ring(0.04, 0.03, 0.04) * np.float32(scene.uniform(0.02, 0.07)))
    lean = scene.uniform(0.02, 0.032)
    path = [(0.0, 0.0), (lean, 0.004)]
    if kind == "weird_wick":
        path = [*zigzag(rng, path[0], (0.075 * np.cos(turn), 0.075 * np.sin(turn)), 4, 0.035), (0.0, 0.05)]
    canvas.paint(one.dots([(0.0, 0.0, 0.014)]), (0.62, 0.47, 0.25), 0.8)
    canvas.paint(one.strokes([path], 0.013), (0.33, 0.25, 0.15))
    x, y = 0.09 * np.cos(turn), 0.09 * np.sin(turn)
    if kind == "color_spot":
        canvas.paint(one.polygons([blob(rng, x, y, 0.03)]), (0.72, 0.25, 0.2), 0.8)
    elif kind == "foreign_particle":
        dirt = one.polygons(
            [blob(rng, x + dx, y + dy, 0.013, rough=0.4) for dx, dy in rng.uniform(-0.03, 0.03, (4, 2))]
        )
        canvas.paint(dirt, (0.1, 0.08, 0.07))


def hazelnut(canvas: Canvas, scene: Rng, flaw: Flaw) -> Notes:
    """One brown nut in its shell on a dark ground: striped, pointed at one end, with a pale rough base."""
    canvas.fill(mottle(vary(scene, (0.11, 0.11, 0.12), 0.03), noise(scene, canvas.size, 50, 2), 0.25))
    turn = scene.uniform(0, 2 * np.pi)
    nut = canvas.frame(scene.uniform(0.46, 0.54), scene.uniform(0.46, 0.54), turn, scene.uniform(0.9, 1.06))
    shape = _nut_shape(nut, scene.uniform(0.3, 0.34))
    body = nut.inside(shape * np.float32(0.3))
    canvas.shadow(body, shift=(0.012, 0.015), blur=0.03, strength=0.6)
    across = nut.v / np.sqrt(np.clip(1 - (nut.u / np.float32(0.45)) ** 2, 0.1, 1))
    stripes = np.sin(across * 80 + noise(scene, canvas.size, 4, 2) * 3) * np.float32(0.55) + np.sin(
        across * 190
    ) * np.float32(0.25)
    stripes = stripes + noise(scene, canvas.size, 24, 2) * np.float32(0.6)
    shell = mix(
        vary(scene, (0.6, 0.3, 0.18), 0.04),
        vary(scene, (0.36, 0.15, 0.09), 0.03),
        stripes * np.float32(0.6) + np.float32(0.3),
    )
    canvas.paint(body, shell)
    canvas.paint(nut.ellipse(0.36, 0.0, 0.05, 0.09, 0.06) * body, (0.72, 0.55, 0.4), 0.55)
    base = (
        nut.inside(
            nut.u
            + np.float32(0.2)
            + nut.v**2 * np.float32(0.9)
            + noise(scene, canvas.size, 30) * np.float32(0.01)
        )
        * body
    )
    canvas.paint(base, mottle((0.58, 0.43, 0.31), noise(scene, canvas.size, 60, 2), 0.35))
    light = scene.uniform(0, 2 * np.pi)
    side = (canvas.x - np.float32(nut.x)) * np.float32(np.cos(light)) + (
        canvas.y - np.float32(nut.y)
    ) * np.float32(np.sin(light))
    canvas.shade(
        np.clip(
            np.float32(1.02) - np.clip(shape + 1, 0, 1) ** 3 * np.float32(0.55) + side * np.float32(0.7),
            0.15,
            1.3,
        ),
        body,
    )
    _nut_damage(canvas, nut, body, flaw)
    tip = nut.place((0.4, 0.0))
    return Notes(direction=(tip[0] - nut.x, tip[1] - nut.y))


def _nut_shape(nut: Frame, width: float) -> Array:
    """About -1 in the middle and 0 on the outline: round at the base, drawn out to a point on the right."""
    forward = np.clip(nut.u / np.float32(0.42), 0, 1)
    pointed = (1 - forward**2.4) ** 0.62
    oval = np.hypot(
        np.where(nut.u > 0, 0, nut.u / np.float32(0.32)),
        nut.v / (np.float32(width) * np.maximum(pointed, 0.02)),
    )
    return np.where(nut.u > 0.42, 1, oval - 1).astype(np.float32)


def _nut_damage(canvas: Canvas, nut: Frame, body: Array, flaw: Flaw) -> None:
    """Damage to the shell, on the striped part."""
    x, y = flaw.rng.uniform(-0.08, 0.18), flaw.rng.uniform(-0.14, 0.14)
    if flaw.kind == "crack":
        outer = blob(flaw.rng, x, y, 0.1, rough=0.3, stretch=1.3)
        inner = [(x + (px - x) * 0.68, y + (py - y) * 0.68) for px, py in outer]
        canvas.paint(nut.polygons([outer]) * body, (0.83, 0.65, 0.43))
        canvas.paint(nut.polygons([inner]) * body, (0.13, 0.07, 0.04))
    elif flaw.kind == "cut":
        turn = flaw.rng.uniform(0, np.pi)
        end = (x + 0.2 * np.cos(turn), y + 0.2 * np.sin(turn))
        canvas.paint(nut.strokes([zigzag(flaw.rng, (x, y), end, 4, 0.008)], 0.018) * body, (0.88, 0.7, 0.45))
    elif flaw.kind == "hole":
        canvas.paint(nut.polygons([blob(flaw.rng, x, y, 0.05)]) * body, (0.8, 0.6, 0.38))
        canvas.paint(nut.polygons([blob(flaw.rng, x, y, 0.031)]) * body, (0.05, 0.03, 0.02))
    elif flaw.kind == "print":
        letters = []
        for number in range(4):
            left = x - 0.13 + number * 0.07
            letters += [
                [(left, y - 0.05), (left, y + 0.05), (left + 0.04, y + 0.05)],
                [(left, y - 0.04), (left + 0.042, y)],
            ]
        canvas.paint(nut.strokes(letters, 0.017) * body, (0.95, 0.94, 0.93))
