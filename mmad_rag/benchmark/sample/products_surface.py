"""Drawings of surfaces that fill the image: carpet, grid, leather, tile, wood."""

from __future__ import annotations

import numpy as np

from mmad_rag.benchmark.sample.canvas import Array, Canvas, Rng
from mmad_rag.benchmark.sample.drawing import Flaw, Notes
from mmad_rag.benchmark.sample.marks import drop, fringe, metal_chip, pick, spot, step, torn_strip
from mmad_rag.benchmark.sample.texture import blob, cells, curl, mix, mottle, noise, relief, vary, zigzag


def carpet(canvas: Canvas, scene: Rng, flaw: Flaw) -> Notes:
    """A plain weave of grey-brown threads, light and dark in turn."""
    frame = canvas.frame(angle=scene.uniform(-0.08, 0.08))
    at, reach = spot(flaw.rng), flaw.rng.uniform(0.07, 0.11)
    u, v = frame.u, frame.v
    if flaw.kind in {"cut", "hole"}:
        away = np.hypot(canvas.x - at[0], canvas.y - at[1]) / np.float32(reach)
        u = u + np.float32(0.2 * reach) * np.exp(-(away**2) * 2) * np.sin(away * 7)
    canvas.fill(_weave(canvas, scene, u + 1, v + 1))
    if flaw.kind == "color":
        stain = canvas.soften(canvas.page().polygons([blob(flaw.rng, *at, reach, rough=0.15)]), 0.008)
        canvas.paint(stain, pick(flaw.rng, [(0.07, 0.07, 0.1), (0.4, 0.08, 0.1), (0.1, 0.13, 0.4)]), 0.75)
    elif flaw.kind == "hole":
        canvas.paint(canvas.page().polygons([blob(flaw.rng, *at, reach * 0.6)]), (0.05, 0.045, 0.05), 0.95)
        canvas.paint(fringe(canvas, flaw.rng, at, reach * 0.75), (0.62, 0.58, 0.55))
    elif flaw.kind == "cut":
        turn = flaw.rng.uniform(0, np.pi)
        ends = step(at, turn, -reach * 1.1), step(at, turn, reach * 1.1)
        canvas.paint(
            canvas.page().strokes([zigzag(flaw.rng, *ends, 7, 0.012)], 0.026), (0.05, 0.045, 0.05), 0.95
        )
        canvas.paint(fringe(canvas, flaw.rng, at, reach), (0.66, 0.62, 0.58))
    elif flaw.kind == "metal_contamination":
        metal_chip(canvas, flaw.rng, at)
    return Notes()


def _weave(canvas: Canvas, scene: Rng, u: Array, v: Array) -> Array:
    """The image of a plain weave over coordinates that may have been pulled out of shape."""
    threads = scene.uniform(34, 44)
    x, y = u * np.float32(threads), v * np.float32(threads)
    x = x + noise(scene, canvas.size, 10, 2) * np.float32(0.25)
    y = y + noise(scene, canvas.size, 10, 2) * np.float32(0.25)
    column, row = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    upright = (column + row) % 2 == 0
    warp, weft = scene.uniform(0.55, 1.1, 256), scene.uniform(0.55, 1.1, 256)
    round_x, round_y = np.sin(np.pi * (x - column)), np.sin(np.pi * (y - row))
    up = warp[column % 256] * (0.35 + 0.65 * round_x) * (0.6 + 0.4 * round_y)
    across = weft[row % 256] * (0.35 + 0.65 * round_y) * (0.6 + 0.4 * round_x)
    light = np.where(upright, up, across) * (1 + 0.25 * noise(scene, canvas.size, 90))
    dark, bright = vary(scene, (0.2, 0.17, 0.17), 0.03), vary(scene, (0.68, 0.63, 0.6), 0.06)
    return mix(dark, bright, light.astype(np.float32) * np.float32(0.85))


