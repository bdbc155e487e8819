"""`mmad-rag calibrate`: from references or labelled images into the manifest of an index."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mmad_rag.cli.app import app
from mmad_rag.errors import InputError
from mmad_rag.index import KnowledgeIndex
from tests.support.world import COLOURS, PRODUCT, SHAPES, png


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of drawn colours by the shipped encoder, with two references each."""
    root = tmp_path_factory.mktemp("calibrate")
    knowledge = root / "knowledge"
    knowledge.mkdir()
    for product, (colour, shape) in SHAPES.items():
        text = PRODUCT.format(product=product, colour=colour, shape=shape)
        (knowledge / f"{product}.yaml").write_text(text)
        for number in (1, 2):
            path = root / "references" / product / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png(COLOURS[colour], size=48, shade=number))
    index = KnowledgeIndex.build(knowledge, "builtin:tiny", references=root / "references")
    index.save(root / "index")
    KnowledgeIndex.build(knowledge, "builtin:tiny").save(root / "text")
    return root


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def copied(built: Path, tmp_path: Path, name: str = "index") -> Path:
    return Path(shutil.copytree(built / name, tmp_path / "index"))


def test_references_calibrate_an_index_and_its_manifest_keeps_it(built: Path, tmp_path: Path) -> None:
    folder = copied(built, tmp_path)
    assert KnowledgeIndex.load(folder).manifest.calibration is None
    result = run("calibrate", folder)
    assert result.exit_code == 0, result.output
    assert "calibrated on 6 images (leave-one-out), threshold 0.500 at 75% of images known" in result.stdout
    assert "rules of thumb stay there" in result.stderr
    kept = KnowledgeIndex.load(folder).manifest.calibration
    assert kept is not None
    assert kept.method == "leave-one-out"


def test_labelled_pictures_calibrate_too(built: Path, tmp_path: Path) -> None:
    folder = copied(built, tmp_path)
    labelled = tmp_path / "labelled"
    for product, (colour, _) in SHAPES.items():
        for number in (5, 6):
            path = labelled / product / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png(COLOURS[colour], size=48, shade=number))
    (labelled / "unknown").mkdir()
    for number in (7, 8):
        (labelled / "unknown" / f"{number}.png").write_bytes(png((90, 90, 90), size=48, shade=number))
    (labelled / "red_disc" / "train").mkdir()
    (labelled / "red_disc" / "train" / "9.png").write_bytes(png(COLOURS["red"], size=48, shade=9))
    result = run("calibrate", folder, "--images", labelled, "--recall", 0.9, "--known-share", 0.5, "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["calibration"]["method"] == "labelled"
    assert document["calibration"]["pictures"] == 8
    assert document["calibration"]["known_share"] == 0.5
    assert document["fingerprint"] == KnowledgeIndex.load(folder).fingerprint
    assert "1 image(s) left out: templates" in result.stderr


def test_an_index_of_texts_has_nothing_to_calibrate_on(built: Path, tmp_path: Path) -> None:
    result = run("calibrate", copied(built, tmp_path, "text"))
    assert result.exit_code == 1
    assert isinstance(result.exception, InputError)
    assert "too few reference images" in str(result.exception)


def test_a_build_calibrates_by_itself(built: Path, tmp_path: Path) -> None:
    result = run(
        "build-index",
        built / "knowledge",
        "--encoder",
        "builtin:tiny",
        "--references",
        built / "references",
        "--out",
        tmp_path / "index",
    )
    assert result.exit_code == 0, result.output
    assert KnowledgeIndex.load(tmp_path / "index").manifest.calibration is not None


def test_wrong_labels_are_pointed_out_and_what_teaches_nothing_is_refused(
    built: Path, tmp_path: Path
) -> None:
    """The calibration that was there stays when nothing can be learnt."""
    folder = copied(built, tmp_path)
    assert run("calibrate", folder).exit_code == 0
    before = KnowledgeIndex.load(folder).fingerprint
    labelled = tmp_path / "labelled" / "red_disc"
    labelled.mkdir(parents=True)
    for number in range(4):
        (labelled / f"{number}.png").write_bytes(png(COLOURS["blue"], size=48, shade=number + 10))
    result = run("calibrate", folder, "--images", labelled.parent)
    assert result.exit_code == 1
    assert "nothing can be learnt from the 4 labelled images" in str(result.exception)
    assert "0 of 4 labelled images rank their own product first" in result.stderr
    assert "many do not (red_disc taken for blue_bar" in result.stderr
    assert KnowledgeIndex.load(folder).fingerprint == before


def test_a_calibration_outlives_a_build_of_the_same_contents_and_its_loss_is_named(
    built: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "index"
    build = ("build-index", built / "knowledge", "--encoder", "builtin:tiny", "--out", folder, "--references")
    assert run(*build, built / "references").exit_code == 0
    assert run("calibrate", folder, "--recall", 0.9).exit_code == 0
    kept = KnowledgeIndex.load(folder).manifest.calibration
    assert run(*build, built / "references").exit_code == 0
    assert KnowledgeIndex.load(folder).manifest.calibration == kept
    result = run("index", "remove", folder, "red_disc")
    assert result.exit_code == 0, result.output
    assert "the calibration (leave-one-out, threshold" in result.stderr
    after = KnowledgeIndex.load(folder).manifest.calibration
    assert after is not None
    assert after.threshold == 0.5
    assert run("calibrate", folder, "--recall", 0.9).exit_code == 0
    assert "does not fit the changed index" in run(*build, built / "references").stderr
