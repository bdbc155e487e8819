"""Drawings of things outside the catalogue: button, gear, key, leaf, spoon."""

from __future__ import annotations

import numpy as np

from mmad_rag.benchmark.sample.canvas import Canvas, Frame, Rng
from mmad_rag.benchmark.sample.drawing import Flaw, Notes
from mmad_rag.benchmark.sample.marks import pick
from mmad_rag.benchmark.sample.texture import mottle, noise, vary

_GROUNDS = [(0.86, 0.84, 0.8), (0.2, 0.23, 0.3), (0.55, 0.58, 0.6), (0.33, 0.25, 0.2)]


def button(canvas: Canvas, scene: Rng, _flaw: Flaw) -> Notes:
    """A round coloured button with four holes and a raised rim."""
    frame = _ground(canvas, scene, 0.85, 1.15)
    colour = vary(
        scene, pick(scene, [(0.75, 0.2, 0.25), (0.2, 0.4, 0.7), (0.85, 0.7, 0.3), (0.3, 0.6, 0.45)]), 0.06
    )
    body = frame.disc(0, 0, 0.34)
    canvas.shadow(body, shift=(0.02, 0.025), blur=0.025, strength=0.5)
    canvas.paint(body, mottle(colour, noise(scene, canvas.size, 10, 2), 0.06))
    canvas.shade(1 - frame.ring(0.26, 0.03, 0.03) * np.float32(0.35))
    canvas.glow(frame.ring(0.3, 0.03, 0.03) * np.float32(0.22))
    holes = frame.dots([(x, y, 0.042) for x in (-0.085, 0.085) for y in (-0.085, 0.085)])
    canvas.paint(holes, np.asarray(colour, dtype=np.float32) * np.float32(0.2))
    return Notes()


def gear(canvas: Canvas, scene: Rng, _flaw: Flaw) -> Notes:
    """A flat steel gear wheel with many square teeth, a bore and a keyway."""
    frame = _ground(canvas, scene, 0.85, 1.1)
    teeth = int(scene.integers(14, 22))
    turn, radius = np.arctan2(frame.v, frame.u), frame.radius()
    square = np.clip(np.sin(turn * teeth) * 4, -1, 1)
    body = frame.inside(radius - np.float32(0.36) - square.astype(np.float32) * np.float32(0.035))
    canvas.shadow(body, shift=(0.02, 0.025), blur=0.02, strength=0.5)
    shine = np.cos(turn * 2 + scene.uniform(0, 6.28)) * np.float32(0.18) + noise(
        scene, canvas.size, 80
    ) * np.float32(0.08)
    canvas.paint(body, mottle(vary(scene, (0.6, 0.61, 0.63), 0.06), shine.astype(np.float32), 1.0))
    canvas.shade(1 - frame.ring(0.28, 0.02, 0.015) * np.float32(0.4))
    canvas.paint(np.maximum(frame.disc(0, 0, 0.11), frame.box(0, -0.12, 0.06, 0.08)), (0.12, 0.12, 0.13))
    return Notes()


def key(canvas: Canvas, scene: Rng, _flaw: Flaw) -> Notes:
    """A brass or steel door key with a round bow and a notched blade."""
    frame = _ground(canvas, scene, 0.95, 1.1)
    metal = vary(scene, pick(scene, [(0.78, 0.62, 0.28), (0.68, 0.69, 0.7)]), 0.05)
    bow = frame.disc(-0.25, 0, 0.16) * (1 - frame.disc(-0.3, 0, 0.045))
    depths = [float(depth) for depth in scene.uniform(0.0, 0.05, 8)]
    lower = [(0.36 - i * 0.045 - dx, 0.06 - depth) for i, depth in enumerate(depths) for dx in (0.005, 0.04)]
    blade = frame.polygons([[(-0.15, -0.05), (0.36, -0.05), (0.42, 0.0), *lower, (-0.15, 0.06)]])
    body = np.maximum(bow, blade)
    canvas.shadow(body, shift=(0.014, 0.018), blur=0.016, strength=0.5)
    canvas.paint(body, mottle(metal, noise(scene, canvas.size, 25, 2), 0.14))
    canvas.shade(1 - frame.strokes([[(-0.1, -0.015), (0.35, -0.015)]], 0.018) * np.float32(0.4))
    canvas.glow(frame.strokes([[(-0.1, -0.04), (0.35, -0.04)]], 0.008) * np.float32(0.25))
    return Notes()