def grid(canvas: Canvas, scene: Rng, flaw: Flaw) -> Notes:
    """Expanded metal: dark strands around rhombic openings over a light ground."""
    frame = canvas.frame(angle=scene.uniform(-0.9, 0.9))
    wide, high = scene.uniform(8.5, 11), scene.uniform(5, 6.5)
    phase, at = scene.uniform(0, 1, 2), spot(flaw.rng)
    u, v = frame.u, frame.v
    away = np.hypot(canvas.x - at[0], canvas.y - at[1])
    if flaw.kind == "bent":
        bump = np.exp(-((away / np.float32(0.06)) ** 2)) * np.float32(0.055)
        turn = flaw.rng.uniform(0, 2 * np.pi)
        u, v = u + bump * np.float32(np.cos(turn)), v + bump * np.float32(np.sin(turn))
    p, q = u * np.float32(wide) + np.float32(phase[0]), v * np.float32(high) + np.float32(phase[1])
    canvas.fill(mottle(vary(scene, (0.64, 0.64, 0.63), 0.1), noise(scene, canvas.size, 60, 2), 0.12))
    thick = scene.uniform(0.15, 0.19)
    for sign in (-1, 1):
        wave = p + sign * q + np.float32(0.05) * np.sin(2 * np.pi * (p - sign * q)).astype(np.float32)
        side = (wave % 1) - np.float32(0.5)
        strand = np.clip((np.float32(thick) - np.abs(side)) * 9, 0, 1)
        if flaw.kind == "broken" and sign == 1:
            strand = strand * np.clip((away - np.float32(0.065)) * 60, 0, 1)
        light = np.float32(0.22) + np.float32(0.5) * np.clip(side * sign + np.float32(0.02), 0, 1) * 2
        canvas.shadow(strand, shift=(0.006, 0.008), blur=0.006, strength=0.4)
        canvas.paint(strand, np.repeat(light[..., None], 3, axis=2))
    if flaw.kind == "glue":
        drop(canvas, flaw.rng, at, (0.86, 0.85, 0.8), 0.85)
    elif flaw.kind == "thread":
        path = curl(flaw.rng, at, 0.45)
        canvas.shadow(canvas.page().strokes([path], 0.011), shift=(0.006, 0.008), blur=0.004, strength=0.3)
        canvas.paint(canvas.page().strokes([path], 0.013), (0.05, 0.05, 0.05))
    return Notes()


def leather(canvas: Canvas, scene: Rng, flaw: Flaw) -> Notes:
    """Brown leather with a fine net of creases."""
    nearest, second = cells(scene, canvas, int(scene.integers(21, 28)))
    plain = np.clip((second - nearest) * np.float32(3.5), 0, 1) * np.float32(0.007)
    height = plain + noise(scene, canvas.size, 70, 2) * np.float32(0.001)
    light = scene.uniform(0, 2 * np.pi)
    at, turn = spot(flaw.rng), flaw.rng.uniform(0, np.pi)
    across = (canvas.x - at[0]) * np.float32(np.sin(turn)) - (canvas.y - at[1]) * np.float32(np.cos(turn))
    along = (canvas.x - at[0]) * np.float32(np.cos(turn)) + (canvas.y - at[1]) * np.float32(np.sin(turn))
    if flaw.kind == "fold":
        ridge = np.exp(-((across / np.float32(0.034)) ** 2) - (along / np.float32(0.13)) ** 4)
        height = height + np.float32(0.045) * ridge
    brown = vary(scene, (0.52, 0.28, 0.2), 0.06)
    canvas.fill(mottle(brown, noise(scene, canvas.size, 4, 2), 0.08))
    canvas.shade(relief(height, light, 0.75))
    frame = canvas.page()
    if flaw.kind == "color":
        stain = canvas.soften(frame.polygons([blob(flaw.rng, *at, flaw.rng.uniform(0.04, 0.06))]), 0.006)
        canvas.paint(stain, pick(flaw.rng, [(0.45, 0.55, 0.62), (0.12, 0.2, 0.5), (0.8, 0.75, 0.62)]), 0.85)
    elif flaw.kind == "cut":
        end = step(at, turn, flaw.rng.uniform(0.12, 0.18))
        path = zigzag(flaw.rng, at, end, 4, 0.006)
        canvas.paint(frame.strokes([[(x + 0.008, y + 0.008) for x, y in path]], 0.014), (0.76, 0.55, 0.45))
        canvas.paint(frame.strokes([path], 0.016), (0.1, 0.05, 0.04))
    elif flaw.kind == "glue":
        drop(canvas, flaw.rng, at, (0.62, 0.33, 0.22), 0.7)
    return Notes()


