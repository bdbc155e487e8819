"""The demo, as it ships."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.warm import Warm


@pytest.mark.slow
def test_the_demo_does_the_whole_job_without_network(tmp_path: Path, warm: Warm) -> None:
    """The command runs in a process without hub or provider, and prints a table of its three arms."""
    environment = {
        "PATH": "",
        "HF_HUB_OFFLINE": "1",
        "COLUMNS": "80",
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "OMP_NUM_THREADS": os.environ["OMP_NUM_THREADS"],
    }
    ran = warm.run("mmad-rag", "demo", "--out", tmp_path / "demo", environment=environment)
    assert ran.returncode == 0, ran.stderr
    table = ran.stdout.splitlines()
    assert table[1].split() == [
        "arm",
        "AD",
        "DefCls",
        "DefLoc",
        "DefDesc",
        "DefAna",
        "ObjCls",
        "ObjAna",
        "Average",
    ]
    rows = {line.split()[0]: line.split()[1:] for line in table[2:5]}
    assert set(rows) == {"none", "rag", "oracle"}
    assert all(len(cells) == 8 for cells in rows.values())
    assert float(rows["rag"][-1]) > float(rows["none"][-1])
    assert (tmp_path / "demo" / "run" / "outcomes.jsonl").is_file()
    assert "never looks at an image" in ran.stdout
