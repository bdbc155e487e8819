"""Checking a data folder: what is missing, damaged or doubtful is found by name."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from mmad_rag.benchmark.dataset.file_hash import HashedFile, HashKind
from mmad_rag.benchmark.dataset.findings import MUST_ACT, DataReport, FindingKind
from mmad_rag.benchmark.dataset.manifest import MANIFEST, DataManifest, data_lock, write_manifest
from mmad_rag.benchmark.dataset.verify import verify_data
from mmad_rag.errors import DataError
from tests.support.bench import YES_NO, entry, make_benchmark, qa
from tests.support.running import Cli
from tests.support.shared import MMAD, needs_shared

IMAGE = "DS-MVTec/red_disc/image/bad/000.png"
OTHER = "DS-MVTec/red_disc/image/bad/001.png"
TEMPLATE = "MVTec-AD/red_disc/train/good/000.png"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A whole data folder with `hashes.json`."""
    root = make_benchmark(tmp_path / "data")
    sign(root)
    return root


def sign(root: Path) -> None:
    """Write `hashes.json`: images by SHA-256, other files by git's hash, as a hub does."""
    files = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_file() and name != MANIFEST and not name.startswith("."):
            bytes_ = path.read_bytes()
            blob = hashlib.sha1(b"blob %d\0" % len(bytes_) + bytes_, usedforsecurity=False).hexdigest()
            image = HashedFile(name, len(bytes_), HashKind.SHA256, hashlib.sha256(bytes_).hexdigest())
            other = HashedFile(name, len(bytes_), HashKind.GIT_BLOB, blob)
            files[name] = image if name.endswith(".png") else other
    with data_lock(root):
        write_manifest(root, DataManifest("owner/name", "a" * 40, files))


def names(report: DataReport) -> list[tuple[FindingKind, str]]:
    return [(finding.kind, finding.name) for finding in report.findings]


def change(root: Path, path: str, **record: object) -> None:
    records: dict[str, Any] = json.loads((root / "mmad.json").read_text())
    records[path] |= record
    (root / "mmad.json").write_text(json.dumps(records))
    sign(root)


def test_a_whole_folder_has_no_findings(data: Path) -> None:
    told: list[tuple[int, int]] = []
    report = verify_data(data, progress=lambda done, total: told.append((done, total)))
    # 3 products with 2 normal and 2 defective images of 3 questions each, and 2 templates; mmad.json
    assert (report.questions, report.images, report.opened, report.hashed) == (36, 12, 18, 19)
    assert (report.dataset, report.revision) == ("owner/name", "a" * 40)
    assert (report.findings, report.unused, report.must_act) == ((), (), False)
    assert told[-1] == (19, 19)


def test_without_hashes_that_is_said(data: Path) -> None:
    (data / MANIFEST).unlink()
    report = verify_data(data)
    assert names(report) == [(FindingKind.NO_HASHES, MANIFEST)]
    assert (report.hashed, report.must_act, report.revision) == (0, False, None)


def test_a_missing_picture_is_named(data: Path) -> None:
    (data / IMAGE).unlink()
    report = verify_data(data)
    assert names(report) == [(FindingKind.MISSING_IMAGE, IMAGE)]
    assert report.must_act


def test_a_missing_template_is_a_note_unless_it_was_to_be_downloaded(data: Path) -> None:
    (data / TEMPLATE).unlink()
    assert names(verify_data(data)) == [(FindingKind.MISSING_FILE, TEMPLATE)]
    sign(data)
    report = verify_data(data)
    assert names(report) == [(FindingKind.MISSING_TEMPLATE, TEMPLATE)]
    assert not report.must_act


def test_other_bytes_of_a_good_picture_are_found(data: Path) -> None:
    (data / IMAGE).write_bytes((data / "VisA/blue_bar/test/bad/000.png").read_bytes())
    found = names(verify_data(data))
    assert (FindingKind.WRONG_BYTES, IMAGE) in found
    assert (FindingKind.SAME_IMAGE, "VisA/blue_bar/test/bad/000.png") in found


def test_an_unreadable_picture_is_named_with_its_reason(data: Path) -> None:
    (data / IMAGE).write_bytes((data / IMAGE).read_bytes()[:60])
    report = verify_data(data)
    assert names(report) == [(FindingKind.WRONG_BYTES, IMAGE), (FindingKind.UNREADABLE_IMAGE, IMAGE)]
    assert "truncated" in report.findings[1].detail
    sign(data)
    assert names(verify_data(data)) == [(FindingKind.UNREADABLE_IMAGE, IMAGE)]


