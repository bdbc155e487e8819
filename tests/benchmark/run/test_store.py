"""The run folder survives a kill at any byte, belongs to one process, and refuses what does not match."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmad_rag.benchmark.run.reader import questions_sha256, read_header, read_run
from mmad_rag.benchmark.run.records import RUN_VERSION, ArmHeader, OutcomeRow, RunHeader
from mmad_rag.benchmark.run.store import RunStore
from mmad_rag.errors import DataError
from mmad_rag.records import Outcome, RouteOutcome, Usage
from tests.support.bench import question, row

QUESTIONS = tuple(question(f"VisA/pcb1/test/bad/{place:03}.JPG") for place in range(3))
ARMS = (ArmHeader("none", "none/m", "m", None), ArmHeader("rag", "rag(i)/m", "m", "i" * 64))
HEADER = RunHeader(
    images=True,
    version=RUN_VERSION,
    library="0.1.0",
    created="2026-01-31T12:00:00+00:00",
    data="data",
    data_sha256="d" * 64,
    questions=len(QUESTIONS),
    questions_sha256=questions_sha256(QUESTIONS),
    missing_images=1,
    missing_questions=5,
    arms=ARMS,
    wording="default",
    shots=0,
    templates="random",
    parser_version=1,
)
FULL = OutcomeRow(
    key="k" * 64,
    question=QUESTIONS[0].id,
    arm="rag",
    outcome=Outcome.WRONG,
    letter="B",
    reply="Antwort: „B“\n\r\u2028 \U0001f600",
    model="m-1",
    usage=Usage(100, 2),
    latency_s=0.25,
    prompt="p" * 64,
    references=1,
    route=RouteOutcome.NEAR_TIE,
    products=("pcb1", "pcb2"),
    confidence=0.5,
    passages=("pcb1/normal/appearance/0",),
    source="i" * 64,
)


def opened(folder: Path, header: RunHeader = HEADER) -> RunStore:
    return RunStore(folder, header, QUESTIONS)


def outcomes(folder: Path) -> Path:
    return folder / "outcomes.jsonl"


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    failed = row(QUESTIONS[1], Outcome.FAILED, error="503 from the server")
    with opened(tmp_path / "run") as store:
        store.append(FULL)
        store.append(failed)
    run = read_run(tmp_path / "run")
    assert run.folder == tmp_path / "run"
    assert run.header == HEADER
    assert run.questions == QUESTIONS
    assert run.rows == (FULL, failed)


def test_rows_come_back_in_the_order_of_questions_and_arms(tmp_path: Path) -> None:
    rows = [row(item, arm=arm) for item in QUESTIONS for arm in ("none", "rag")]
    with opened(tmp_path) as store:
        for item in reversed(rows):
            store.append(item)
    assert list(read_run(tmp_path).rows) == rows


def test_an_outcome_is_kept_for_its_key_only(tmp_path: Path) -> None:
    item = QUESTIONS[0]
    with opened(tmp_path) as store:
        assert store.kept(item.id, "none", "k1") is None
        store.append(dataclasses.replace(row(item, Outcome.INVALID), key="k1"))
        assert store.kept(item.id, "none", "k1") is Outcome.INVALID
        assert store.kept(item.id, "none", "k2") is None
        assert store.kept(item.id, "rag", "k1") is None


def test_a_failed_outcome_is_asked_again_and_superseded(tmp_path: Path) -> None:
    item = QUESTIONS[0]
    failed = dataclasses.replace(row(item, Outcome.FAILED), key="k1")
    with opened(tmp_path) as store:
        store.append(failed)
        assert store.kept(item.id, "none", "k1") is None
    with opened(tmp_path) as store:
        assert store.kept(item.id, "none", "k1") is None
        store.append(dataclasses.replace(row(item, Outcome.WRONG), key="k1"))
        assert store.kept(item.id, "none", "k1") is Outcome.WRONG
    assert [found.outcome for found in read_run(tmp_path).rows] == [Outcome.WRONG]
    assert len(outcomes(tmp_path).read_text().splitlines()) == 2


def test_a_continued_run_keeps_its_first_header(tmp_path: Path) -> None:
    opened(tmp_path).close()
    later = dataclasses.replace(HEADER, created="2027-01-01T00:00:00+00:00", library="9", data="elsewhere")
    with opened(tmp_path, later) as store:
        assert store.header == HEADER
    assert read_header(tmp_path) == HEADER


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"data_sha256": "e" * 64}, "another data sha256"),
        ({"questions_sha256": "e" * 64}, "another questions sha256"),
        ({"wording": "mmad"}, "another wording: 'default' there, 'mmad' now"),
        ({"shots": 1}, "another shots: 0 there, 1 now"),
        ({"templates": "similar"}, "another templates"),
        ({"parser_version": 2}, "another parser version"),
        ({"arms": ARMS[:1]}, "another list of arms: 'none,rag' there, 'none' now"),
        (
            {"arms": (ARMS[0], dataclasses.replace(ARMS[1], identity="rag(j)/m"))},
            "another identity of arm rag",
        ),
        (
            {"arms": (dataclasses.replace(ARMS[0], model="n"), ARMS[1])},
            "another model of arm none: 'm' there",
        ),
        ({"arms": (ARMS[0], dataclasses.replace(ARMS[1], index="j" * 64))}, "another index of arm rag"),
    ],
)
def test_another_header_is_refused_and_the_difference_named(
    tmp_path: Path, changes: dict[str, object], name: str
) -> None:
    opened(tmp_path).close()
    wanted = dataclasses.replace(HEADER, **changes)  # type: ignore[arg-type]
    with pytest.raises(DataError) as caught:
        opened(tmp_path, wanted)
    assert name in str(caught.value)
    mend = "mmad-rag rescore" if name == "another parser version" else "give another --out"
    assert mend in str(caught.value)
    opened(tmp_path).close()  # the lock is free again


# --- a kill at any moment


def _rows(count: int) -> list[OutcomeRow]:
    pairs = [(item, arm) for item in QUESTIONS for arm in ("none", "rag")]
    return [dataclasses.replace(FULL, question=item.id, arm=arm) for item, arm in pairs[:count]]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.data())
def test_a_file_cut_at_any_byte_is_continued(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Whole rows stay, the torn one goes aside, and the run ends with every row once."""
    folder = tmp_path_factory.mktemp("cut")
    rows = _rows(4)
    with opened(folder) as store:
        for item in rows:
            store.append(item)
    whole = outcomes(folder).read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    outcomes(folder).write_bytes(whole[:cut])
    ends = [place + 1 for place, byte in enumerate(whole) if byte == ord("\n")]
    survivors = sum(end - 1 <= cut for end in ends)  # a row without its line end is whole
    assert len(read_run(folder).rows) == survivors
    with opened(folder) as store:
        missing = [item for item in rows if store.kept(item.question, item.arm, item.key) is None]
        assert missing == rows[survivors:]
        for item in missing:
            store.append(item)
    assert list(read_run(folder).rows) == rows
    assert outcomes(folder).read_bytes() == whole
    torn = b"".join(path.read_bytes() for path in folder.glob("outcomes.torn-*"))
    start = ([0, *ends])[survivors]
    assert torn == (whole[start:cut] if start < cut else b"")


