"""The notebook of examples/ runs as it is committed, and says what the library says."""

from __future__ import annotations

import ast
import re
import sys
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from mmad_rag.benchmark.analysis.summary import RunSummary, summarise
from mmad_rag.benchmark.data.columns import AVERAGE
from mmad_rag.benchmark.run.reader import read_run
from tests.support.paths import ROOT
from tests.support.sample_world import render_small
from tests.support.servers.openai_server import OpenAIServer, replies

NOTEBOOK = ROOT / "examples" / "with_and_without.ipynb"
SETTINGS = "parameters"
"""The tag of the one cell that a user changes."""


def read_notebook() -> Any:  # noqa: ANN401 - nbformat's records have attributes that it does not declare
    import nbformat

    return nbformat.read(NOTEBOOK, as_version=4)


def code_cells() -> list[Any]:
    return [cell for cell in read_notebook().cells if cell.cell_type == "code"]


class Executed:
    """The notebook after it was run in a folder."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, *, changes: str = "") -> None:
        from nbclient import NotebookClient
        from nbformat.v4 import new_code_cell

        for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR"):
            monkeypatch.setenv(name, str(folder / ".jupyter"))  # nothing of the person who runs the tests
        notebook = read_notebook()
        places = [
            place for place, cell in enumerate(notebook.cells) if SETTINGS in cell.metadata.get("tags", ())
        ]
        notebook.cells.insert(places[0] + 1, new_code_cell(changes))
        notebook.cells.append(new_code_cell("import sys\nprint(sys.prefix)"))
        client = NotebookClient(
            notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
        )
        client.execute()
        self.outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]

    def printed(self, stream: str = "stdout") -> str:
        return "".join(found.text for found in self.outputs if found.get("name") == stream)

    def of(self, media_type: str) -> list[str]:
        """The contents of all outputs of a kind."""
        return [found.data[media_type] for found in self.outputs if media_type in found.get("data", {})]

    def table(self, title: str) -> dict[str, list[str]]:
        """First cell of a row -> its other cells, of the table whose title begins like this."""
        (found,) = [page for page in self.of("text/html") if page.startswith(f"<p><b>{title}")]
        rows = re.findall(r"<tr>(.*?)</tr>", found)[1:]
        cells = [[unescape(cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row)] for row in rows]
        return {first: others for first, *others in cells}


def test_the_committed_notebook_is_valid_and_holds_no_outputs() -> None:
    import nbformat

    notebook = read_notebook()
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    for cell in code_cells():
        assert cell.outputs == []
        assert cell.execution_count is None


def test_the_notebook_is_plain_python_without_magics() -> None:
    for cell in code_cells():
        ast.parse(cell.source)


def test_there_is_one_cell_of_settings_and_every_setting_is_used_below_it() -> None:
    (settings,) = [cell for cell in code_cells() if SETTINGS in cell.metadata.get("tags", ())]
    others = [ast.parse(cell.source) for cell in code_cells() if cell.id != settings.id]
    used = {node.id for tree in others for node in ast.walk(tree) if isinstance(node, ast.Name)}
    names = {
        target.id
        for node in ast.parse(settings.source).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    assert {"DATA", "MODEL", "INDEX", "ENCODER", "LIMIT", "WORK"} <= names <= used


def check_tables(ran: Executed, summary: RunSummary, questions: int) -> None:
    """The numbers that the notebook shows are those that the library computes from the run folder."""
    table = ran.table(f"Percent right of {questions} questions")
    for arm, scores in summary.tables:
        percents = (scores.cell(AVERAGE, column).percent for column in scores.columns)
        assert table[arm] == ["-" if percent is None else f"{percent:.1f}" for percent in percents]
    for comparison in summary.comparisons:
        gain = comparison.columns[-1]
        assert table[f"{comparison.arm.arm} - none"][-1] == f"{gain.difference:+.1f}"
        told = f"{comparison.arm.arm}: {gain.difference:+.1f} [{gain.low:+.1f}, {gain.high:+.1f}] points"
        assert f"{told}, {gain.verdict.value} on these products" in ran.printed()
    assert len(summary.decomposition.effects) == 5
    for effect in summary.decomposition.effects:
        assert f"{effect.name} ({effect.formula}): {effect.columns[-1].value:+.1f} [" in ran.printed()
    for counts in summary.routing:
        assert str(counts) in ran.printed()


@pytest.mark.slow
def test_the_notebook_runs_offline_and_shows_what_the_library_computes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the sample with the built-in models; of them it is known beforehand what must come out."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens there
    ran = Executed(tmp_path, monkeypatch)
    printed = ran.printed()
    assert printed.rstrip().endswith(sys.prefix)
    assert ran.printed("stderr") == ""
    assert "196 images of 20 products were drawn" in printed
    assert "5460 outcomes, 5460 asked now, 0 kept, 0 failed" in printed
    assert "5460 outcomes, 0 asked now, 5460 kept, 0 failed" in printed

    folder = tmp_path / "runs" / "with_and_without" / "run"
    summary = summarise(read_run(folder))
    check_tables(ran, summary, 780)
    tables = dict(summary.tables)
    assert tables["rag"].cell(AVERAGE, "Object Classification").percent == 100.0
    assert ran.table("Percent right of 780")["blind"][0] == "50.0"
    beyond = {effect.name: effect.columns[-1] for effect in summary.decomposition.effects}["gain beyond text"]
    assert (beyond.value, beyond.low, beyond.high) == pytest.approx((0, 0, 0)), "a reader without eyes"

    average = {found.arm.arm: found.columns[-1] for found in summary.comparisons}
    assert f"turned right from none to rag: {average['rag'].wrong_to_right} questions" in printed
    assert f"turned wrong from none to rag: {average['rag'].right_to_wrong} questions" in printed
    flips = [page for page in ran.of("text/html") if "<img" in page]
    assert len(flips) == 2
    assert all('src="data:image/' in page and "<b>(right)</b>" in page and "<code>" in page for page in flips)
    page = folder / "report.html"
    assert str(page.relative_to(tmp_path)) in printed
    assert page.read_bytes().startswith(b"<!doctype html>")


@pytest.mark.slow
def test_other_data_and_another_model_take_one_changed_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, openai_server: OpenAIServer
) -> None:
    """A model behind an endpoint, which is asked each question once per arm though the call is made twice."""
    openai_server.default = replies("B")
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    render_small(tmp_path / "data")
    changes = (
        f"DATA, MODEL, BASE_URL, WORK = 'data', 'openai:vision', {openai_server.url!r}, Path('mine')\n"
        "LIMIT, TOKENS, SHOTS = 12, 75, 1"
    )
    ran = Executed(tmp_path, monkeypatch, changes=changes)
    assert ran.printed("stderr") == ""
    assert "84 outcomes, 84 asked now, 0 kept, 0 failed" in ran.printed()
    assert "84 outcomes, 0 asked now, 84 kept, 0 failed" in ran.printed()
    assert len(openai_server.requests) == 84
    assert not (tmp_path / "runs").exists()
    check_tables(ran, summarise(read_run(tmp_path / "mine" / "run")), 12)
    for turned in ("right", "wrong"):  # a constant reply changes nothing
        assert f"turned {turned} from none to rag: 0 questions" in ran.printed()
    shown = [request for request in openai_server.requests if request.image_urls()]
    assert {len(request.image_urls()) for request in shown} == {2}  # the image and one normal example
