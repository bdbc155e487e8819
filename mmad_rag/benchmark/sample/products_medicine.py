"""Drawings of medicines: capsule, capsules, pill."""

from __future__ import annotations

import numpy as np

from mmad_rag.benchmark.sample.canvas import Array, Canvas, Frame, Point, Rng
from mmad_rag.benchmark.sample.drawing import Flaw, Notes
from mmad_rag.benchmark.sample.texture import blob, mix, mottle, noise, vary, zigzag

_ZERO: list[Point] = [(np.cos(t) * 0.5, np.sin(t)) for t in np.linspace(0, 2 * np.pi, 17)]
_FIVE: list[Point] = [
    (0.5, -1),
    (-0.45, -1),
    (-0.5, -0.1),
    (0.1, -0.25),
    (0.5, 0.15),
    (0.45, 0.75),
    (0, 1),
    (-0.5, 0.85),
]
_LETTER_F: list[list[Point]] = [[(-0.5, 1), (-0.5, -1), (0.6, -1)], [(-0.5, -0.05), (0.4, -0.05)]]


def capsule(canvas: Canvas, scene: Rng, flaw: Flaw) -> Notes:
    """One hard capsule lying flat: the left half black, the right half orange with the imprint 500."""
    canvas.fill(mottle(vary(scene, (0.84, 0.82, 0.82), 0.06), noise(scene, canvas.size, 6, 2), 0.03))
    frame = canvas.frame(
        scene.uniform(0.47, 0.53),
        scene.uniform(0.45, 0.55),
        scene.uniform(-0.07, 0.07),
        scene.uniform(0.9, 1.04),
    )
    squeezed = np.float32(0)
    if flaw.kind == "squeeze":
        x, depth = flaw.rng.uniform(-0.17, 0.0), flaw.rng.uniform(0.045, 0.06)
        squeezed = np.float32(depth) * np.exp(-(((frame.u - np.float32(x)) / np.float32(0.09)) ** 2))
    distance = frame.from_segment((-0.27, 0.0), (0.27, 0.0)) - np.float32(0.14) + squeezed
    cap = frame.from_segment((-0.27, 0.0), (0.0, 0.0)) - np.float32(0.147) + squeezed
    body = frame.inside(np.minimum(distance, np.where(frame.u < 0.02, cap, 9)).astype(np.float32))
    canvas.shadow(body, shift=(0.0, 0.035), blur=0.04, strength=0.5)
    left = frame.inside(frame.u - np.float32(0.02))
    orange = vary(scene, (0.78, 0.33, 0.22), 0.04)
    canvas.paint(body, mix(orange, vary(scene, (0.07, 0.07, 0.08), 0.02), left))
    _imprint(canvas, scene, frame, flaw)
    across = np.clip(frame.v / np.float32(0.145), -1, 1)
    canvas.shade(np.float32(0.55) + np.float32(0.5) * np.sqrt(1 - across**2), body)
    canvas.glow(body * np.exp(-(((frame.v + np.float32(0.055)) / 0.014) ** 2)) * np.float32(0.22))
    if flaw.kind == "squeeze":
        crease = frame.strokes(
            [zigzag(flaw.rng, (float(x), -0.08), (float(x) + 0.01, 0.08), 4, 0.012)], 0.012
        )
        canvas.paint(crease * body, (0.3, 0.27, 0.27), 0.8)
    return Notes(part=_capsule_damage(canvas, frame, body, flaw))


def _imprint(canvas: Canvas, scene: Rng, frame: Frame, flaw: Flaw) -> None:
    """The digits 500 on the orange half."""
    roll = scene.uniform(-0.035, 0.035)
    digits = []
    for x, shape in ((0.09, _FIVE), (0.165, _ZERO), (0.24, _ZERO)):
        digits.append([(x + px * 0.042, roll + py * 0.036) for px, py in shape])
    ink, width = (0.95, 0.84, 0.8), 0.017
    if flaw.kind == "faulty_imprint":
        smear = frame.box(flaw.rng.uniform(0.1, 0.22), roll, 0.075, 0.1, 0.02)
        printed = frame.strokes([[(x, y) for x, y in digit] for digit in digits], width) * (1 - smear)
        ghost = frame.strokes([[(x + 0.024, y + 0.022) for x, y in digit] for digit in digits], width) * smear
        canvas.paint(np.maximum(printed, ghost * np.float32(0.75)), ink, 0.85)
        return
    canvas.paint(frame.strokes(digits, width), ink, 0.85)


