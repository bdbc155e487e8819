"""Drawings of circuit boards: pcb1."""

from __future__ import annotations

import numpy as np

from mmad_rag.benchmark.sample.canvas import Canvas, Frame, Rng
from mmad_rag.benchmark.sample.drawing import Flaw, Notes
from mmad_rag.benchmark.sample.marks import pick
from mmad_rag.benchmark.sample.texture import blob, mix, mottle, noise, vary, zigzag


def pcb1(canvas: Canvas, scene: Rng, flaw: Flaw) -> Notes:
    """A blue sensor board: two round transducers side by side, a crystal between them, four pins."""
    canvas.fill(mottle(vary(scene, (0.27, 0.28, 0.29), 0.05), noise(scene, canvas.size, 70, 2), 0.3))
    frame = canvas.frame(
        scene.uniform(0.46, 0.54),
        scene.uniform(0.47, 0.53),
        scene.uniform(-0.12, 0.12) + np.pi * float(scene.integers(2)),
        scene.uniform(0.95, 1.12),
    )
    _pins(canvas, frame, flaw)
    board = frame.box(0, 0, 0.72, 0.36, 0.008)
    canvas.shadow(board, shift=(0.014, 0.02), blur=0.02, strength=0.6)
    blue = vary(scene, (0.07, 0.36, 0.62), 0.04)
    canvas.paint(board, mottle(blue, noise(scene, canvas.size, 30, 2), 0.1))
    corners = [(x * 0.335, y * 0.155, 0.016) for x in (-1, 1) for y in (-1, 1)]
    canvas.paint(frame.dots([(x, y, r * 1.5) for x, y, r in corners]), (0.85, 0.83, 0.75))
    canvas.paint(frame.dots(corners), (0.1, 0.1, 0.1))
    labels = [
        [(x, -0.1), (x, -0.1 + length)]
        for x, length in zip((-0.045, -0.015, 0.015, 0.045), (0.05, 0.04, 0.05, 0.035), strict=True)
    ]
    canvas.paint(frame.strokes(labels, 0.01), (0.86, 0.9, 0.94))
    canvas.paint(frame.strokes([[(-0.05, -0.155), (0.05, -0.155)]], 0.03), (0.78, 0.75, 0.66))
    gone = int(flaw.rng.integers(2)) if flaw.kind == "missing_transducer" else -1
    for number, x in enumerate((-0.2, 0.2)):
        pane = canvas.window(*frame.place((x, 0.0)), 0.23)
        _transducer(pane, scene, frame.on(pane), x, gone=number == gone)
    canvas.paint(frame.box(0, 0.11, 0.13, 0.055, 0.027), (0.72, 0.72, 0.7))
    canvas.glow(frame.box(-0.01, 0.1, 0.09, 0.012, 0.006) * np.float32(0.25))
    part = _board_flaw(canvas, frame, flaw) if gone < 0 else "place of a transducer"
    return Notes(part=part, direction=(float(np.sin(frame.angle)), float(-np.cos(frame.angle))))


def _pins(canvas: Canvas, frame: Frame, flaw: Flaw) -> None:
    """The four header pins above the board's upper edge."""
    xs = (-0.05, -0.017, 0.017, 0.05)
    paths = [[(x, -0.12), (x, -0.27)] for x in xs]
    if flaw.kind == "bent_pin":
        victim, swing = int(flaw.rng.choice([0, 3])), flaw.rng.uniform(0.05, 0.075)
        side = -1 if victim == 0 else 1
        paths[victim] = [(xs[victim], -0.12), (xs[victim], -0.19), (xs[victim] + side * swing, -0.235)]
    canvas.paint(
        frame.strokes([[(x + 0.008, y + 0.01) for x, y in path] for path in paths], 0.016),
        (0.08, 0.08, 0.08),
        0.6,
    )
    canvas.paint(frame.strokes(paths, 0.017), (0.86, 0.82, 0.7))


def _transducer(canvas: Canvas, scene: Rng, frame: Frame, x: float, *, gone: bool) -> None:
    """A round metal can with a wire mesh in its opening."""
    mesh = noise(scene, canvas.size, 40)
    if gone:
        canvas.paint(frame.dots([(x, 0.0, 0.13)]), (0.06, 0.27, 0.47))
        canvas.paint(frame.dots([(x - 0.04, 0.0, 0.018), (x + 0.04, 0.0, 0.018)]), (0.85, 0.83, 0.75))
        return
    can = frame.disc(x, 0, 0.152)
    canvas.shadow(can, shift=(0.012, 0.016), blur=0.016, strength=0.55)
    canvas.paint(can, (0.9, 0.9, 0.88))
    canvas.paint(frame.disc(x, 0, 0.132), (0.55, 0.55, 0.53))
    canvas.paint(frame.disc(x, 0, 0.12), (0.83, 0.83, 0.81))
    inner = frame.disc(x, 0, 0.092)
    lines = np.sin(frame.u * np.float32(420)) * np.sin(frame.v * np.float32(420))
    canvas.paint(
        inner, mix((0.25, 0.24, 0.22), (0.68, 0.66, 0.62), np.float32(0.45) + lines * 0.4 + mesh * 0.1)
    )


def _board_flaw(canvas: Canvas, frame: Frame, flaw: Flaw) -> str:
    """Damage on the board's surface; returns the part it is on."""
    if flaw.kind == "melt":
        x, y = pick(flaw.rng, [(-0.31, 0.13, 0), (0.31, 0.13, 0), (0.0, 0.0, 0)])[:2]
        burnt = frame.polygons([blob(flaw.rng, x, y, 0.062, rough=0.3)])
        canvas.paint(
            canvas.soften(burnt, 0.006),
            mottle((0.2, 0.12, 0.07), noise(flaw.rng, canvas.size, 40, 2), 0.5),
            0.92,
        )
        return "middle of the board" if x == 0 else "corner of the board"
    if flaw.kind == "scratch":
        start, end = (-0.06, 0.02), (0.06, 0.07)
        paths = [
            zigzag(flaw.rng, (start[0], start[1] + d), (end[0], end[1] + d), 5, 0.006)
            for d in (-0.05, -0.025, 0.0)
        ]
        canvas.paint(frame.strokes(paths, 0.01), (0.85, 0.8, 0.68))
        return "middle of the board"
    return "pin header"