def test_an_empty_and_an_enormous_picture_are_unreadable(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmad_rag.images.open.MAX_PIXELS", 100)
    (data / IMAGE).write_bytes(b"")
    kinds = [finding.kind for finding in verify_data(data).findings]
    assert kinds.count(FindingKind.UNREADABLE_IMAGE) == 18


def test_a_file_that_cannot_be_read_is_wrong(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(*_: object) -> bool:
        raise PermissionError

    monkeypatch.setattr("mmad_rag.benchmark.dataset.read_files.fits", unreadable)
    assert names(verify_data(data)) == [(FindingKind.WRONG_BYTES, "mmad.json")]


def test_fast_reads_no_picture_but_sees_sizes(data: Path) -> None:
    (data / IMAGE).write_bytes(b"short")
    (data / OTHER).write_bytes(b"x" * (data / OTHER).stat().st_size)
    (data / TEMPLATE).unlink()
    report = verify_data(data, fast=True)
    assert names(report) == [(FindingKind.MISSING_FILE, TEMPLATE), (FindingKind.WRONG_BYTES, IMAGE)]
    assert (report.opened, report.hashed, report.fast) == (0, 0, True)


def test_the_same_bytes_under_two_names_are_found(data: Path) -> None:
    (data / OTHER).write_bytes((data / IMAGE).read_bytes())
    (data / TEMPLATE).write_bytes((data / IMAGE).read_bytes())
    sign(data)
    report = verify_data(data)
    assert names(report) == [(FindingKind.SAME_IMAGE, OTHER), (FindingKind.SAME_BYTES, TEMPLATE)]
    assert {finding.detail for finding in report.findings} == {f"the bytes of {IMAGE}"}
    assert not report.must_act


def test_the_same_question_twice_is_found_whatever_the_order_of_its_options(data: Path) -> None:
    question = qa("Anomaly Detection", "A", YES_NO, "Any defect?")
    turned = qa("Anomaly Detection", "B", {"A": "No.", "B": "Yes."}, "Any defect?")
    other = qa("Anomaly Detection", "B", {"A": "No.", "B": "Maybe."}, "Any defect?")
    change(data, IMAGE, conversation=[question, other, turned])
    (finding,) = verify_data(data).findings
    assert (finding.kind, finding.name, finding.detail) == (
        FindingKind.SAME_QUESTION, f"{IMAGE}#2", f"as {IMAGE}#0",
    )  # fmt: skip


def test_unused_files_are_listed_and_masks_are_used(data: Path) -> None:
    (data / "notes.txt").write_text("mine")
    mask = data / "DS-MVTec/red_disc/ground_truth/bad/000.png"
    mask.parent.mkdir(parents=True)
    mask.write_bytes(b"")
    (data / "domain_knowledge.json").write_text("{}")
    assert verify_data(data).unused == ("notes.txt",)


def test_links_that_lead_out_are_named_and_followed(data: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (data / "VisA").rename(tmp_path / "elsewhere" / "VisA")
    (data / "VisA").symlink_to(tmp_path / "elsewhere" / "VisA")
    (data / OTHER).rename(data / "inside.png")
    (data / OTHER).symlink_to(data / "inside.png")
    report = verify_data(data)
    assert names(report) == [(FindingKind.LEADS_OUT, "VisA")]
    assert report.findings[0].detail == f"to {tmp_path / 'elsewhere' / 'VisA'}"
    assert not report.must_act


def test_a_name_that_no_file_can_have_is_missing(data: Path) -> None:
    path = f"VisA/p/test/bad/{'x' * 5000}.png"
    records = json.loads((data / "mmad.json").read_text())
    records[path] = entry(path, [qa("Defect Analysis")])
    (data / "mmad.json").write_text(json.dumps(records))
    sign(data)
    assert names(verify_data(data)) == [(FindingKind.MISSING_IMAGE, path)]


@pytest.mark.parametrize(
    ("answer", "options", "message"),
    [
        ("F", {"A": "x", "B": "y"}, "the answer 'F' is none of its options A, B"),
        ("A", dict.fromkeys("ABCDEF", "x"), "6 options, expected 2 to 5"),
        ("A", {"A": "x", "B": " "}, "'B' is empty"),
    ],
)
def test_bad_questions_are_named_and_files_are_checked_all_the_same(
    data: Path, answer: str, options: dict[str, str], message: str
) -> None:
    change(data, IMAGE, conversation=[qa("Defect Analysis", answer, options)])
    (data / TEMPLATE).unlink()
    report = verify_data(data)
    assert names(report) == [(FindingKind.BAD_QUESTIONS, "mmad.json"), (FindingKind.MISSING_FILE, TEMPLATE)]
    assert message in report.findings[0].detail
    assert f"image {IMAGE}, question 0" in report.findings[0].detail
    assert (report.questions, report.unused, report.must_act) == (0, (), True)


def test_five_options_are_legal(data: Path) -> None:
    change(data, IMAGE, conversation=[qa("Defect Analysis", "E", dict(zip("ABCDE", "vwxyz", strict=True)))])
    assert verify_data(data).findings == ()


@pytest.mark.parametrize(
    "path", ["../x/y/z/1.png", "/etc/p/test/bad/1.png", "VisA\\..\\..\\x", "C:/p/t/bad/1.png"]
)
def test_a_question_about_a_file_outside_is_refused_by_name(data: Path, path: str) -> None:
    records = json.loads((data / "mmad.json").read_text())
    (data / "mmad.json").write_text(json.dumps({**records, path: records[IMAGE]}))
    (finding, *_) = verify_data(data).findings
    assert finding.kind is FindingKind.BAD_QUESTIONS
    assert "leaves the data folder" in finding.detail
    assert repr(path) in finding.detail


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no folder"):
        verify_data(tmp_path / "nowhere")


def test_what_must_be_done_and_what_is_only_told() -> None:
    notes = set(FindingKind) - MUST_ACT
    assert {kind.value for kind in notes} == {
        "missing template", "link that leads out", "same image twice", "same bytes twice",
        "same question twice", "known erratum", "no hashes",
    }  # fmt: skip


@needs_shared
@pytest.mark.shared
def test_the_real_data_is_read_to_the_last_picture() -> None:
    """MANIFEST.csv lists 125 query images and 13 templates that questions name; all can be opened."""
    report = verify_data(MMAD)
    assert (report.questions, report.images, report.opened) == (11_656, 2_356, 138)
    kinds = [finding.kind for finding in report.findings]
    assert kinds.count(FindingKind.MISSING_IMAGE) == 2_356 - 125
    assert FindingKind.UNREADABLE_IMAGE not in kinds
    assert [f.name for f in report.findings if f.kind is FindingKind.ERRATUM] == [
        "bottle-broken-large-016", "transistor-misplaced",
    ]  # fmt: skip


# --- the command


def test_the_command_says_that_all_is_well(data: Path, cli: Cli) -> None:
    ran = cli("data", "verify", data)
    assert ran.code == 0
    assert "36 questions about 12 images; 18 images opened, 19 files compared" in ran.out
    assert ran.out.endswith("nothing is missing, damaged or doubtful\n")
    assert "looking at files" in ran.err


def test_notes_leave_the_exit_code_at_0(data: Path, cli: Cli) -> None:
    (data / MANIFEST).unlink()
    ran = cli("data", "verify", data, "--fast")
    assert ran.code == 0
    assert "no image opened" in ran.out
    assert "no hashes: 1\n  hashes.json: bytes cannot be checked" in ran.out


def test_the_terminal_shows_ten_of_a_kind_and_json_all(data: Path, cli: Cli) -> None:
    for image in data.rglob("image/*/*.png"):
        image.unlink()
    for image in data.rglob("test/*/*.png"):
        image.unlink()
    ran = cli("data", "verify", data)
    assert ran.code == 1
    assert "missing image: 12\n" in ran.out
    assert ran.out.count("  DS-MVTec/") + ran.out.count("  VisA/") == 10
    assert "  and 2 more; --json lists all" in ran.out
    assert "something must be done" in ran.err
    ran = cli("data", "verify", data, "--json")
    report = json.loads(ran.out)
    assert ran.code == 1
    assert len(report["findings"]) == 12
    assert report["findings"][0]["kind"] == "missing image"
    assert report["must_act"] is True
