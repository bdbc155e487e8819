"""Read weight files without running code from them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mmad_rag.errors import EncoderError
from mmad_rag.files import first_line

if TYPE_CHECKING:
    import torch

    StateDict = dict[str, torch.Tensor]

_TORCH_ENDINGS = (".pt", ".pth", ".bin")
_WRAPPERS = ("state_dict", "model_state_dict", "model")
_SHOWN = 3


def read_weights(path: Path) -> StateDict:
    """Read a state dict from a .safetensors file, or from a torch file with `weights_only`.

    Wrappers of training scripts (`{"state_dict": ...}`, a `module.` prefix) are removed.

    Raises:
        EncoderError: the file is missing, has another ending, is damaged, or holds more than weights.
    """
    if not path.is_file():
        raise EncoderError(f"there is no checkpoint at {path}; check the path behind the @")
    if path.suffix != ".safetensors" and path.suffix not in _TORCH_ENDINGS:
        endings = ", ".join((".safetensors", *_TORCH_ENDINGS))
        raise EncoderError(f"the checkpoint {path} ends in {path.suffix!r}; give one of {endings}")
    try:
        content = _read(path)
    except Exception as error:  # damaged files make the readers raise almost any error
        reason = first_line(error)
        raise EncoderError(
            f"the checkpoint {path} cannot be read as plain weights ({reason}); "
            "download it again, or save its state dict as .safetensors"
        ) from error
    return _unwrap(content, path)


def fit_weights(model: torch.nn.Module, weights: StateDict, path: Path) -> None:
    """Put weights into a model of exactly the same tensor names and shapes.

    No tensor is resized or left at random to make a checkpoint fit.

    Raises:
        EncoderError: a tensor is missing, left over, or of another shape.
    """
    own = model.state_dict()
    missing = [f"{name} is missing" for name in own if name not in weights]
    extra = [f"{name} is not part of the architecture" for name in weights if name not in own]
    reshaped = [
        f"{name} has shape {tuple(weights[name].shape)} instead of {tuple(own[name].shape)}"
        for name in own
        if name in weights and weights[name].shape != own[name].shape
    ]
    problems = missing + extra + reshaped
    if problems:
        more = f" and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise EncoderError(
            f"the checkpoint {path} belongs to another architecture: {'; '.join(problems[:_SHOWN])}{more}; "
            "name the architecture it was trained with before the @"
        )
    model.load_state_dict(weights, strict=True)


def _read(path: Path) -> object:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    import torch

    return torch.load(path, map_location="cpu", weights_only=True)


def _unwrap(content: object, path: Path) -> StateDict:
    import torch

    for wrapper in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if (
        not isinstance(content, Mapping)
        or not content
        or not all(isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in content.items())
    ):
        raise EncoderError(
            f"the checkpoint {path} holds no state dict (tensor name -> tensor); "
            "save `model.state_dict()` as .safetensors"
        )
    if all(name.startswith("module.") for name in content):
        return {name.removeprefix("module."): tensor for name, tensor in content.items()}
    return dict(content)
