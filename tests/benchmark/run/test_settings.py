"""The protocol of a run as one record: what it refuses, what it selects, and where it is written down."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path
from typing import Any

import pytest

from mmad_rag.benchmark.data.errata import ERRATA
from mmad_rag.benchmark.data.mmad import TemplateKind, load_questions
from mmad_rag.benchmark.data.selection import select
from mmad_rag.benchmark.run.records import RunHeader
from mmad_rag.benchmark.run.run_arms import run_arms
from mmad_rag.benchmark.run.settings import RunSettings
from mmad_rag.errors import DataError, InputError, SpecError
from tests.support.bench import arm_of, make_benchmark, scripted

CHANGED = RunSettings(
    only=("red_disc",),
    limit=7,
    seed=3,
    errata=("transistor-misplaced", "bottle-broken-large-016"),
    images=True,
    wording="mmad",
    shots=1,
    templates=TemplateKind.SIMILAR,
    shuffle_options=5,
    image_size=9,
    circular=2,
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_benchmark(tmp_path / "data")


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        ({"shots": -1}, DataError, "cannot have -1 shots"),
        ({"circular": -1}, DataError, "-1 circular questions; give 0 or more"),
        ({"images": False, "shots": 2}, DataError, "without images cannot show 2 example images"),
        ({"image_size": 0}, DataError, "scaled down to 0 pixels; give 1 or more"),
        ({"limit": 0}, DataError, "a limit of 0 leaves no question"),
        ({"wording": "rude"}, SpecError, "no wording 'rude'; choose one of default, mmad"),
        ({"templates": "nearest"}, SpecError, "no templates 'nearest'; choose one of random, similar"),
        ({"errata": ("typo",)}, DataError, "no erratum 'typo'; choose one of pill-good-metal-nut"),
    ],
)
def test_what_no_run_can_have_is_refused_at_once(
    given: dict[str, Any], kind: type[InputError], message: str
) -> None:
    with pytest.raises(kind, match=message):
        RunSettings(**given)


def test_lists_and_single_names_become_tuples_so_that_equal_settings_are_equal() -> None:
    assert RunSettings(only="bottle").only == ("bottle",)
    assert RunSettings(only=["a", "b"]) == RunSettings(only=("a", "b"))
    assert RunSettings(errata="transistor-misplaced").errata == ("transistor-misplaced",)
    assert RunSettings(templates="similar").templates is TemplateKind.SIMILAR  # type: ignore[arg-type]
    assert len({RunSettings(), RunSettings(only=[]), RunSettings(shots=1)}) == 2


def test_the_seed_counts_only_where_something_is_drawn() -> None:
    assert (RunSettings(seed=4).sample_seed, RunSettings(seed=4).circular_seed) == (None, 0)
    drawn = RunSettings(seed=4, limit=9, circular=2)
    assert (drawn.sample_seed, drawn.circular_seed) == (4, 4)


def test_settings_select_what_select_does(data: Path) -> None:
    benchmark = load_questions(data)
    chosen = RunSettings(only="red_disc", limit=7, seed=3).select(benchmark)
    assert chosen == select(benchmark, only="red_disc", limit=7, seed=3)
    (data / benchmark.questions[0].image_path).unlink()
    seen, unseen = (RunSettings(images=images).select(load_questions(data)) for images in (True, False))
    assert (seen.missing_questions, unseen.missing_questions) == (3, 0)
    assert len(unseen.questions) == len(seen.questions) + 3 == len(benchmark.questions)


def test_every_setting_is_in_the_header_or_is_what_selected_the_questions(data: Path, tmp_path: Path) -> None:
    """A setting that changes how questions are asked and is not written down would let runs be mixed."""
    result = asyncio.run(
        run_arms(load_questions(data), [arm_of(scripted("A"))], out=tmp_path / "out", settings=CHANGED)
    )
    settings = {item.name for item in dataclasses.fields(RunSettings)}
    header = {item.name for item in dataclasses.fields(RunHeader)}
    assert settings - header == {"only", "limit", "seed"}
    plain = RunSettings()
    for name in settings & header - {"images", "errata"}:
        assert getattr(result.header, name) == getattr(CHANGED, name) != getattr(plain, name)
    assert (result.header.images, result.header.errata) == (True, tuple(sorted(CHANGED.errata)))
    assert (result.header.sample_seed, result.header.circular_seed) == (3, 3)
    assert (result.header.questions, type(result.header.templates)) == (7, str)


def test_errata_are_left_out_once_however_they_are_given(tmp_path: Path) -> None:
    from mmad_rag.benchmark.data.errata import apply_errata

    benchmark = load_questions(make_benchmark(tmp_path / "data"))
    name = next(iter(ERRATA))
    settings = RunSettings(errata=(name,))
    for given in (benchmark, apply_errata(benchmark, [name])):
        result = asyncio.run(
            run_arms(given, [arm_of(scripted("A"))], out=tmp_path / "out", settings=settings)
        )
        assert result.header.errata == (name,)


def test_a_run_needs_somebody_to_ask(data: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a concurrency of 0; give 1 or more"):
        asyncio.run(run_arms(load_questions(data), [], out=tmp_path / "out", concurrency=0))
