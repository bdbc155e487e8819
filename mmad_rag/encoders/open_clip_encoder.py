"""Load a CLIP of open_clip's architectures, from the hub or from a local checkpoint."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from mmad_rag.encoders.fingerprint import fingerprint
from mmad_rag.encoders.hub import quick_hub, refuse_fetching
from mmad_rag.encoders.open_clip_recipe import Recipe, find_recipe
from mmad_rag.encoders.open_clip_text import ClipTokenizer, load_tokenizer
from mmad_rag.encoders.protocol import Encoder
from mmad_rag.encoders.repair import import_torchvision
from mmad_rag.encoders.spec import EncoderSpec
from mmad_rag.encoders.vectors import unit_vectors
from mmad_rag.encoders.weights import fit_weights, read_weights
from mmad_rag.errors import EncoderError
from mmad_rag.files import first_line
from mmad_rag.images import to_rgb
from mmad_rag.records import EncodedImage, FloatArray, Json, JsonValue

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

_POOLING = "open_clip/1"  # raise it when the vectors of an unchanged model change


class ClipTowers:
    """Both towers of one CLIP."""

    def __init__(
        self,
        model: torch.nn.Module,
        preprocess: Callable[[Image], torch.Tensor],
        tokenizer: ClipTokenizer,
        *,
        dim: int,
        batch_size: int,
    ) -> None:
        self._model = model
        self._preprocess = preprocess
        self._tokenizer = tokenizer
        self._dim = dim
        self._batch_size = batch_size
        self._device = next(model.parameters()).device

    def encode_images(self, images: Sequence[EncodedImage]) -> FloatArray:
        """Embed images with the model's own preprocessing: (len(images), dim)."""
        return unit_vectors(images, self._image_batch, dim=self._dim, batch_size=self._batch_size)

    def encode_texts(self, texts: Sequence[str]) -> FloatArray:
        """Embed texts: (len(texts), dim).

        Raises:
            EncoderError: a text has more tokens than the context.
        """
        return unit_vectors(texts, self._text_batch, dim=self._dim, batch_size=self._batch_size)

    def count_tokens(self, text: str) -> int:
        """Number of tokens with start and end marks, before any cutting."""
        return self._tokenizer.count(text)

    def _image_batch(self, images: Sequence[EncodedImage]) -> torch.Tensor:
        import torch

        pixels = torch.stack([self._preprocess(to_rgb(image)) for image in images])
        embedded: torch.Tensor = self._model.encode_image(pixels.to(self._device))
        return embedded

    def _text_batch(self, texts: Sequence[str]) -> torch.Tensor:
        embedded: torch.Tensor = self._model.encode_text(self._tokenizer(texts).to(self._device))
        return embedded


def load(spec: EncoderSpec, *, device: str, batch_size: int) -> Encoder:
    """Load `ARCH/TAG`, `ARCH@CHECKPOINT`, `ARCH/TAG@CHECKPOINT` or `CONFIG.json@CHECKPOINT`.

    With a checkpoint, the tag names the preprocessing and the activation that it was trained with.

    Raises:
        SpecError: the architecture or tag does not exist, or leaves the preprocessing open.
        EncoderError: the checkpoint is missing or does not fit, or a download failed.
    """
    import_torchvision()
    recipe = find_recipe(spec)
    if spec.path is not None:
        weights = read_weights(spec.path)
        model = _build(recipe.model)
        fit_weights(model, _in_open_clip_names(model, weights), spec.path)
    else:
        model = _build(recipe.model)
        _load_tag(model, recipe)
    model = model.float().eval().to(device)
    return _assemble(spec, model, recipe, batch_size)


def _assemble(spec: EncoderSpec, model: torch.nn.Module, recipe: Recipe, batch_size: int) -> Encoder:
    """Put preprocessing and tokenizer around a loaded model."""
    from open_clip.transform import PreprocessCfg, image_transform_v2

    config = PreprocessCfg(**{**recipe.preprocess, "size": model.visual.image_size})
    tokenizer = load_tokenizer(recipe.model["text_cfg"], folder=recipe.folder)
    dim = int(recipe.model["embed_dim"])
    preprocess = image_transform_v2(config, is_train=False)
    towers = ClipTowers(model, preprocess, tokenizer, dim=dim, batch_size=batch_size)
    description: JsonValue = {
        "pooling": _POOLING,
        "architecture": json.dumps(recipe.model, sort_keys=True, default=str),
        "preprocess": json.dumps(asdict(config), sort_keys=True),
        "tokenizer": tokenizer.description,
    }
    return Encoder(spec.text, fingerprint(model, description), dim, towers, towers, tokenizer.context)


def _build(config: Json) -> torch.nn.Module:
    """The architecture with random weights, without any download of pretrained parts."""
    import open_clip

    config = json.loads(json.dumps(config))
    on_hub = "hf_model_name" in config["text_cfg"]  # the text tower's own config has to be looked up
    custom_text = config.pop("custom_text", False) or on_hub
    if on_hub:
        config["text_cfg"]["hf_model_pretrained"] = False
    if "timm_model_name" in config["vision_cfg"]:
        config["vision_cfg"]["timm_model_pretrained"] = False
    kind = open_clip.CLIP
    if custom_text:
        kind = open_clip.CoCa if "multimodal_cfg" in config else open_clip.CustomTextCLIP
    try:
        with quick_hub() if on_hub else nullcontext():
            return kind(**config)
    except Exception as error:  # a wrong config can fail anywhere inside; a text tower may query the hub
        reason = first_line(error)
        raise EncoderError(
            f"the architecture cannot be built ({reason}); check the model config, and that the network "
            "is there if its text tower is described on the hub"
        ) from error


def _in_open_clip_names(model: torch.nn.Module, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights, renamed from the conventions of other and older training code."""
    from open_clip.convert import convert_state_dict
    from open_clip.model import convert_to_custom_text_state_dict

    weights = convert_state_dict(model, weights)
    if "positional_embedding" in weights and not hasattr(model, "positional_embedding"):
        weights = convert_to_custom_text_state_dict(weights)
    weights.pop("text.transformer.embeddings.position_ids", None)
    for name in ("logit_scale", "logit_bias"):
        own = getattr(model, name, None)
        if own is not None and name in weights and weights[name].numel() == own.numel():
            weights[name] = weights[name].reshape(own.shape)
    return weights


def _load_tag(model: torch.nn.Module, recipe: Recipe) -> None:
    """Download the tag's weights, unless they are cached, and load them as open_clip does."""
    from open_clip.factory import load_checkpoint
    from open_clip.pretrained import download_pretrained, get_pretrained_cfg

    try:
        with quick_hub():
            found = get_pretrained_cfg(recipe.arch, recipe.tag)
            if found.get("url") and not found.get("hf_hub"):
                name = found["url"].rpartition("/")[2]
                refuse_fetching(found["url"], Path("~/.cache/clip").expanduser() / name)
            path = download_pretrained(found)
    except Exception as error:  # the hub's client raises many types of errors
        reason = first_line(error)
        name = f"open_clip:{recipe.arch}/{recipe.tag}"
        raise EncoderError(
            f"the weights of {name} could not be downloaded ({reason}); a download needs a network: "
            f"connect, or give a local file as {name}@CHECKPOINT, or use builtin:tiny"
        ) from error
    try:
        load_checkpoint(model, path, strict=True, weights_only=True)
    except Exception as error:  # a truncated download can fail anywhere in the reader
        reason = first_line(error)
        raise EncoderError(
            f"the downloaded weights {path} cannot be loaded ({reason}); delete the file and try again"
        ) from error
