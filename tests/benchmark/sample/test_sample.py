"""The sample's folder: MMAD's layout, determinism, and what is refused or replaced."""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmad_rag.benchmark.sample import (
    SAMPLE_VERSION,
    UNKNOWN_PRODUCTS,
    SampleSummary,
    image_rng,
    render_sample,
)
from mmad_rag.errors import DataError
from tests.support.sample_world import files_of, find, render_small


def test_the_layout_is_that_of_mmad(tmp_path: Path) -> None:
    summary = render_small(tmp_path / "s")
    found = set(files_of(tmp_path / "s"))
    expected = {"mmad.json", "sample.json", "SHA256SUMS"}
    expected |= {f"unknown/{product.name}/000.png" for product in UNKNOWN_PRODUCTS}
    for name, labels in (("bottle", 3), ("capsule", 4)):
        expected |= {f"MVTec-AD/{name}/train/good/{n:03d}.png" for n in range(2)}
        expected |= {f"DS-MVTec/{name}/image/good/{n:03d}.png" for n in range(labels)}
        for label in find(name).labels[1:]:
            expected.add(f"DS-MVTec/{name}/image/{label}/000.png")
            expected.add(f"DS-MVTec/{name}/rbg_mask/{label}/000_rbg_mask.png")
    expected |= {f"VisA/candle/train/good/{n:04d}.JPG" for n in (100, 101)}
    expected |= {f"VisA/candle/test/good/{n:04d}.JPG" for n in range(4)}
    expected |= {f"VisA/candle/test/bad/{n:03d}.JPG" for n in range(4)}
    expected |= {f"VisA/candle/ground_truth/bad/{n:03d}.png" for n in range(4)}
    assert found == expected
    assert (summary.products, summary.good, summary.defective) == (3, 11, 11)
    assert (summary.templates, summary.unknown, summary.questions) == (6, 5, 110)
    assert summary.images == 33