def leaf(canvas: Canvas, scene: Rng, _flaw: Flaw) -> Notes:
    """A green leaf with a midrib, side veins and a stalk."""
    frame = _ground(canvas, scene, 0.85, 1.1)
    width = scene.uniform(0.16, 0.23)
    part = np.clip((frame.u + np.float32(0.36)) / np.float32(0.74), 0, 1)
    half = np.float32(width) * np.sin(np.pi * part**0.8) + np.sin(frame.u * 90) * np.float32(0.006)
    body = frame.inside(np.abs(frame.v) - half) * frame.inside(
        np.abs(frame.u - np.float32(0.01)) - np.float32(0.37)
    )
    stalk = frame.strokes([[(-0.48, 0.03), (-0.34, 0.0)]], 0.018)
    green = vary(scene, pick(scene, [(0.2, 0.48, 0.16), (0.42, 0.55, 0.14), (0.62, 0.4, 0.12)]), 0.05)
    canvas.shadow(np.maximum(body, stalk), shift=(0.014, 0.018), blur=0.018, strength=0.45)
    canvas.paint(np.maximum(body, stalk), mottle(green, noise(scene, canvas.size, 22, 3), 0.18))
    veins = [
        [(x, 0.0), (x + 0.13, side * width * 0.85)] for x in np.linspace(-0.28, 0.22, 7) for side in (-1, 1)
    ]
    canvas.paint(frame.strokes([[(-0.36, 0.0), (0.37, 0.0)]], 0.012) * body, (0.75, 0.82, 0.55), 0.7)
    canvas.paint(frame.strokes(veins, 0.006) * body, (0.75, 0.82, 0.55), 0.55)
    return Notes()


def spoon(canvas: Canvas, scene: Rng, _flaw: Flaw) -> Notes:
    """A steel spoon: an oval bowl on a long handle."""
    frame = _ground(canvas, scene, 0.95, 1.1)
    handle = frame.polygons(
        [
            [
                (-0.15, -0.016),
                (0.25, -0.028),
                (0.43, -0.042),
                (0.45, 0),
                (0.43, 0.042),
                (0.25, 0.028),
                (-0.15, 0.016),
            ]
        ]
    )
    bowl = frame.ellipse(-0.27, 0, 0.17, 0.115)
    body = np.maximum(handle, bowl)
    canvas.shadow(body, shift=(0.014, 0.02), blur=0.02, strength=0.5)
    canvas.paint(body, mottle(vary(scene, (0.72, 0.73, 0.75), 0.05), noise(scene, canvas.size, 12, 2), 0.1))
    hollow = np.clip(-frame.oval(-0.27, 0, 0.15, 0.1), 0, 1)
    canvas.shade(1 - hollow * np.float32(scene.uniform(0.45, 0.7)), bowl)
    canvas.glow(frame.ellipse(-0.32, -0.04, 0.045, 0.016, 0.02) * np.float32(0.5))
    canvas.glow(frame.strokes([[(-0.12, -0.006), (0.42, -0.012)]], 0.008) * np.float32(0.3))
    return Notes()


def _ground(canvas: Canvas, scene: Rng, smallest: float, largest: float) -> Frame:
    """A plain ground, and coordinates turned by any angle upon it."""
    ground = vary(scene, pick(scene, _GROUNDS), 0.06)
    canvas.fill(mottle(ground, noise(scene, canvas.size, 30, 2), 0.1))
    x, y = scene.uniform(0.46, 0.54, 2)
    return canvas.frame(float(x), float(y), scene.uniform(0, 2 * np.pi), scene.uniform(smallest, largest))