def tile(canvas: Canvas, scene: Rng, flaw: Flaw) -> Notes:
    """A stone tile: dark green-grey speckles all over a pale green-grey ground."""
    speckle = noise(scene, canvas.size, 34, 2) + noise(scene, canvas.size, 17) * np.float32(0.5)
    dark = np.clip((speckle - np.float32(scene.uniform(0.12, 0.22))) * 7, 0, 1)
    ground = vary(scene, (0.6, 0.66, 0.62), 0.05)
    canvas.fill(mottle(mix(ground, (0.24, 0.28, 0.26), dark), noise(scene, canvas.size, 100), 0.1))
    at, frame = spot(flaw.rng), canvas.page()
    if flaw.kind == "crack":
        turn = flaw.rng.uniform(0, np.pi)
        far = [step(at, turn + part, flaw.rng.uniform(0.35, 0.7)) for part in (0, 2.4, 3.6)]
        paths = [zigzag(flaw.rng, at, end, 9, 0.018) for end in far]
        canvas.paint(
            frame.strokes([[(x + 0.006, y) for x, y in path] for path in paths], 0.007), (0.85, 0.87, 0.8)
        )
        canvas.paint(frame.strokes(paths, 0.013), (0.08, 0.08, 0.07))
    elif flaw.kind == "glue_strip":
        local = canvas.frame(*at, angle=flaw.rng.uniform(0, np.pi))
        strip = local.polygons([torn_strip(flaw.rng, 0.17, 0.08)])
        canvas.shadow(strip, shift=(0.006, 0.006), blur=0.006, strength=0.5)
        gloss = noise(flaw.rng, canvas.size, 16)
        canvas.paint(strip, mottle((0.83, 0.85, 0.84), gloss, 0.15), 0.72)
    elif flaw.kind == "gray_stroke":
        end = step(at, flaw.rng.uniform(0, np.pi), 0.17)
        stroke = canvas.soften(frame.strokes([zigzag(flaw.rng, at, end, 4, 0.02)], 0.08), 0.012)
        canvas.paint(stroke, (0.26, 0.28, 0.28), 0.82)
    elif flaw.kind == "oil":
        shape = frame.polygons([blob(flaw.rng, *at, 0.14, rough=0.18, stretch=1.35)])
        canvas.paint(canvas.soften(shape, 0.01), (0.66, 0.56, 0.12), 0.55)
    return Notes()


def wood(canvas: Canvas, scene: Rng, flaw: Flaw) -> Notes:
    """A board of warm brown wood with grain from top to bottom."""
    frame = canvas.frame(angle=scene.uniform(-0.12, 0.12))
    size = canvas.size
    sway = noise(scene, size, (4, 5), 2) * np.float32(0.05)
    rings = np.sin((frame.u + sway) * np.float32(scene.uniform(40, 80)) + noise(scene, size, (3, 14)) * 4)
    broad, fibre = noise(scene, size, (3, 22), 2), noise(scene, size, (9, 110), 2)
    tone = np.float32(0.5) + rings * np.float32(0.16) + broad * np.float32(0.35) + fibre * np.float32(0.3)
    canvas.fill(mix(vary(scene, (0.5, 0.29, 0.15), 0.04), vary(scene, (0.83, 0.57, 0.35), 0.05), tone))
    pores = np.clip((noise(scene, size, (16, 130)) - np.float32(0.45)) * 3, 0, 1)
    canvas.paint(pores, (0.38, 0.22, 0.12), 0.35)
    at = spot(flaw.rng)
    if flaw.kind == "color":
        paths = [curl(flaw.rng, step(at, flaw.rng.uniform(0, 6.28), 0.05), 0.13, bend=0.3) for _ in range(3)]
        ink = pick(flaw.rng, [(0.78, 0.12, 0.08), (0.12, 0.2, 0.6), (0.1, 0.42, 0.2)])
        canvas.paint(canvas.soften(canvas.page().strokes(paths, 0.03), 0.005), ink, 0.75)
    elif flaw.kind == "hole":
        for _ in range(int(flaw.rng.integers(1, 3))):
            x, y = step(at, flaw.rng.uniform(0, 6.28), flaw.rng.uniform(0, 0.1))
            radius = flaw.rng.uniform(0.028, 0.042)
            canvas.paint(
                canvas.page().polygons([blob(flaw.rng, x, y, radius * 1.35)]), (0.3, 0.16, 0.08), 0.8
            )
            canvas.paint(canvas.page().polygons([blob(flaw.rng, x, y, radius)]), (0.04, 0.025, 0.02))
    elif flaw.kind == "liquid":
        stain = canvas.page().polygons([blob(flaw.rng, *at, 0.13, rough=0.22, stretch=1.3)])
        canvas.shade(1 - canvas.soften(stain, 0.012) * np.float32(0.5))
        canvas.glow(canvas.soften(stain, 0.05) * stain * np.float32(0.06), (0.8, 0.9, 1.0))
    elif flaw.kind == "scratch":
        turn = flaw.rng.uniform(0.3, 2.8)
        starts = [step(at, turn + 1.57, offset) for offset in flaw.rng.uniform(-0.05, 0.05, 4)]
        paths = [zigzag(flaw.rng, s, step(s, turn, flaw.rng.uniform(0.15, 0.3)), 5, 0.006) for s in starts]
        canvas.paint(canvas.page().strokes(paths, 0.009), (0.95, 0.83, 0.68), 0.9)
    return Notes()
