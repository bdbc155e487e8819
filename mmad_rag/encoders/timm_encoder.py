"""Load an image-only backbone of timm."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mmad_rag.encoders.fingerprint import fingerprint
from mmad_rag.encoders.hub import quick_hub, refuse_fetching
from mmad_rag.encoders.protocol import Encoder
from mmad_rag.encoders.repair import import_torchvision
from mmad_rag.encoders.spec import EncoderSpec, spec_error
from mmad_rag.encoders.vectors import unit_vectors
from mmad_rag.encoders.weights import fit_weights, read_weights
from mmad_rag.errors import EncoderError
from mmad_rag.files import first_line
from mmad_rag.images import to_rgb
from mmad_rag.records import EncodedImage, FloatArray, JsonValue

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

_POOLING = "timm/1: class token and mean of patch tokens, each of unit length; else the model's pooling"


class TimmImages:
    """The image tower of a timm model."""

    def __init__(
        self, model: torch.nn.Module, preprocess: Callable[[Image], torch.Tensor], *, batch_size: int
    ) -> None:
        self._model = model
        self._preprocess = preprocess
        self._batch_size = batch_size
        self._device = next(model.parameters()).device
        self.dim = self._measure_dim()

    def encode_images(self, images: Sequence[EncodedImage]) -> FloatArray:
        """Embed images with the model's own preprocessing: (len(images), dim).

        A vision transformer with a class token gives that token and the mean of its patch tokens, each of
        unit length, side by side: the class token describes the object, the mean its surface. Other models
        give their pooled features.
        """
        return unit_vectors(images, self._batch, dim=self.dim, batch_size=self._batch_size)

    def _batch(self, images: Sequence[EncodedImage]) -> torch.Tensor:
        import torch

        pixels = torch.stack([self._preprocess(to_rgb(image)) for image in images])
        return self._pool(pixels.to(self._device))

    def _pool(self, pixels: torch.Tensor) -> torch.Tensor:
        import torch
        from torch.nn.functional import normalize

        features: torch.Tensor = self._model.forward_features(pixels)
        if features.ndim == 3 and getattr(self._model, "cls_token", None) is not None:
            patches = features[:, self._model.num_prefix_tokens :].mean(dim=1)
            return torch.cat([normalize(features[:, 0], dim=1), normalize(patches, dim=1)], dim=1)
        pooled: torch.Tensor = self._model.forward_head(features, pre_logits=True)
        return pooled

    def _measure_dim(self) -> int:
        import torch

        size = self._model.pretrained_cfg["input_size"]
        with torch.inference_mode():
            return int(self._pool(torch.zeros(1, *size, device=self._device)).shape[1])


def load(spec: EncoderSpec, *, device: str, batch_size: int) -> Encoder:
    """Load `ARCH` with its published weights, or `ARCH@CHECKPOINT`.

    Raises:
        SpecError: timm has no such architecture.
        EncoderError: the checkpoint is missing or does not fit, or the download failed.
    """
    import_torchvision()
    from timm.data import create_transform, resolve_model_data_config

    model = _create(spec).float().eval().to(device)
    config = resolve_model_data_config(model)
    images = TimmImages(model, create_transform(**config, is_training=False), batch_size=batch_size)
    description: JsonValue = {
        "pooling": _POOLING,
        "architecture": spec.name.partition(".")[0],
        "preprocess": json.dumps(config, sort_keys=True, default=str),
    }
    return Encoder(spec.text, fingerprint(model, description), images.dim, images, None, None)


def _create(spec: EncoderSpec) -> torch.nn.Module:
    """The model without its classifier."""
    import timm
    import torch

    if not timm.is_model(spec.name):
        near = difflib.get_close_matches(spec.name, timm.list_models(), n=3) or ["vit_tiny_patch16_224"]
        raise spec_error(spec.text, f"names no architecture of timm; did you mean {' or '.join(near)}?")
    if spec.path is not None:
        model = timm.create_model(spec.name, pretrained=False, num_classes=0)
        weights = read_weights(spec.path)
        heads = model.pretrained_cfg.get("classifier") or ()
        heads = (heads,) if isinstance(heads, str) else tuple(heads)
        kept = {
            name: tensor
            for name, tensor in weights.items()
            if not any(name.startswith(f"{head}.") for head in heads)
        }
        fit_weights(model, kept, spec.path)
        return model
    try:
        with quick_hub():
            found = timm.get_pretrained_cfg(spec.name)
            if found is not None and found.url and not found.hf_hub_id:
                stored = Path(torch.hub.get_dir()) / "checkpoints" / found.url.rpartition("/")[2]
                refuse_fetching(found.url, stored)
            return timm.create_model(spec.name, pretrained=True, num_classes=0)
    except Exception as error:  # the hub's client raises many types of errors
        reason = first_line(error)
        raise EncoderError(
            f"the weights of {spec.text} could not be downloaded ({reason}); a download needs a network: "
            f"connect, or give a local file as {spec.text}@CHECKPOINT"
        ) from error
