"""Prices of models, from a dated table that users can replace."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, model_validator

from mmad_rag.errors import InputError
from mmad_rag.files import first_problem
from mmad_rag.records import Usage

SHIPPED = Path(__file__).with_name("prices.yaml")
"""Path of the table that is shipped with the library."""

_Usd = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Count = Annotated[int, Field(ge=0)]
_LONG, _SHORT, _TILE = 2048, 768, 512
_PATCH, _MOST_PATCHES = 32, 1536


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Tiles(_Strict):
    """An image costs `base` tokens and `tile` tokens per tile of 512 pixels.

    It is first scaled down to fit 2,048 pixels square, then until its shorter side has 768 pixels (OpenAI,
    guide "Images and vision", section on costs).
    """

    base: _Count
    tile: _Count


class Patches(_Strict):
    """An image costs the number of its patches of 32 pixels, at most 1,536, times `factor` (same guide)."""

    factor: Annotated[float, Field(gt=0, allow_inf_nan=False)]


class ImageTokens(_Strict):
    """The rule for an image's tokens; exactly one of the three fields is set."""

    tiles: Tiles | None = None
    patches: Patches | None = None
    fixed: _Count | None = None

    @model_validator(mode="after")
    def _one(self) -> ImageTokens:
        if sum(way is not None for way in (self.tiles, self.patches, self.fixed)) != 1:
            raise ValueError("give exactly one of tiles, patches and fixed")
        return self

    def tokens(self, width: int, height: int, *, low: bool = False) -> int:
        """Tokens of an image of the given width and height in pixels, each at least 1.

        With `low` detail a model that counts tiles charges the base alone (same guide); for the others no
        such rule is known, and the whole image is counted.
        """
        if self.fixed is not None:
            return self.fixed
        if self.patches is not None:
            patches = min(_MOST_PATCHES, math.ceil(width / _PATCH) * math.ceil(height / _PATCH))
            return math.ceil(patches * self.patches.factor)
        assert self.tiles is not None  # noqa: S101 - `_one` has checked it
        if low:
            return self.tiles.base
        scale = min(1.0, _LONG / max(width, height))
        scale = min(scale, _SHORT / min(width, height))
        tiles = math.ceil(width * scale / _TILE) * math.ceil(height * scale / _TILE)
        return self.tiles.base + self.tiles.tile * tiles


DEFAULT_IMAGES = ImageTokens(tiles=Tiles(base=85, tile=170))
"""The rule for a model whose own rule is not known."""


_IMAGES = AliasChoices("images", "pictures")
"""The field's names: tables with the older name `pictures` are read too."""


class Price(_Strict):
    """The price of a model."""

    model: str
    """Glob that matches the model's identity."""
    input: _Usd
    """US dollars per million tokens of prompts."""
    output: _Usd
    """US dollars per million tokens of replies."""
    as_of: dt.date
    """Date on which this was the price."""
    source: str
    """Source of the price."""
    images: Annotated[ImageTokens, Field(validation_alias=_IMAGES)] = DEFAULT_IMAGES
    """How the model counts images."""

    def cost_of(self, usage: Usage) -> float:
        """Cost of the given numbers of tokens in US dollars."""
        return (self.input * usage.prompt_tokens + self.output * usage.completion_tokens) / 1e6


class _Table(_Strict):
    version: Annotated[int, Field(ge=1, le=1)]
    prices: tuple[Price, ...]


def load_prices(path: Path | None = None) -> tuple[Price, ...]:
    """Read the prices; those of the user's file, if given, come before the shipped ones.

    Raises:
        InputError: the file cannot be read or violates the schema; the message names the place in it.
    """
    own = () if path is None else _read(path)
    return (*own, *_read(SHIPPED))


def price_of(identity: str, prices: Sequence[Price]) -> Price | None:
    """The first price whose glob matches the model's identity; None if none does.

    Example:
        >>> price = price_of("openai:gpt-4o at api.openai.com/v1, temperature=0.0", load_prices())
        >>> (price.input, price.output) if price else None
        (2.5, 10.0)
    """
    return next((price for price in prices if fnmatchcase(identity, price.model)), None)


def _read(path: Path) -> tuple[Price, ...]:
    try:
        return _Table.model_validate(yaml.safe_load(path.read_text(encoding="utf-8"))).prices
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check the path of --prices") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        told = " ".join(str(error).split())
        raise InputError(f"{path} is not a price table ({told}); write it like {SHIPPED}") from error
    except ValidationError as error:
        raise InputError(f"{path}, {first_problem(error)}; write it like {SHIPPED}") from error