def test_a_row_that_lost_only_its_line_end_is_kept(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.append(FULL)
    whole = outcomes(tmp_path).read_bytes()
    outcomes(tmp_path).write_bytes(whole[:-1])
    assert read_run(tmp_path).rows == (FULL,)
    opened(tmp_path).close()
    assert outcomes(tmp_path).read_bytes() == whole
    assert list(tmp_path.glob("outcomes.torn-*")) == []


def test_torn_rows_are_numbered(tmp_path: Path) -> None:
    opened(tmp_path).close()
    for number in (1, 2):
        with outcomes(tmp_path).open("ab") as file:
            file.write(b'{"key": "ab')
        opened(tmp_path).close()
        assert (tmp_path / f"outcomes.torn-{number}").read_bytes() == b'{"key": "ab'
    assert outcomes(tmp_path).read_bytes() == b""


def test_a_kill_before_the_header_was_written_loses_nothing(tmp_path: Path) -> None:
    opened(tmp_path).close()
    (tmp_path / "run.json").unlink()
    with opened(tmp_path) as store:
        store.append(FULL)
    assert read_run(tmp_path).rows == (FULL,)


@pytest.mark.parametrize("damage", [b"{}", b"not json", b"", b'{"key": 1}', b"\x00\x00\x00"])
def test_a_damaged_line_in_the_middle_is_refused_with_its_number(tmp_path: Path, damage: bytes) -> None:
    with opened(tmp_path) as store:
        for item in _rows(3):
            store.append(item)
    lines = outcomes(tmp_path).read_bytes().splitlines()
    outcomes(tmp_path).write_bytes(b"\n".join([lines[0], damage, lines[2], b""]))
    before = outcomes(tmp_path).read_bytes()
    for read in (opened, read_run):
        with pytest.raises(DataError, match=r"outcomes\.jsonl line 2 is damaged"):
            read(tmp_path)
    assert outcomes(tmp_path).read_bytes() == before


def test_a_full_disk_leaves_whole_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk takes half of the second row; the half is taken back, and the message says what to do."""
    really_write = os.write

    def write(file: int, data: bytes) -> int:
        if len(data) < 100:
            raise OSError(errno.ENOSPC, "No space left on device")
        return really_write(file, data[: len(data) // 2])

    with opened(tmp_path) as store:
        store.append(FULL)
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", write)
            with pytest.raises(DataError, match=r"No space left on device.*give the same command again"):
                store.append(_rows(2)[1])
        assert outcomes(tmp_path).read_bytes().endswith(b"}\n")
        store.append(_rows(3)[2])
    assert len(read_run(tmp_path).rows) == 2


def test_a_slow_disk_that_takes_a_few_bytes_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really_write = os.write
    monkeypatch.setattr(os, "write", lambda file, data: really_write(file, data[:7]))
    with opened(tmp_path) as store:
        store.append(FULL)
    assert read_run(tmp_path).rows == (FULL,)


# --- one process


def test_a_second_writer_is_refused_and_reading_is_not(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.append(FULL)
        with pytest.raises(DataError, match="another process is writing the run"):
            opened(tmp_path)
        assert read_run(tmp_path).rows == (FULL,)
    opened(tmp_path).close()


@pytest.mark.slow
def test_a_second_process_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path):
        code = (
            "import sys; from pathlib import Path; from tests.benchmark.run.test_store import *\n"
            "try: opened(Path(sys.argv[1]))\n"
            "except DataError as error: print(error)\n"
        )
        said = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
        )
        assert "another process is writing the run" in said.stdout


def test_closing_twice_is_harmless(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.close()
    store.close()


# --- other folders


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(DataError, match=r"is not a run folder, it holds thesis\.tex"):
        opened(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("x")
    with pytest.raises(DataError, match="cannot be written"):
        opened(tmp_path / "run")


def test_outcomes_without_a_header_are_not_adopted(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.append(FULL)
    (tmp_path / "run.json").unlink()
    with pytest.raises(DataError, match=r"has outcomes but no run\.json"):
        opened(tmp_path)


def test_a_header_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: Path, _target: Path) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(DataError, match=r"questions\.jsonl cannot be written \(No space"):
        opened(tmp_path)


def test_reading_what_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a run folder"):
        read_run(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("run.json", "{}", r"run\.json is damaged"),
        ("run.json", "[", r"run\.json is damaged"),
        ("run.json", None, "is not a run folder"),
        ("questions.jsonl", "", r"questions\.jsonl is not what the run was started with"),
        ("questions.jsonl", "x\n", r"questions\.jsonl line 1 is damaged"),
        ("questions.jsonl", None, r"questions\.jsonl cannot be read"),
        ("outcomes.jsonl", None, r"outcomes\.jsonl cannot be read"),
    ],
)
def test_a_damaged_run_is_refused_by_file(
    tmp_path: Path, name: str, content: str | None, message: str
) -> None:
    with opened(tmp_path) as store:
        store.append(FULL)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=message):
        read_run(tmp_path)


def test_a_run_of_the_first_layout_is_refused_and_says_so(tmp_path: Path) -> None:
    """Its header knew of neither the order of options nor the size of images."""
    opened(tmp_path).close()
    header = json.loads((tmp_path / "run.json").read_text()) | {"version": 1}
    del header["shuffle_options"], header["image_size"]
    (tmp_path / "run.json").write_text(json.dumps(header))
    with pytest.raises(
        DataError, match=r"has version 1, not 2; use the mmad-rag that wrote it \(.*\), or begin"
    ):
        read_run(tmp_path)
    with pytest.raises(DataError, match="has version 1, not 2"):
        opened(tmp_path)


def test_a_row_of_a_question_that_is_not_asked(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.append(dataclasses.replace(FULL, question="elsewhere#0"))
    with pytest.raises(DataError, match="has a row for elsewhere#0 in arm rag"):
        read_run(tmp_path)


def test_what_the_header_vouches_for_is_written_anew_where_it_is_damaged(tmp_path: Path) -> None:
    opened(tmp_path).close()
    path = tmp_path / "questions.jsonl"
    whole = path.read_bytes()
    for damage in (b"", whole[: len(whole) // 2], None):
        if damage is None:
            path.unlink()
        else:
            path.write_bytes(damage)
        opened(tmp_path).close()
        assert path.read_bytes() == whole
