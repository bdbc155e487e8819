"""Vary a batch of images as cameras, handling and storage do."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch.nn import functional

_JPEG_SHARE = 0.15


def augment(images: npt.NDArray[np.uint8], size: int, rng: np.random.Generator) -> torch.Tensor:
    """(n, h, h, 3) uint8 -> (n, 3, size, size) in [-1, 1]: moved, relit, blurred, noisy, compressed."""
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float().div_(255)
    pixels = _move(pixels, size, rng)
    pixels = _relight(pixels, rng)
    pixels = _blur(pixels, rng)
    grain = torch.from_numpy(rng.uniform(0, 0.04, (len(images), 1, 1, 1)).astype(np.float32))
    pixels = pixels + grain * torch.from_numpy(rng.standard_normal(pixels.shape).astype(np.float32))
    return _compress(pixels.clamp_(0, 1), rng).sub_(0.5).div_(0.5)


def _move(pixels: torch.Tensor, size: int, rng: np.random.Generator) -> torch.Tensor:
    """Crop, scale and shift every image; turn two thirds of them by any angle; mirror the ground."""
    count = len(pixels)
    turned = rng.random(count) < 0.67
    angle = np.where(turned, rng.uniform(0, 2 * np.pi, count), rng.normal(0, 0.05, count))
    scale = np.where(rng.random(count) < 0.8, rng.uniform(0.72, 1.12, count), rng.uniform(0.5, 0.72, count))
    shift = rng.uniform(-1, 1, (count, 2)) * (0.06 + np.maximum(0, 1 - scale))[:, None] * 0.7
    theta = np.zeros((count, 2, 3), dtype=np.float32)
    theta[:, 0, 0] = theta[:, 1, 1] = scale * np.cos(angle)
    theta[:, 0, 1] = -scale * np.sin(angle)
    theta[:, 1, 0] = scale * np.sin(angle)
    theta[:, :, 2] = shift
    grid = functional.affine_grid(torch.from_numpy(theta), [count, 3, size, size], align_corners=False)
    return functional.grid_sample(pixels, grid, padding_mode="reflection", align_corners=False)


def _relight(pixels: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Brightness, contrast, tint, and now and then no colour at all."""
    count = len(pixels)
    gain = rng.uniform(0.65, 1.3, (count, 1, 1, 1)) * rng.uniform(0.9, 1.1, (count, 3, 1, 1))
    contrast = torch.from_numpy(rng.uniform(0.7, 1.25, (count, 1, 1, 1)).astype(np.float32))
    mean = pixels.mean(dim=(1, 2, 3), keepdim=True)
    pixels = (pixels - mean) * contrast + mean
    pixels = pixels * torch.from_numpy(gain.astype(np.float32))
    grey = torch.from_numpy((rng.random((count, 1, 1, 1)) < 0.12).astype(np.float32))
    return pixels * (1 - grey) + pixels.mean(dim=1, keepdim=True) * grey


def _blur(pixels: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """A three-pixel blur for a third of the images."""
    soft = functional.avg_pool2d(functional.pad(pixels, (1, 1, 1, 1), mode="reflect"), 3, stride=1)
    share = torch.from_numpy(
        (rng.uniform(0, 1, (len(pixels), 1, 1, 1)) * (rng.random((len(pixels), 1, 1, 1)) < 0.35)).astype(
            np.float32
        )
    )
    return pixels * (1 - share) + soft * share


def _compress(pixels: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """JPEG for some of the images."""
    for index in np.flatnonzero(rng.random(len(pixels)) < _JPEG_SHARE):
        array = (pixels[index].permute(1, 2, 0) * 255).round().byte().numpy()
        buffer = io.BytesIO()
        Image.fromarray(array).save(buffer, "JPEG", quality=int(rng.integers(25, 85)))
        with Image.open(buffer) as image:
            back = torch.from_numpy(np.asarray(image).copy())
        pixels[index] = back.permute(2, 0, 1).float() / 255
    return pixels
