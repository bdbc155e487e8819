"""What people see of a measurement: tables, files, images, and `mmad-rag eval-retrieval`."""

from __future__ import annotations

import builtins
import csv
import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmad_rag.encoders.protocol import Encoder
from mmad_rag.errors import DataError, ExtraError
from mmad_rag.index import KnowledgeIndex
from mmad_rag.index.rows import Reference
from mmad_rag.report.routing_files import write_retrieval
from mmad_rag.report.routing_plots import check_plots, draw_retrieval
from mmad_rag.retrieval_eval import RetrievalEvaluation, RetrievalResult, evaluate_retrieval
from mmad_rag.retrieval_eval.confusion import ConfusedPair, Confusion
from mmad_rag.retrieval_eval.figures import RoutingMethod
from mmad_rag.retrieval_eval.metrics import share
from mmad_rag.retrieval_eval.result import LeftOut
from tests.retrieval_eval.labelled_images import shown_text, write_labelled
from tests.support.paths import ROOT
from tests.support.running import Cli
from tests.support.world import World

CHOSEN = ("none", "rotation_90")


@pytest.fixture(scope="module")
def data(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_labelled(tmp_path_factory.mktemp("labelled"), world)


@pytest.fixture(scope="module")
def done(index: KnowledgeIndex, encoder: Encoder, data: Path) -> RetrievalEvaluation:
    """Everything measured, images of defects included."""
    vectors = np.eye(3, dtype=np.float32)[[0, 0, 1]]
    defects = tuple(Reference("red_disc", f"{n}.png", f"{n:064d}", "crack") for n in range(3))
    fuller = dataclasses.replace(
        index,
        references=index.references + defects,
        reference_vectors=np.concatenate([index.reference_vectors, vectors]),
    )
    return evaluate_retrieval(
        fuller,
        data,
        encoder=encoder,
        changes=CHOSEN,
        leave_product_out=True,
        references_per_product=(1, 2),
    )


@pytest.fixture
def cli(cli: Cli, monkeypatch: pytest.MonkeyPatch, encoder: Encoder) -> Cli:
    """The command line in this process, with the encoder by colour."""
    monkeypatch.setattr("mmad_rag.retrieval_eval.evaluate.load_encoder", lambda _: encoder)
    return cli


@pytest.fixture(scope="module")
def saved(index: KnowledgeIndex, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "index"
    index.save(folder)
    return folder


def test_every_table_is_printed_within_eighty_columns(done: RetrievalEvaluation) -> None:
    text = shown_text(done.result)
    for title in (
        "Known images: percent ranked first",
        "Known images: what was concluded",
        "Images outside the catalogue",
        "Expected calibration error",
        "Reliability, all changes, equal width",
        "Reliability, all changes, equal mass",
        "Recall per product",
        "Milliseconds per query",
        "Product left out",
        "With fewer references per product",
        "Which defect",
    ):
        assert title in text
    assert max(map(len, text.splitlines())) <= 80
    assert text.splitlines()[4].split()[:4] == ["all", "12", "100.0", "(76-100)"]


def test_what_a_left_out_product_is_taken_for_is_listed(done: RetrievalEvaluation) -> None:
    *parts, together = done.result.leave_product_out
    mistaken = dataclasses.replace(parts[0], named={"red_disc": 3, "green_square": 1})
    result = dataclasses.replace(
        done.result, leave_product_out=(mistaken, dataclasses.replace(together, named=mistaken.named))
    )
    assert f"{mistaken.product} red_disc 3, green_square 1" in " ".join(shown_text(result).split())
    nothing = dataclasses.replace(together, named={})
    result = dataclasses.replace(done.result, leave_product_out=(nothing, nothing))
    assert "named instead, by" not in shown_text(result)


def test_at_most_twelve_confused_pairs_are_printed_and_the_rest_is_counted(
    done: RetrievalEvaluation,
) -> None:
    pairs = tuple(
        ConfusedPair(
            "bottle", f"thing_{number:02d}", RoutingMethod.ROUTE, share(20 - number, 40), {"none": 1}
        )
        for number in range(14)
    )
    text = shown_text(dataclasses.replace(done.result, confused=pairs), width=120)
    assert "thing_11" in text
    assert "thing_12" not in text
    assert "2 more pairs" in text
    assert " 15 " in text.split("2 more pairs")[1].splitlines()[0] + " "


def test_the_files_hold_every_picture_and_everything_left_out(
    done: RetrievalEvaluation, tmp_path: Path
) -> None:
    paths = write_retrieval(done, tmp_path / "new", "{}\n")
    assert {path.name for path in paths} == {
        "result.json",
        "pictures.csv",
        "left_out.csv",
        "confusion-route.csv",
        "confusion-nearest.csv",
    }
    with (tmp_path / "new" / "pictures.csv").open(encoding="utf-8") as rows:
        found = list(csv.DictReader(rows))
    assert len(found) == 8 * len(CHOSEN)
    own = next(row for row in found if row["picture"] == "red_disc/own.png" and row["change"] == "none")
    assert (own["shows"], own["first"], own["nearest"]) == ("red_disc",) * 3
    assert float(own["nearest cosine"]) == pytest.approx(1.0, abs=1e-3)
    with (tmp_path / "new" / "confusion-nearest.csv").open(encoding="utf-8") as rows:
        header, *counts = list(csv.reader(rows))
    assert header == ["shown / named", "blue_bar", "green_square", "red_disc", "not in the catalogue"]
    assert sum(int(cell) for row in counts for cell in row[1:]) == 16


def test_a_folder_that_cannot_be_written_to_is_named(done: RetrievalEvaluation, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"file cannot be written to"):
        write_retrieval(done, tmp_path / "file", "{}")
    with pytest.raises(DataError, match=r"confusion-route.png cannot be written"):
        draw_retrieval(done.result, tmp_path / "absent")


@pytest.mark.parametrize("labels", [None, 50])
def test_the_pictures_are_drawn_at_any_number_of_products(
    done: RetrievalEvaluation, tmp_path: Path, labels: int | None
) -> None:
    result: RetrievalResult = done.result
    if labels is not None:
        counts = tuple(tuple(map(int, row)) for row in np.eye(labels, dtype=int))
        names = tuple(f"product_{number}" for number in range(labels))
        result = dataclasses.replace(result, confusion=(Confusion(RoutingMethod.ROUTE, names, counts),))
    paths = draw_retrieval(result, tmp_path)
    assert "reliability.png" in {path.name for path in paths}
    for path in paths:
        with Image.open(path) as image:
            assert min(image.size) > 500
            assert np.asarray(image.convert("L")).std() > 5


def test_without_confidences_there_is_no_reliability_diagram(
    done: RetrievalEvaluation, tmp_path: Path
) -> None:
    bare = dataclasses.replace(done.result, calibration=())
    assert {path.name for path in draw_retrieval(bare, tmp_path)} == {
        "confusion-route.png",
        "confusion-nearest.png",
    }


def without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refusing(name: str, *rest: object, **more: object) -> object:
        if name.partition(".")[0] == "matplotlib":
            raise ImportError(name)
        return real(name, *rest, **more)  # type: ignore[arg-type]  # passed on as it came

    monkeypatch.setattr(builtins, "__import__", refusing)


def test_absent_matplotlib_names_the_extra_before_any_work(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    without_matplotlib(monkeypatch)
    with pytest.raises(ExtraError, match=r"pip install \"mmad-rag\[plots\]\""):
        check_plots()
    ran = cli("eval-retrieval", tmp_path, "--index", tmp_path, "--out", tmp_path / "out")
    assert (ran.code, ran.out) == (1, "")
    assert "mmad-rag[plots]" in ran.err
    assert "--no-plots" in ran.err


def test_the_extra_exists() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    assert 'plots = ["matplotlib' in text


def test_the_command_prints_tables_and_writes_files(
    cli: Cli, saved: Path, data: Path, tmp_path: Path
) -> None:
    ran = cli("eval-retrieval", data, "--index", saved, "--changes", "none,crop", "--out", tmp_path / "out")
    assert ran.code == 0
    assert "Known images: percent ranked first" in ran.out
    assert "Milliseconds per query" in ran.out
    assert "6 images of products of the index and 2 of other things, under 2 change(s)" in ran.err
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"confusion-route.png", "reliability.png", "pictures.csv", "vectors", "result.json"} <= names


def test_json_is_one_document_and_the_same_as_the_file(
    cli: Cli, saved: Path, data: Path, tmp_path: Path
) -> None:
    ran = cli(
        "eval-retrieval",
        data,
        "--index",
        saved,
        "--json",
        "--no-plots",
        "--out",
        tmp_path,
        "--leave-product-out",
        "--references-per-product",
        "1, 2,1",
    )
    assert ran.code == 0
    found = json.loads(ran.out)
    assert found == json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert [item["per_product"] for item in found["fewer_references"]] == [1, 2]
    assert found["leave_product_out"][-1]["product"] == "all"
    assert set(found["thresholds"]) == {"route", "nearest"}
    assert not list(tmp_path.glob("*.png"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--changes", "sharpen"), "no change 'sharpen'"),
        (("--references-per-product", "1,x"), "holds 'x'"),
        (("--references-per-product", "0"), "holds '0'"),
        (("--index", "absent"), "absent"),
    ],
)
def test_bad_options_are_one_message(
    cli: Cli, saved: Path, data: Path, words: tuple[str, str], message: str
) -> None:
    ran = cli("eval-retrieval", data, "--index", saved, *words)
    assert (ran.code, ran.out) == (1, "")
    assert message in ran.err
    assert "Traceback" not in ran.err


def test_what_was_left_out_is_counted_with_examples() -> None:
    from mmad_rag.retrieval_eval.images import FoundImages, Reason
    from mmad_rag.retrieval_eval.result import left_out

    names = tuple(f"{number}.png" for number in range(7))
    found = left_out(FoundImages((), {Reason.MASK: names}))
    assert found == (LeftOut(Reason.MASK, 7, names[:5]),)


def test_matplotlib_is_not_loaded_by_the_command_line() -> None:
    import subprocess

    code = "import sys, mmad_rag.cli; print('matplotlib' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"
