"""Prices: the shipped table, a table of one's own, and tokens of images worked out by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmad_rag.errors import InputError
from mmad_rag.models import ModelOptions, load_model
from mmad_rag.models.dry_run import CountingModel
from mmad_rag.models.prices import (
    DEFAULT_IMAGES,
    SHIPPED,
    ImageTokens,
    Patches,
    load_prices,
    price_of,
)
from mmad_rag.records import Usage

OWN = """
version: 1
prices:
  - {model: "openai:mine*", input: 1, output: 2, as_of: 2025-01-02, source: a contract}
"""


def priced(identity: str, table: Path | None = None) -> tuple[float, float] | None:
    price = price_of(identity, load_prices(table))
    return None if price is None else (price.input, price.output)


@pytest.mark.parametrize(
    ("name", "dollars"),
    [
        ("gpt-4o", (2.5, 10.0)),
        ("gpt-4o-2024-11-20", (2.5, 10.0)),
        ("gpt-4o-2024-05-13", (5.0, 15.0)),
        ("gpt-4o-mini", (0.15, 0.6)),
        ("gpt-4.1", (2.0, 8.0)),
        ("gpt-4.1-mini", (0.4, 1.6)),
        ("gpt-4.1-nano", (0.1, 0.4)),
    ],
)
def test_a_real_models_identity_finds_its_price(name: str, dollars: tuple[float, float]) -> None:
    assert priced(load_model(f"openai:{name}", ModelOptions(api_key="unused")).identity) == dollars


def test_the_same_name_elsewhere_has_no_price() -> None:
    """A gateway or a GPU of one's own charges what it likes."""
    model = load_model("openai:gpt-4o", ModelOptions(base_url="http://127.0.0.1:9/v1", api_key="unused"))
    assert priced(model.identity) is None


def test_built_in_models_cost_nothing() -> None:
    assert priced("builtin:reader") == (0.0, 0.0)


def test_a_price_is_per_million_tokens() -> None:
    """2.50 for a million in, and 10.00 / 10 for a hundred thousand out."""
    price = price_of("openai:gpt-4o at api.openai.com/v1", load_prices())
    assert price is not None
    assert price.cost_of(Usage(1_000_000, 100_000)) == pytest.approx(3.5)


def test_every_shipped_row_is_the_first_that_fits_it() -> None:
    """No row is hidden by one above it."""
    shipped = load_prices()
    for price in shipped:
        assert price_of(price.model.replace("*", ""), shipped) is price


def test_a_table_of_ones_own_stands_before_the_shipped_one(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(OWN.replace("openai:mine*", "openai:gpt-4o at*"))
    assert priced("openai:gpt-4o at api.openai.com/v1", own) == (1.0, 2.0)
    assert priced("openai:gpt-4.1 at api.openai.com/v1", own) == (2.0, 8.0)
    assert load_prices(own)[0].images == DEFAULT_IMAGES


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (OWN.replace("input: 1", "input: -1"), r"prices\.0\.input"),
        (OWN.replace("input: 1", "input: .inf"), r"prices\.0\.input"),
        (OWN.replace("output: 2, ", ""), r"prices\.0\.output"),
        (OWN.replace("source:", "color: red, source:"), r"prices\.0\.color"),
        (OWN.replace("2025-01-02", "soon"), r"prices\.0\.as_of"),
        (OWN.replace("version: 1", "version: 2"), "version"),
        (OWN.replace("source:", "images: {fixed: 1, tiles: {base: 1, tile: 1}}, source:"), "exactly one"),
        (OWN.replace("source:", "images: {}, source:"), "exactly one"),
        ("prices: [", "line 1"),
        ("", "write it like"),
    ],
)
def test_a_broken_table_is_refused_by_place(tmp_path: Path, text: str, told: str) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(text)
    with pytest.raises(InputError, match=told) as caught:
        load_prices(own)
    assert str(own) in str(caught.value)
    assert str(SHIPPED) in str(caught.value)


def test_a_table_that_is_no_text_is_refused(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(InputError, match="is not a price table"):
        load_prices(own)


def test_an_absent_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="check the path of --prices"):
        load_prices(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("size", "tokens"),
    [
        ((512, 512), 85 + 170),
        ((1024, 1024), 85 + 4 * 170),  # to 768 x 768
        ((2048, 4096), 85 + 6 * 170),  # to 1024 x 2048, then to 768 x 1536
        ((513, 1), 85 + 2 * 170),
        ((1, 1), 85 + 170),
    ],
)
def test_pictures_count_by_tiles(size: tuple[int, int], tokens: int) -> None:
    """The first three are OpenAI's own examples or follow them."""
    assert DEFAULT_IMAGES.tokens(*size) == tokens


def test_pictures_count_by_patches_or_as_one_number() -> None:
    """1024 x 1024 has 32 x 32 patches; 4096 x 4096 is over the most, 1,536."""
    patches = ImageTokens(patches=Patches(factor=1.62))
    assert patches.tokens(1024, 1024) == 1659  # 1658.88
    assert patches.tokens(33, 32) == 4  # 2 x 1.62 = 3.24
    assert patches.tokens(4096, 4096) == 2489  # 2488.32
    assert ImageTokens(fixed=7).tokens(4096, 1) == 7


def test_a_counting_model_is_never_taken_for_the_real_one() -> None:
    assert CountingModel("openai:x", len, DEFAULT_IMAGES).identity == "counting/openai:x"
