"""The calibration of a manifest: kept by a save, part of the fingerprint, and dropped by every change."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from pydantic import ValidationError

from mmad_rag.encoders.protocol import Encoder
from mmad_rag.index import KnowledgeIndex, Manifest
from mmad_rag.index.folder.write import update_index
from mmad_rag.index.manifest import Calibration, Logistic, ReferenceScale
from tests.index.index_calibration import CALIBRATION, with_it
from tests.support.world import World, png


@pytest.fixture(scope="module")
def calibrated(index: KnowledgeIndex) -> KnowledgeIndex:
    return with_it(index)


def test_a_probability_is_worked_out_from_the_weighted_numbers() -> None:
    """Also far out, where a naive exponential overflows; other counts of numbers are refused."""
    logistic = Logistic(weights=(8.0, 2.0), bias=-5.0)
    assert logistic.probability([0.5, 0.5]) == 0.5
    assert logistic.probability([0.5, 1.0]) == pytest.approx(math.e / (1 + math.e))
    assert logistic.probability([1e6, 0.0]) == pytest.approx(1.0)
    assert 0.0 < logistic.probability([-1e6, 0.0]) < 1e-20
    with pytest.raises(ValueError, match="zip"):
        logistic.probability([0.5])


def test_a_manifest_with_a_calibration_comes_back_as_it_was(calibrated: KnowledgeIndex) -> None:
    manifest = calibrated.manifest
    assert json.loads(manifest.to_json())["calibration"] == {
        "method": "labelled",
        "pictures": 12,
        "known_share": 0.75,
        "reference": {"weights": [8.0, 2.0], "bias": -5.0},
        "both": {"weights": [4.0, 2.0, 0.5], "bias": -3.25},
        "text": None,
        "references": {
            "level": 0.25,
            "spread": 0.125,
            "convincing": 0.75,
            "convincing_spread": 0.0625,
        },
        "tie_scale": 0.125,
        "threshold": 0.5,
    }
    again = Manifest.from_json(manifest.to_json())
    assert again == manifest
    assert again.calibration == CALIBRATION
    assert again.digest == manifest.digest


def test_a_saved_calibration_is_loaded(index: KnowledgeIndex, tmp_path: Path) -> None:
    """Also one that is put into an index that is there; its files stay as they are."""
    folder = tmp_path / "i"
    index.save(folder)
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.*.*")}
    update_index(folder, with_it)
    loaded = KnowledgeIndex.load(folder)
    assert loaded.manifest.calibration == CALIBRATION
    assert loaded.manifest == with_it(index).manifest
    assert {path.name: path.stat().st_mtime_ns for path in folder.glob("*.*.*")} == before
    index.save(folder)
    assert KnowledgeIndex.load(folder).manifest.calibration is None


def test_an_absent_calibration_and_none_are_the_same(index: KnowledgeIndex) -> None:
    document = json.loads(index.manifest.to_json())
    assert document.pop("calibration") is None
    assert Manifest.from_json(json.dumps(document).encode()) == index.manifest


def test_every_value_of_a_calibration_changes_fingerprint_and_digest(calibrated: KnowledgeIndex) -> None:
    changes: tuple[Mapping[str, object], ...] = (
        {},
        {"method": "leave-one-out"},
        {"images": 13},
        {"known_share": 0.5},
        {"reference": None},
        {"reference": Logistic(weights=(8.0, 2.5), bias=-5.0)},
        {"both": Logistic(weights=(4.0, 2.0, 0.5), bias=-3.5)},
        {"text": Logistic(weights=(1.0, 1.0), bias=0.0)},
        {"tie_scale": 0.25},
        {"references": ReferenceScale(level=0.26, spread=0.125, convincing=0.75, convincing_spread=0.0625)},
        {"threshold": 0.75},
    )
    manifests = [calibrated.manifest.model_copy(update={"calibration": None})] + [
        calibrated.manifest.model_copy(update={"calibration": CALIBRATION.model_copy(update=change)})
        for change in changes
    ]
    assert manifests[1] == calibrated.manifest
    assert len({manifest.fingerprint for manifest in manifests}) == 12
    assert len({manifest.digest for manifest in manifests}) == 12


Change = Callable[[KnowledgeIndex, World, Encoder, Path], KnowledgeIndex]

CHANGES: dict[str, Change] = {
    "add a product": lambda index, world, encoder, _: index.add(world.knowledge, encoder),
    "remove a product": lambda index, *_: index.remove("red_disc"),
    "rename a product": lambda index, *_: index.rename("red_disc", "red_ring"),
    "add references": lambda index, _, encoder, new: index.add_references("red_disc", [new], encoder),
    "add references of a defect": lambda index, _, encoder, new: index.add_references(
        "red_disc", [new], encoder, entry="crack"
    ),
    "remove references": lambda index, *_: index.remove_references("red_disc"),
    "remove one reference": lambda index, *_: index.remove_references(
        "red_disc", [item.digest for item in index.references if item.product == "red_disc"][:1]
    ),
    "build again": lambda index, world, encoder, _: KnowledgeIndex.build(
        world.knowledge, encoder, text_encoder=encoder, references=world.references, reuse=index
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_change_of_an_index_drops_the_calibration(
    change: Change, world: World, encoder: Encoder, index: KnowledgeIndex, calibrated: KnowledgeIndex,
    tmp_path: Path,
) -> None:  # fmt: skip
    """It was fitted on what the index held before; the rest is as if there had been none."""
    new = tmp_path / "new.png"
    new.write_bytes(png((200, 60, 60)))
    changed = change(calibrated, world, encoder, new)
    assert calibrated.manifest.calibration == CALIBRATION
    assert changed.manifest.calibration is None
    assert changed.manifest == change(index, world, encoder, new).manifest


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"method": "guessed"}, "calibration.method: Input should be 'leave-one-out' or 'labelled'"),
        ({"pictures": -1}, "calibration.pictures: Input should be greater than or equal to 0"),
        ({"known_share": 1.0}, "calibration.known_share: Input should be less than 1"),
        ({"tie_scale": 0.0}, "calibration.tie_scale: Input should be greater than 0"),
        ({"threshold": 1.5}, "calibration.threshold: Input should be less than or equal to 1"),
        ({"threshold": math.nan}, "calibration.threshold: Input should be"),
        ({"tie_scale": math.inf}, "calibration.tie_scale: Input should be a finite number"),
        ({"text": {"weights": [1.0, math.nan], "bias": 0.0}}, "calibration.text.weights.1: Input should be"),
        ({"text": {"weights": [1.0, 1.0], "bias": -math.inf}}, "calibration.text.bias: Input should be"),
        ({"text": {"weights": [1.0], "bias": 0.0}}, "text has 1 weight(s), not 2"),
        ({"reference": {"weights": [1.0] * 3, "bias": 0.0}}, "reference has 3 weight(s), not 2"),
        ({"both": {"weights": [1.0] * 2, "bias": 0.0}}, "both has 2 weight(s), not 3"),
        ({"surprise": 1}, "calibration.surprise: Extra inputs are not permitted"),
    ],
)
def test_a_forged_calibration_is_refused(
    calibrated: KnowledgeIndex, change: Mapping[str, object], words: str
) -> None:
    """It would give no probabilities, or end a query with an error."""
    document = json.loads(calibrated.manifest.to_json())
    document["calibration"] |= change
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the words follow
        Manifest.from_json(json.dumps(document).encode())
    assert words in str(caught.value)
    with pytest.raises(ValidationError):
        Calibration.model_validate_json(json.dumps(document["calibration"]))
