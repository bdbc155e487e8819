"""The command line of transformers, also beside a torchvision that does not belong to torch.

Run as a script in the place of `transformers`, with the same arguments. It repairs two things of one cause,
a torchvision whose compiled parts do not load beside this torch (the registry's wheel beside a CPU torch):

1. `import torchvision` fails with `operator torchvision::nms does not exist`; see `mmad_rag.encoders.repair`.
2. `torchvision.io.decode_image` fails with `Couldn't load the image extension`, and transformers reads the
   images of requests by it. Then Pillow decodes them, to the same RGB bytes.

Where both work nothing is changed. Nothing of transformers itself is.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmad_rag.encoders.repair import import_torchvision

if TYPE_CHECKING:
    import torch


def repair_torchvision() -> None:
    """Make torchvision import, then decode images, where its compiled parts do not load."""
    import_torchvision()
    import torchvision
    from torchvision.io import image

    if not image._has_image_ops():  # what `decode_image` asks before it fails
        torchvision.io.decode_image = _decode_image


def _decode_image(
    input: torch.Tensor | str | Path,  # noqa: A002 - torchvision's name
    mode: Any = None,  # noqa: ANN401 - an enum of torchvision; only RGB is asked for
    apply_exif_orientation: bool = False,
) -> torch.Tensor:
    """Uint8, (3, height, width)."""
    from PIL import Image, ImageOps
    from torchvision.io import ImageReadMode
    from torchvision.transforms.functional import pil_to_tensor

    if mode is not ImageReadMode.RGB:
        raise NotImplementedError(f"only ImageReadMode.RGB is decoded here, not {mode}")
    source = input if isinstance(input, str | Path) else io.BytesIO(input.numpy().tobytes())
    with Image.open(source) as opened:
        picture = ImageOps.exif_transpose(opened) if apply_exif_orientation else opened
        return pil_to_tensor(picture.convert("RGB"))


if __name__ == "__main__":
    repair_torchvision()
    from transformers.cli.transformers import main

    main()
