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
from mmad_rag.benchmark.run.reader import read_run
from mmad_rag.benchmark.score.table import AVERAGE
from mmad_rag.records import RouteOutcome
from tests.support.openai_server import OpenAIServer, replies
from tests.support.paths import ROOT
from tests.support.sample_world import render_small

NOTEBOOK = ROOT / "examples" / "with_and_without.ipynb"
TINY = ROOT / "mmad_rag" / "encoders" / "tiny" / "weights.safetensors"
SETTINGS = "parameters"
"""The tag of the one cell that a user changes."""

needs_tiny = pytest.mark.skipif(not TINY.is_file(), reason=f"the shipped encoder is not at {TINY}")


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


def interval(value: float, low: float | None, high: float | None, sign: str = "") -> str:
    ends = "" if low is None or high is None else f" [{low:{sign}.1f}, {high:{sign}.1f}]"
    return f"{value:{sign}.1f}{ends}"


def check_tables(ran: Executed, summary: RunSummary, questions: int) -> None:
    """The numbers that the notebook shows are those that the library computes from the run folder."""
    scores = ran.table(f"Percent right of {questions} questions")
    assert list(scores) == [level.arm for level in summary.levels]
    for level in summary.levels:
        shown = [interval(item.percent, item.low, item.high) for item in level.columns]
        assert scores[level.arm] == [*shown, "0", "0"]
    gains = ran.table("Differences to none on average")
    for comparison in summary.comparisons:
        gain = comparison.columns[-1]
        here, _, right, wrong, verdict, _ = gains[comparison.arm.arm]
        assert here == interval(gain.difference, gain.low, gain.high, "+")
        assert (right, wrong) == (str(gain.wrong_to_right), str(gain.right_to_wrong))
        assert verdict == gain.verdict.value
    effects = ran.table("Parts of the gain")
    assert len(effects) == len(summary.decomposition.effects) == 5
    for effect in summary.decomposition.effects:
        shown = [interval(item.value, item.low, item.high, "+") for item in effect.columns]
        assert effects[f"{effect.name}: {effect.formula}"] == shown
    for point in summary.decomposition.break_even:
        numbers = (point.percent, point.low, point.high)
        shown = ["-" if number is None else f"{number:.0f}" for number in numbers]
        assert ran.table("Break-even routing")[point.column] == shown
    for counts in summary.routing:
        assert str(counts) in ran.printed()


@needs_tiny
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
    assert "780 questions about 156 images" in printed
    assert "fields that differ: ['knowledge']" in printed
    assert "+ <reference_material>" in printed
    assert "\n- " not in printed
    assert "5460 outcomes, 5460 asked now, 0 there already, 0 failed" in printed
    assert "5460 outcomes, 0 asked now, 5460 there already, 0 failed" in printed

    folder = tmp_path / "runs" / "with_and_without"
    run = read_run(folder / "run")
    summary = summarise(run)
    check_tables(ran, summary, 780)
    tables = dict(summary.tables)
    assert tables["rag"].cell(AVERAGE, "Object Classification").percent == 100.0
    assert ran.table("Percent right of 780")["blind"][0] == "50.0 [50.0, 50.0]"
    beyond = {effect.name: effect.columns[-1] for effect in summary.decomposition.effects}["gain beyond text"]
    assert beyond.low is not None
    assert beyond.high is not None
    assert beyond.low < 0 < beyond.high

    average = {found.arm.arm: found.columns[-1] for found in summary.comparisons}
    assert f"turned right from none to rag: {average['rag'].wrong_to_right} questions" in printed
    assert f"turned wrong from none to rag: {average['rag'].right_to_wrong} questions" in printed
    flips = [page for page in ran.of("text/html") if "<img" in page]
    assert len(flips) == 2
    assert all('src="data:image/' in page and "<b>(right)</b>" in page and "<code>" in page for page in flips)

    knobs = read_run(folder / "knobs")
    turned = ran.table("Two knobs, 400 questions")
    arms = ["none", *(f"rag, {tokens} tokens" for tokens in (75, 150, 300, 600)), "rag, references 1"]
    assert list(turned) == [*arms, "rag, references 0"] == [arm.name for arm in knobs.header.arms]
    for level in summarise(knobs).levels:
        item = level.columns[-1]
        assert turned[level.arm][0] == interval(item.percent, item.low, item.high)
    routed = {
        row.question.partition("#")[0]: row.route for row in knobs.rows if row.arm == "rag, references 0"
    }
    certain = sum(route is RouteOutcome.PRODUCT for route in routed.values())
    assert turned["rag, references 0"][2:] == [str(certain), *(["0"] * 3)]
    assert len(ran.of("image/png")) == 3


@needs_tiny
@pytest.mark.slow
def test_other_data_and_another_model_take_one_changed_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, openai_server: OpenAIServer
) -> None:
    """A model behind an endpoint, which is asked each question once per arm though the cell is run twice."""
    openai_server.default = replies("B")
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    render_small(tmp_path / "data")
    changes = (
        f"DATA, MODEL, BASE_URL, WORK = 'data', 'openai:vision', {openai_server.url!r}, Path('mine')\n"
        "LIMIT, TOKENS, SWEEP, SWEEP_LIMIT, SHOTS = 12, 75, (75,), 6, 1"
    )
    ran = Executed(tmp_path, monkeypatch, changes=changes)
    assert ran.printed("stderr") == ""
    assert "84 outcomes, 84 asked now, 0 there already, 0 failed" in ran.printed()
    assert "84 outcomes, 0 asked now, 84 there already, 0 failed" in ran.printed()
    assert "24 outcomes, 24 asked now" in ran.printed()  # none, 75 tokens, one reference, none: 4 arms of 6
    assert len(openai_server.requests) == 84 + 24
    assert not (tmp_path / "runs").exists()
    check_tables(ran, summarise(read_run(tmp_path / "mine" / "run")), 12)
    for turned in ("right", "wrong"):  # a constant reply changes nothing
        assert f"turned {turned} from none to rag: 0 questions" in ran.printed()
    shown = [request for request in openai_server.requests if request.image_urls()]
    assert {len(request.image_urls()) for request in shown} == {2}  # the image and one normal example
