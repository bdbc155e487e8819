"""Decide how an open_clip model is built and fed, before any weights are read."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmad_rag.encoders.spec import EncoderSpec, expand, spec_error
from mmad_rag.errors import EncoderError
from mmad_rag.records import Json


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a model is built and fed."""

    arch: str
    """The name of a built-in architecture; empty for one from a config file."""
    tag: str
    """The published weights whose training is followed; empty without one."""
    model: Json
    """An open_clip model config (`embed_dim`, `vision_cfg`, `text_cfg`, ...)."""
    preprocess: Json
    """An open_clip preprocessing config without the size; empty for open_clip's defaults."""
    folder: Path | None
    """Where the config file lies; None for a built-in architecture."""


def find_recipe(spec: EncoderSpec) -> Recipe:
    """The recipe of `ARCH/TAG`, `ARCH` or `CONFIG.json`.

    Raises:
        SpecError: the architecture or tag does not exist, names no weights, or leaves the preprocessing open.
        EncoderError: the config file is missing or no open_clip config.
    """
    if spec.name.endswith(".json"):
        return _recipe_from_file(expand(spec.name), spec)
    arch, tag = _arch_and_tag(spec)
    return _built_in_recipe(arch, tag, spec)


def _arch_and_tag(spec: EncoderSpec) -> tuple[str, str]:
    """`ViT-B-32/openai` -> architecture and tag; `ViT-B/32@file` -> `ViT-B-32` and no tag."""
    import open_clip

    known = set(open_clip.list_models())
    name = spec.name.rstrip("/")
    whole = name.replace("/", "-")
    if whole in known:
        if spec.path is None:
            raise spec_error(spec.text, f"names no weights; {_tags_of(whole)}")
        return whole, ""
    arch, slash, tag = name.rpartition("/")
    arch = arch.replace("/", "-")
    if not slash or arch not in known:
        near = difflib.get_close_matches(arch or name, known, n=3) or ["ViT-B-32-256"]
        raise spec_error(spec.text, f"names no architecture of open_clip; did you mean {' or '.join(near)}?")
    return arch, tag


def _built_in_recipe(arch: str, tag: str, spec: EncoderSpec) -> Recipe:
    """The recipe of a built-in architecture as its tag, or all of its tags, were trained."""
    import open_clip
    from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model

    tags = [tag] if tag else list_pretrained_tags_by_model(arch)
    configs = [get_pretrained_cfg(arch, one) for one in tags]
    if tag and not configs[0]:
        raise spec_error(spec.text, f"names no weights of {arch}; {_tags_of(arch)}")
    ways = {json.dumps(_preprocess_part(config), sort_keys=True): config for config in configs}
    if len(ways) > 1:
        raise spec_error(
            spec.text,
            f"leaves the preprocessing open, {arch} has been trained with {len(ways)}; put the tag whose "
            f"training the checkpoint shares before the @; {_tags_of(arch)}",
        )
    model: Json = open_clip.get_model_config(arch)
    if tag and configs[0].get("quick_gelu"):
        model["quick_gelu"] = True
    return Recipe(arch, tag, model, _preprocess_part(configs[0] if configs else {}), None)


def _recipe_from_file(path: Path, spec: EncoderSpec) -> Recipe:
    """A recipe in open_clip's own JSON, bare or in the hub's form with `model_cfg` and `preprocess_cfg`."""
    if spec.path is None:
        raise spec_error(spec.text, "names no weights; add @CHECKPOINT")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        model = content.get("model_cfg", content)
        if not all(key in model for key in ("embed_dim", "vision_cfg", "text_cfg")):
            raise ValueError("it lacks embed_dim, vision_cfg or text_cfg")
        preprocess = _preprocess_part(content.get("preprocess_cfg", {}))
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise EncoderError(
            f"the model config {path} cannot be used ({error}); give an open_clip model config"
        ) from error
    return Recipe("", "", model, preprocess, path.parent)


def _preprocess_part(config: Mapping[str, Any]) -> Json:
    """What of a tag's or a hub's config concerns the image, apart from the size, which the model gives."""
    names = ("mean", "std", "interpolation", "resize_mode", "fill_color", "mode")
    return {name: config[name] for name in names if config.get(name) is not None}


def _tags_of(arch: str) -> str:
    from open_clip.pretrained import list_pretrained_tags_by_model

    tags = list_pretrained_tags_by_model(arch)
    return f"its tags are {', '.join(tags)}" if tags else "it has no published weights: add @CHECKPOINT"