def test_the_most_similar_template_comes_first(tmp_path: Path) -> None:
    """By the mean squared difference of thumbnails, worked out here once more."""
    render_small(tmp_path, templates=5)
    records = json.loads((tmp_path / "mmad.json").read_text(encoding="utf-8"))

    def thumbnail(path: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        image = Image.open(tmp_path / path).convert("RGB").resize((16, 16), Image.Resampling.BOX)
        return np.asarray(image, dtype=np.float64)

    path = "DS-MVTec/capsule/image/crack/000.png"
    distances = [
        float(((thumbnail(path) - thumbnail(template)) ** 2).mean())
        for template in records[path]["similar_templates"]
    ]
    assert distances == sorted(distances)
    assert len(distances) == 5


def test_the_sample_describes_itself(tmp_path: Path) -> None:
    summary = render_small(tmp_path)
    about = json.loads((tmp_path / "sample.json").read_text(encoding="utf-8"))
    counts = about.pop("counts")
    assert about.pop("note")
    assert about == {
        "name": "mmad_rag sample",
        "version": SAMPLE_VERSION,
        "seed": 0,
        "size": 48,
        "licence": "CC0-1.0",
        "complete": True,
    }
    assert counts["good"] == counts["defective"] == 11
    digest = hashlib.sha256((tmp_path / "mmad.json").read_bytes()).hexdigest()
    assert counts["mmad_sha256"] == summary.mmad_sha256 == digest


def test_the_list_of_files_is_complete_and_right(tmp_path: Path) -> None:
    render_small(tmp_path)
    found = files_of(tmp_path)
    del found["SHA256SUMS"]
    expected = [f"{hashlib.sha256(data).hexdigest()}  {name}" for name, data in sorted(found.items())]
    assert (tmp_path / "SHA256SUMS").read_text(encoding="utf-8").splitlines() == expected


@pytest.mark.slow
def test_equal_arguments_give_equal_bytes_and_another_seed_gives_others(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        render_small(tmp_path / name, seed=seed)
    one, again, other = (files_of(tmp_path / name) for name in "abc")
    assert one == again
    assert one.keys() == other.keys()
    same = {name for name in one if one[name] == other[name] and "mask" not in name and "truth" not in name}
    assert same == set()


def test_pictures_do_not_depend_on_what_else_is_rendered(tmp_path: Path) -> None:
    render_small(tmp_path / "three")
    render_sample(
        tmp_path / "one", size=48, per_defect=2, templates=3, unknown=0, products=["candle", "candle"]
    )
    three, one = files_of(tmp_path / "three"), files_of(tmp_path / "one")
    shared = {name for name in three if name.startswith("VisA/candle/t") and "/bad/" not in name}
    assert len(shared) == 6
    assert all(three[name] == one[name] for name in shared)


def test_every_picture_has_a_generator_of_its_own() -> None:
    arguments = [(0, "bottle", "image/good", 0), (1, "bottle", "image/good", 0), (0, "tile", "image/good", 0)]
    arguments += [(0, "bottle", "train/good", 0), (0, "bottle", "image/good", 1)]
    assert len({int(image_rng(*each).integers(2**62)) for each in arguments}) == 5


def test_progress_is_told_after_each_picture(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    render_sample(
        tmp_path,
        size=48,
        per_defect=1,
        templates=1,
        unknown=0,
        products=["pill"],
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(done, 9) for done in range(1, 10)]


def test_a_folder_with_anything_else_in_it_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    for about in ("", "[]", '{"name": "another"}', '{"no": 1}'):
        (tmp_path / "sample.json").write_text(about, encoding="utf-8")
        with pytest.raises(DataError, match="is not empty and holds no earlier sample"):
            render_small(tmp_path)
        assert set(files_of(tmp_path)) == {"thesis.txt", "sample.json"}


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match="is a file; name a folder"):
        render_small(tmp_path / "s")


@pytest.mark.parametrize("place", ["file/s", "loop"])
def test_a_place_that_cannot_be_written_is_one_message(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(DataError, match=rf"cannot be written to .*{place} \(.+\); mend that or name another"):
        render_small(tmp_path / place)


def test_a_disk_that_fills_up_half_way_is_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Path] = []

    def full(path: Path, _data: bytes) -> int:
        written.append(path)
        if len(written) > 9:
            raise OSError(errno.ENOSPC, "No space left on device")
        return 0

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DataError, match=r"cannot be written to .*/s \(No space left on device\)"):
        render_small(tmp_path / "s")


@pytest.mark.slow
def test_an_earlier_sample_is_replaced_and_other_files_stay(tmp_path: Path) -> None:
    """What the earlier sample held and the new one does not is gone; a file of the user's is kept."""
    render_small(tmp_path / "s", templates=4)
    (tmp_path / "s" / "notes.txt").write_text("mine", encoding="utf-8")
    render_small(tmp_path / "s")
    render_small(tmp_path / "fresh")
    assert files_of(tmp_path / "s") == files_of(tmp_path / "fresh") | {"notes.txt": b"mine"}


@pytest.mark.slow
def test_an_interrupted_sample_says_so_and_can_be_replaced(tmp_path: Path) -> None:
    def stop(done: int, _total: int) -> None:
        if done == 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render_sample(tmp_path / "s", size=48, progress=stop)
    assert json.loads((tmp_path / "s" / "sample.json").read_text(encoding="utf-8"))["complete"] is False
    render_small(tmp_path / "s")
    render_small(tmp_path / "fresh")
    assert files_of(tmp_path / "s") == files_of(tmp_path / "fresh")


@pytest.mark.slow
def test_a_list_of_files_cannot_reach_outside_its_folder(tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("mine", encoding="utf-8")
    render_small(tmp_path / "s")
    with (tmp_path / "s" / "SHA256SUMS").open("a", encoding="utf-8") as sums:
        sums.write(f"00  ../outside.txt\n00  {outside}\n")
    render_small(tmp_path / "s")
    assert outside.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"per_defect": 0}, "one image per defect"),
        ({"templates": 0}, "one template per product"),
        ({"unknown": -1}, "at least one product"),
        ({"products": []}, "at least one product"),
        ({"products": ["gear"]}, "gear is outside the catalogue"),
        ({"products": ["teapot"]}, "draws no product 'teapot'"),
    ],
)
def test_arguments_out_of_range_are_refused_before_anything_is_written(
    tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    render: Callable[..., SampleSummary] = render_sample
    with pytest.raises(DataError, match=words):
        render(tmp_path / "s", **changes)
    assert not (tmp_path / "s").exists()
