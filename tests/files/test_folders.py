"""One walk over folders: what is passed over, what is followed, the order, and how names compare."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmad_rag.encoders.protocol import Encoder
from mmad_rag.errors import InputError, KnowledgeError
from mmad_rag.folders import entries_in, files_below, files_in, find_name, is_passed_over, links_below
from mmad_rag.index import KnowledgeIndex
from mmad_rag.index.build.defect_references import find_defect_references
from mmad_rag.index.build.references import find_references
from mmad_rag.knowledge import load_knowledge
from mmad_rag.knowledge.images import measure_images
from mmad_rag.knowledge.lint import lint
from mmad_rag.retrieval_eval.images import find_images
from tests.support.shared import SHARED
from tests.support.world import COLOURS, PRODUCT, World, png

CASES = SHARED / "cases"
SYSTEM = (
    "._000.png", ".DS_Store", ".ipynb_checkpoints/000-checkpoint.png", "@eaDir/000.png/SYNOPHOTO_THUMB_M.jpg",
    "__MACOSX/._000.png", "__macosx/000.png", "Thumbs.db", "thumbs.DB", "desktop.ini", "Desktop.ini",
    "$RECYCLE.BIN/000.png", "#recycle/000.png", "@Recycle/000.png", "lost+found/000.png", "#snapshot/1/0.png",
    "System Volume Information/000.png", ".Trash-1000/files/000.png", "FOUND.000/000.png", "~$000.png",
    ".@__thumb/000.png", "000.png@SynoEAStream", "Network Trash Folder/000.png", ".git/0.png",
    ".AppleDouble/0.png",
    "Temporary Items/000.png", "RECYCLER/000.png", "@Recently-Snapshot/000.png", "a.png:Zone.Identifier",
)  # fmt: skip
"""Entries that systems leave behind, each as a path that looks like an image where it can."""


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(COLOURS["red"], shade=len(name) % 40))
    return folder


def below(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in files_below(folder)]


def odd_entries(folder: Path) -> None:
    """A socket, a pipe, a link to nowhere, a link in a circle, and a folder that is named like a file."""
    os.mkfifo(folder / "pipe.png")
    (folder / "nowhere.png").symlink_to(folder / "gone.png")
    (folder / "circle.png").symlink_to("circle.png")
    (folder / "device.png").symlink_to("/dev/zero")
    (folder / "folder.png").mkdir()
    where = Path.cwd()
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(folder)  # a socket's path is short
        server.bind("socket.png")
        os.chdir(where)


@pytest.mark.parametrize("name", SYSTEM)
def test_what_a_system_leaves_behind_is_passed_over(tmp_path: Path, name: str) -> None:
    fill(tmp_path, "a/000.png", f"a/{name}", name)
    assert below(tmp_path) == ["a/000.png"]
    assert [path.name for path in files_in(tmp_path / "a")] == ["000.png"]
    assert [path.name for path in entries_in(tmp_path)] == ["a"]


def test_the_name_of_the_folder_itself_may_be_anything(tmp_path: Path) -> None:
    assert below(fill(tmp_path / ".cache" / "@eaDir", "000.png")) == ["000.png"]


@pytest.mark.parametrize(
    "name", ["tmp", "recycle", "thumbs", "a@b.png", "#3.png", "$5.png", "foundation", "lost"]
)
def test_ordinary_names_are_kept(name: str) -> None:
    assert not is_passed_over(name)


def test_what_is_no_plain_file_is_passed_over_and_never_waited_for(tmp_path: Path) -> None:
    fill(tmp_path, "000.png")
    odd_entries(tmp_path)
    assert below(tmp_path) == ["000.png"]


def test_links_are_followed_and_loops_are_not(tmp_path: Path) -> None:
    fill(tmp_path / "store", "bottle/good/0.png", "lone.png")
    data = tmp_path / "data"
    data.mkdir()
    (data / "MVTec-AD").symlink_to(tmp_path / "store", target_is_directory=True)
    (data / "file.png").symlink_to(tmp_path / "store" / "lone.png")
    (tmp_path / "store" / "bottle" / "up").symlink_to(tmp_path / "store", target_is_directory=True)
    (tmp_path / "store" / "bottle" / "self").symlink_to(".", target_is_directory=True)
    (data / "all").symlink_to("/", target_is_directory=True)
    expected = ["MVTec-AD/bottle/good/0.png", "MVTec-AD/lone.png", "file.png"]
    assert below(data) == expected
    assert [path.relative_to(data).as_posix() for path in links_below(data)] == [
        "MVTec-AD",
        "all",
        "file.png",
    ]
    twice = tmp_path / "twice"
    twice.mkdir()
    for name in "ab":
        (twice / name).symlink_to(tmp_path / "store" / "bottle", target_is_directory=True)
    # each branch ends at its loop; `up` leads to the folder above, which is not yet in the branch
    assert [name for name in below(twice) if name.count("/") == 2] == ["a/good/0.png", "b/good/0.png"]


@pytest.mark.slow
def test_links_that_multiply_are_refused(tmp_path: Path) -> None:
    """Nine folders with links to all others would have a million paths."""
    for one in range(9):
        (tmp_path / "store" / str(one)).mkdir(parents=True)
        for other in range(9):
            (tmp_path / "store" / str(one) / f"to{other}").symlink_to(tmp_path / "store" / str(other))
    with pytest.raises(InputError, match=r"along more than 100 paths.*remove links"):
        list(files_below(tmp_path / "store"))


@pytest.mark.slow
def test_folders_may_be_nested_deeper_than_functions(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(1200):
        deep = deep / "d"
        deep.mkdir()
    (deep / "0").write_bytes(b"")
    try:
        assert len(below(tmp_path)[0]) == 2401
        assert list(links_below(tmp_path)) == []
    finally:  # pytest's own cleaning is a function that calls itself
        (deep / "0").unlink()
        while deep != tmp_path:
            deep.rmdir()
            deep = deep.parent


def test_a_folder_that_cannot_be_read_is_our_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, "a/000.png", "b/000.png")
    read = Path.iterdir

    def closed(self: Path) -> object:
        if self.name == "b":
            raise PermissionError(13, "Permission denied", str(self))
        return read(self)

    monkeypatch.setattr(Path, "iterdir", closed)
    with pytest.raises(InputError, match=r"/b cannot be read \(Permission denied\); make it readable"):
        list(files_below(tmp_path))
    with pytest.raises(InputError, match="cannot be read"):
        find_references(tmp_path, {"a"})
    with pytest.raises(KnowledgeError, match="cannot be read"):
        load_knowledge(tmp_path / "b")
    with pytest.raises(InputError, match="cannot be read"):
        files_in(tmp_path / "gone")


_NAMES = st.sets(st.from_regex(r"[a-cA-C_é]{1,3}(\.png)?", fullmatch=True), min_size=1, max_size=6)


@given(names=_NAMES, order=st.randoms())
def test_the_order_is_that_of_the_paths_whatever_the_file_system_says(
    tmp_path_factory: pytest.TempPathFactory, names: set[str], order: object
) -> None:
    folder = tmp_path_factory.mktemp("walk")
    fill(folder, *(f"{name}/{other}" for name in names for other in names))
    found = below(folder)
    assert found == sorted(found, key=lambda name: name.split("/"))
    assert len(found) == len(names) ** 2
    read = Path.iterdir
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "iterdir", lambda self: iter(sorted(read(self), reverse=True)))
        assert below(folder) == found


def test_a_name_in_other_capitals_is_found_and_the_exact_one_first() -> None:
    assert find_name("BOTTLE", ["cable", "bottle"]) == "bottle"
    assert find_name("Bottle", ["bottle", "Bottle"]) == "Bottle"
    assert find_name("Éclair", ["e\u0301clair"]) == "e\u0301clair"
    assert find_name("nut", ["bottle"]) is None


# --- every walk


def test_references_are_found_through_links_capitals_and_clutter(world: World, tmp_path: Path) -> None:
    store = fill(tmp_path / "store", "Red_Disc/OK/0.JPG", "red_disc/Train/Good/1.Png", "BLUE_BAR/2.PNG")
    for name in SYSTEM:
        fill(store / "red_disc" / "Train" / "Good", name)
    odd_entries(store / "red_disc" / "Train" / "Good")
    data = tmp_path / "data"
    data.symlink_to(store, target_is_directory=True)
    found = find_references(data, {"red_disc", "blue_bar"})
    assert [(item.product, item.path.relative_to(data).as_posix()) for item in found.references] == [
        ("blue_bar", "BLUE_BAR/2.PNG"),
        ("red_disc", "red_disc/Train/Good/1.Png"),
    ]
    assert found.skipped == 1  # the normal image beside those for training


def test_defect_references_are_found_in_any_capitals(world: World, tmp_path: Path) -> None:
    fill(tmp_path, "Red_Disc/Test/Crack/0.JPG", "red_disc/Ground_Truth/crack/0.png", "red_disc/crack/._0.png")
    found = find_defect_references(tmp_path, load_knowledge(world.knowledge).products)
    assert [(item.product, item.entry, item.path.name) for item in found.references] == [
        ("red_disc", "crack", "0.JPG")
    ]
    assert (found.ambiguous, found.skipped) == (0, 1)


def test_labelled_images_are_found_through_links_and_capitals(tmp_path: Path) -> None:
    store = fill(tmp_path / "store", "Bottle/Test/OK/0.PNG", "bottle/TRAIN/good/01.png", "Unknown/x/012.png")
    fill(store / "bottle", *SYSTEM)
    odd_entries(store / "bottle")
    data = tmp_path / "data"
    data.mkdir()
    for name in ("Bottle", "bottle", "Unknown"):
        (data / name).symlink_to(store / name, target_is_directory=True)
    found = find_images(data, ("bottle",))
    assert [(image.name, image.product) for image in found.images] == [
        ("Bottle/Test/OK/0.PNG", "bottle"),
        ("Unknown/x/012.png", None),
    ]
    assert {reason.name: names for reason, names in found.left_out.items()} == {
        "TEMPLATE": ("bottle/TRAIN/good/01.png",)
    }


def test_knowledge_files_in_capitals_are_read_and_clutter_is_not(world: World, tmp_path: Path) -> None:
    (tmp_path / "Red_Disc.YAML").write_text(PRODUCT.format(product="red_disc", colour="red", shape="disc"))
    for name in ("._red_disc.yaml", ".draft.yaml", "@eaDir/red_disc.yaml", ".ipynb_checkpoints/x.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"\x00\x05\x16\x07")
    (tmp_path / "gone.yaml").symlink_to(tmp_path / "nowhere.yaml")
    (tmp_path / "folder.yaml").mkdir()
    os.mkfifo(tmp_path / "pipe.yaml")
    assert [product.product for product in load_knowledge(tmp_path).products] == ["red_disc"]
    assert lint(tmp_path).problems == ()
    shutil.copy(tmp_path / "Red_Disc.YAML", tmp_path / "red_disc.yaml")
    messages = [problem.message for problem in lint(tmp_path).problems]
    assert "Red_Disc.YAML is a file of the same product; keep one of the two" in messages


def test_knowledge_new_measures_plain_images_only(tmp_path: Path) -> None:
    fill(tmp_path, "0.PNG", *SYSTEM)
    odd_entries(tmp_path)
    assert [path.name for path in measure_images(tmp_path).paths] == ["0.PNG"]


@pytest.mark.skipif(not CASES.is_dir(), reason=f"the inputs that failed are not at {CASES}")
@pytest.mark.shared
def test_the_files_that_failed_are_read_and_passed_over(encoder: Encoder, tmp_path: Path) -> None:
    case = CASES / "19_case_of_names"
    assert [product.product for product in load_knowledge(case / "knowledge").products] == ["widget"]
    assert len(find_references(case / "refs", {"bottle"}).references) == 1
    for sidecar in (CASES / "11_sidecar_files").iterdir():
        shutil.copy(sidecar, tmp_path / sidecar.name)
    shutil.copy(case / "knowledge" / "widget.YAML", tmp_path / "widget.yaml")
    fill(tmp_path / "refs", "widget/OK/0.png")
    shutil.copy(tmp_path / "._000.png", tmp_path / "refs" / "widget" / "OK" / "._000.png")
    index = KnowledgeIndex.build(tmp_path, encoder, references=tmp_path / "refs", text_encoder="words")
    assert {item.name for item in index.references} == {"0.png"}
