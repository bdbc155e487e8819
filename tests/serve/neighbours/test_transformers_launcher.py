"""The repair of a torchvision that decodes no images."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from mmad_rag.encoders.repair import import_torchvision
from tests.serve.neighbours.transformers_launcher import repair_torchvision


@pytest.mark.parametrize("loads", [True, False])
def test_only_a_torchvision_that_decodes_no_pictures_is_repaired(
    monkeypatch: pytest.MonkeyPatch, loads: bool
) -> None:
    import_torchvision()
    import torchvision
    from torchvision.io import image

    before = image.decode_image
    monkeypatch.setattr(torchvision.io, "decode_image", before)  # and back afterwards
    monkeypatch.setattr(image, "_has_image_ops", lambda: loads)
    repair_torchvision()
    assert (torchvision.io.decode_image is before) is loads


def test_the_repair_decodes_to_upright_rgb(monkeypatch: pytest.MonkeyPatch) -> None:
    import_torchvision()
    import torch
    import torchvision
    from torchvision.io import ImageReadMode, image

    monkeypatch.setattr(torchvision.io, "decode_image", image.decode_image)
    monkeypatch.setattr(image, "_has_image_ops", lambda: False)
    repair_torchvision()
    pixels = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
    turned = Image.Exif()
    turned[0x0112] = 6  # orientation: show it turned clockwise
    file = io.BytesIO()
    Image.fromarray(pixels, "RGBA").save(file, "PNG", exif=turned)
    data = torch.frombuffer(bytearray(file.getvalue()), dtype=torch.uint8)
    for upright, expected in ((False, pixels), (True, np.rot90(pixels, -1))):
        got = torchvision.io.decode_image(data, mode=ImageReadMode.RGB, apply_exif_orientation=upright)
        assert got.dtype == torch.uint8
        np.testing.assert_array_equal(got.numpy(), expected[..., :3].transpose(2, 0, 1))
