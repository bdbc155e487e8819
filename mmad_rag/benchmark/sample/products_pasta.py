"""Drawings of pasta: macaroni1, macaroni2."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmad_rag.benchmark.sample.canvas import Array, Canvas, Frame, Point, Rng
from mmad_rag.benchmark.sample.drawing import GOOD, Flaw, Notes
from mmad_rag.benchmark.sample.marks import QUARTERS
from mmad_rag.benchmark.sample.texture import blob, mottle, noise, vary, zigzag


@dataclass(frozen=True, slots=True)
class _Elbow:
    """The form of a bent tube: a half ring of radius `bend` around a point below its middle."""

    bend: float
    tube: float
    """Half the thickness of the tube."""
    ribs: float
    """Strength of the ribs."""

    @property
    def centre(self) -> float:
        """Distance by which the centre of the half ring lies below the piece's middle."""
        return self.bend * 0.45

    def on_arc(self, rng: Rng, side: float) -> Point:
        """A random point on the tube, moved off its centre line by `side`."""
        turn = -np.pi / 2 + rng.uniform(-0.9, 0.9)
        radius = self.bend + side
        return float(radius * np.cos(turn)), float(self.centre + radius * np.sin(turn))


_SLENDER = _Elbow(bend=0.15, tube=0.042, ribs=0.07)
_THICK = _Elbow(bend=0.095, tube=0.066, ribs=0.16)
_HALF_TURN = 1.42
"""Radians from the middle of a piece to either end."""


def macaroni1(canvas: Canvas, scene: Rng, flaw: Flaw) -> Notes:
    """Four slender orange half moons in two rows, all laid the same way, on a dark green board."""
    _board(canvas, scene, (0.13, 0.25, 0.2))
    board = canvas.frame(scene.uniform(0.48, 0.52), scene.uniform(0.48, 0.52), scene.uniform(-0.05, 0.05))
    pasta, victim = vary(scene, (0.9, 0.6, 0.13), 0.035), int(flaw.rng.integers(4))
    for number, (_, (x, y)) in enumerate(QUARTERS):
        at = board.place((x + scene.uniform(-0.012, 0.012), y + scene.uniform(-0.012, 0.012)))
        pane = canvas.window(*at, 0.26)
        one = pane.frame(*at, board.angle + scene.uniform(-0.1, 0.1), scene.uniform(0.97, 1.03))
        _elbow(scene, one, _SLENDER, pasta, flaw if number == victim else _whole(flaw))
    return Notes(part=QUARTERS[victim][0])


def macaroni2(canvas: Canvas, scene: Rng, flaw: Flaw) -> Notes:
    """Four short, thick, ribbed elbows of pale yellow, turned every which way, on a dark green board."""
    _board(canvas, scene, (0.16, 0.3, 0.22))
    pasta, victim = vary(scene, (0.93, 0.82, 0.48), 0.03), int(flaw.rng.integers(4))
    for number, (_, (x, y)) in enumerate(QUARTERS):
        at = (0.5 + x + scene.uniform(-0.06, 0.06), 0.5 + y + scene.uniform(-0.06, 0.06))
        pane = canvas.window(*at, 0.23)
        one = pane.frame(*at, scene.uniform(0, 2 * np.pi), scene.uniform(0.96, 1.05))
        _elbow(scene, one, _THICK, pasta, flaw if number == victim else _whole(flaw))
    return Notes(part=QUARTERS[victim][0])


def _board(canvas: Canvas, scene: Rng, green: tuple[float, float, float]) -> None:
    canvas.fill(mottle(vary(scene, green, 0.04), noise(scene, canvas.size, 80, 2), 0.3))


def _whole(flaw: Flaw) -> Flaw:
    return Flaw(GOOD, flaw.rng)


def _elbow(scene: Rng, one: Frame, form: _Elbow, colour: tuple[float, float, float], flaw: Flaw) -> None:
    """A bent tube, open at both ends."""
    canvas, tint = one.canvas, np.asarray(colour, dtype=np.float32)
    across = (one.radius(0.0, form.centre) - np.float32(form.bend)) / np.float32(form.tube)
    turn = np.abs(np.arctan2(one.v - np.float32(form.centre), one.u) + np.float32(np.pi / 2))
    along = np.minimum(turn, np.float32(2 * np.pi) - turn) - np.float32(_HALF_TURN)
    body = one.inside(np.maximum((np.abs(across) - 1) * np.float32(form.tube), along * np.float32(form.bend)))
    body = _bitten(one, body, form, flaw)
    canvas.shadow(body, shift=(0.012, 0.016), blur=0.016, strength=0.55)
    round_ = np.sqrt(np.clip(1 - across**2, 0, 1))
    light = np.float32(0.62) + round_ * (np.float32(0.45) + np.float32(form.ribs) * np.sin(across * 14))
    light = light * (1 + noise(scene, canvas.size, 30, 2) * np.float32(0.06))
    canvas.paint(body, tint * light[..., None])
    canvas.glow(body * np.exp(-(((across - np.float32(0.35)) / 0.16) ** 2)) * np.float32(0.13))
    for end in (-np.pi / 2 - _HALF_TURN, -np.pi / 2 + _HALF_TURN):
        x, y = form.bend * np.cos(end), form.centre + form.bend * np.sin(end)
        canvas.paint(one.ellipse(x, y, form.tube * 0.85, form.tube * 0.34), tint * np.float32(0.75))
        canvas.paint(one.ellipse(x, y, form.tube * 0.55, form.tube * 0.2), tint * np.float32(0.28))
    _mark(one, body, form, flaw)


def _bitten(one: Frame, body: Array, form: _Elbow, flaw: Flaw) -> Array:
    """The body without a chip of its outer edge, or without a piece out of its middle."""
    if flaw.kind == "chip":
        at, radius = form.on_arc(flaw.rng, form.tube * 0.9), form.tube * 0.75
    elif flaw.kind == "breakage":
        at, radius = form.on_arc(flaw.rng, 0.0), form.tube * 1.25
    else:
        return body
    return body * (1 - one.polygons([blob(flaw.rng, *at, radius, rough=0.35)]))


def _mark(one: Frame, body: Array, form: _Elbow, flaw: Flaw) -> None:
    """A coloured spot or a crack on the tube."""
    if flaw.kind == "color_spot":
        x, y = form.on_arc(flaw.rng, 0.0)
        one.canvas.paint(one.polygons([blob(flaw.rng, x, y, 0.026)]) * body, (0.3, 0.13, 0.07), 0.85)
    elif flaw.kind == "crack":
        x, y = form.on_arc(flaw.rng, 0.0)
        outward = np.arctan2(y - form.centre, x)
        dx, dy = form.tube * float(np.cos(outward)), form.tube * float(np.sin(outward))
        path = zigzag(flaw.rng, (x - dx, y - dy), (x + dx, y + dy), 6, 0.014)
        one.canvas.paint(one.strokes([path], 0.011) * body, (0.25, 0.13, 0.05))
