"""Import torchvision, also beside a torch that it was not built for.

The torchvision wheel of the public registry is built for a CUDA torch. Beside a CPU torch its compiled part
does not load, and its import then fails on the first operator that only exists there, although the
image transforms that encoders need are plain Python. Declaring those operators lets the import through.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

from mmad_rag.errors import EncoderError

_SCHEMAS = {
    "nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
_SYMPTOM = "operator torchvision::nms does not exist"
_declared: list[Any] = []  # a declaration ends when its library object is collected


def import_torchvision() -> None:
    """Import torchvision; call it before open_clip, timm or sentence_transformers are imported.

    A torchvision that imports by itself is left untouched.

    Raises:
        EncoderError: torchvision is not installed, or its import fails for another reason.
    """
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if _SYMPTOM not in str(error):
            raise EncoderError(
                f"torchvision cannot be imported ({error}); install the version that belongs to your torch"
            ) from error
        _declare_missing_operators()
        _forget_half_imported()
        importlib.import_module("torchvision")
    except ImportError as error:
        raise EncoderError(
            f"torchvision cannot be imported ({error}); run `pip install torchvision`"
        ) from error


def _declare_missing_operators() -> None:
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")
    for name, schema in _SCHEMAS.items():
        if not hasattr(torch.ops.torchvision, name):
            library.define(name + schema)
    _declared.append(library)


def _forget_half_imported() -> None:
    """Drop the submodules of the failed import, so that the second one runs them again."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