def _capsule_damage(canvas: Canvas, frame: Frame, body: Array, flaw: Flaw) -> str:
    """Marks on the shell; returns the half that they are on."""
    black = bool(flaw.rng.integers(2))
    x = flaw.rng.uniform(-0.27, -0.08) if black else flaw.rng.uniform(0.1, 0.28)
    y = flaw.rng.uniform(-0.03, 0.04)
    half = "black half" if black else "orange half"
    if flaw.kind == "crack":
        end = (x + flaw.rng.uniform(-0.05, 0.05), y + flaw.rng.choice([-1.0, 1.0]) * 0.11)
        path = zigzag(flaw.rng, (x, y), end, 5, 0.018)
        canvas.paint(frame.strokes([path], 0.02) * body, (0.93, 0.9, 0.85))
        canvas.paint(frame.strokes([path], 0.008) * body, (0.25, 0.2, 0.18))
    elif flaw.kind == "poke":
        canvas.paint(frame.polygons([blob(flaw.rng, x, y, 0.038)]) * body, (0.95, 0.88, 0.8))
        canvas.paint(frame.polygons([blob(flaw.rng, x, y, 0.018)]) * body, (0.2, 0.15, 0.14))
    elif flaw.kind == "faulty_imprint":
        return "orange half"
    elif flaw.kind == "squeeze":
        return "middle seam"
    return half


def capsules(canvas: Canvas, scene: Rng, flaw: Flaw) -> Notes:
    """A handful of translucent green softgels strewn over a grey board."""
    canvas.fill(mottle(vary(scene, (0.4, 0.39, 0.41), 0.06), noise(scene, canvas.size, 90, 2), 0.16))
    places = _strewn(scene, int(scene.integers(18, 21)))
    victim = int(flaw.rng.integers(len(places)))
    green, scale = vary(scene, (0.18, 0.66, 0.1), 0.04), scene.uniform(1.15, 1.4)
    for number, (x, y) in enumerate(places):
        turn, tone = scene.uniform(0, np.pi), scene.uniform(0.85, 1.15)
        hit = number == victim
        shape, colour, length = 0.03, green, 0.042
        if hit and flaw.kind == "discolor":
            colour = (0.62, 0.3, 0.08)
        elif hit and flaw.kind == "misshape":
            shape, length = 0.052, 0.01
        pane = canvas.window(x, y, 0.15)
        local = pane.frame(x, y, turn, scale)
        _softgel(local, colour, tone, shape, length)
        if hit and flaw.kind == "bubble":
            pane.paint(local.disc(0, 0, 0.027), (0.82, 0.95, 0.72), 0.85)
            pane.paint(local.disc(0.004, 0.004, 0.018), (0.3, 0.62, 0.2), 0.85)
        elif hit and flaw.kind == "leak":
            pool = local.polygons([blob(flaw.rng, 0.055, 0.02, 0.042, rough=0.25)])
            pane.paint(pool, (0.36, 0.42, 0.12), 0.75)
    return Notes()


def _strewn(scene: Rng, count: int) -> list[Point]:
    """Places that keep their distance, by dart throwing on a jittered grid of 5 x 4."""
    spots = [
        (
            0.11 + 0.195 * column + scene.uniform(-0.018, 0.018),
            0.13 + 0.245 * row + scene.uniform(-0.03, 0.03),
        )
        for row in range(4)
        for column in range(5)
    ]
    chosen = sorted(int(index) for index in scene.permutation(len(spots))[:count])
    return [spots[index] for index in chosen]


def _softgel(
    local: Frame, colour: tuple[float, float, float], tone: float, radius: float, length: float
) -> None:
    """One glossy, translucent capsule with a bright focus below and highlights on top."""
    canvas = local.canvas
    distance = local.from_segment((-length, 0.0), (length, 0.0))
    cover = local.inside(distance - np.float32(radius))
    canvas.shadow(cover, shift=(0.01, 0.014), blur=0.012, strength=0.5)
    depth = np.clip(distance / np.float32(radius), 0, 1)
    light = np.float32(tone) * (np.float32(1.15) - np.float32(0.75) * depth**2)
    canvas.paint(cover, np.asarray(colour, dtype=np.float32) * light[..., None])
    focus = (
        np.exp(-(((local.v - np.float32(radius * 0.35)) / np.float32(radius * 0.3)) ** 2))
        * cover
        * (1 - depth)
    )
    canvas.glow(focus * np.float32(0.5), (0.6, 1.0, 0.4))
    canvas.glow(local.box(0, -radius * 0.45, length * 1.9, radius * 0.25, radius * 0.12) * np.float32(0.6))


def pill(canvas: Canvas, scene: Rng, flaw: Flaw) -> Notes:
    """A white oval tablet with red specks and the letters FF pressed into it, on a dark ground."""
    canvas.fill(mottle(vary(scene, (0.05, 0.05, 0.1), 0.025), noise(scene, canvas.size, 40, 2), 0.4))
    frame = canvas.frame(
        scene.uniform(0.47, 0.53),
        scene.uniform(0.46, 0.54),
        scene.uniform(-0.1, 0.1),
        scene.uniform(0.92, 1.05),
    )
    edge = frame.oval(0, 0, 0.42, 0.27)
    body = frame.inside(edge * np.float32(0.27))
    if flaw.kind == "crack":
        turn = flaw.rng.uniform(0, 2 * np.pi)
        rim = (0.4 * np.cos(turn), 0.26 * np.sin(turn))
        chip = frame.polygons([blob(flaw.rng, *rim, 0.07, rough=0.35)])
        canvas.paint(chip * body, (0.5, 0.47, 0.44))
        body = body * (1 - chip * frame.inside(-edge * np.float32(0.27) - np.float32(0.03)))
    white = mottle(vary(scene, (0.86, 0.84, 0.82), 0.04), noise(scene, canvas.size, 60, 2), 0.05)
    canvas.paint(body, white)
    specks = [
        (float(x), float(y), float(r))
        for x, y, r in zip(
            scene.uniform(-0.38, 0.38, 45),
            scene.uniform(-0.24, 0.24, 45),
            scene.uniform(0.003, 0.011, 45),
            strict=True,
        )
    ]
    canvas.paint(frame.dots(specks) * body, vary(scene, (0.68, 0.3, 0.3), 0.08), scene.uniform(0.45, 0.85))
    dome = np.clip(1 - np.maximum(edge + np.float32(0.3), 0) * np.float32(0.9), 0.2, 1)
    canvas.shade(dome, body)
    _pressed(canvas, frame)
    _pill_damage(canvas, frame, body, flaw)
    return Notes()


def _pressed(canvas: Canvas, frame: Frame) -> None:
    """The two letters, each a groove with a dark and a bright flank."""
    paths = []
    for x in (-0.08, 0.075):
        paths += [[(x + px * 0.07, py * 0.1) for px, py in stroke] for stroke in _LETTER_F]
    dark = frame.strokes([[(px - 0.006, py - 0.006) for px, py in path] for path in paths], 0.02)
    bright = frame.strokes([[(px + 0.006, py + 0.006) for px, py in path] for path in paths], 0.02)
    canvas.shade(1 - np.clip(dark - bright, 0, 1) * np.float32(0.35))
    canvas.shade(1 + np.clip(bright - dark, 0, 1) * np.float32(0.16))


def _pill_damage(canvas: Canvas, frame: Frame, body: Array, flaw: Flaw) -> None:
    """Marks on the face of the tablet."""
    turn, far = flaw.rng.uniform(0, 2 * np.pi), flaw.rng.uniform(0.3, 0.75)
    x, y = 0.4 * far * np.cos(turn), 0.25 * far * np.sin(turn)
    if flaw.kind == "color":
        stain = canvas.soften(frame.polygons([blob(flaw.rng, x, y, 0.05, rough=0.2)]), 0.006)
        ink = [(0.85, 0.72, 0.15), (0.8, 0.15, 0.15)][int(flaw.rng.integers(2))]
        canvas.paint(stain * body, ink, 0.75)
    elif flaw.kind == "contamination":
        dirt = frame.polygons([blob(flaw.rng, x, y, 0.034, rough=0.45, stretch=1.4)])
        canvas.paint(dirt * body, mottle((0.2, 0.17, 0.15), noise(flaw.rng, canvas.size, 60), 0.5))
    elif flaw.kind == "scratch":
        heading = flaw.rng.uniform(0, np.pi)
        end = (x + 0.17 * np.cos(heading), y + 0.17 * np.sin(heading))
        paths = [zigzag(flaw.rng, (x, y + d), (end[0], end[1] + d), 5, 0.008) for d in (0.0, 0.018)]
        canvas.paint(frame.strokes(paths, 0.011) * body, (0.5, 0.47, 0.45))
