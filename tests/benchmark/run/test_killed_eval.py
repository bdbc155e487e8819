"""`mmad-rag eval` with six arms, killed at five points and continued, is the run that nobody interrupted."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from mmad_rag.benchmark.sample import render_sample
from mmad_rag.index import KnowledgeIndex
from tests.support.openai_server import Behaviour, OpenAIServer, Request, replies
from tests.support.paths import ROOT

COMMAND = (sys.executable, "-c", "from mmad_rag.cli import main; main()")
ARMS = "none,rag,oracle,wrong,filler,blind"
QUESTIONS, CONCURRENCY = 40, 3
TOTAL = QUESTIONS * len(ARMS.split(","))


def answer(request: Request) -> Behaviour:
    """A or B by what was asked, now and then something that is not a choice."""
    time.sleep(0.01)
    number = hashlib.sha256(json.dumps(request.body["messages"]).encode()).digest()[0]
    return replies("ABAB?"[number % 5])


def eval_command(root: Path, server: OpenAIServer, out: Path) -> list[str]:
    words = (
        *("eval", "--data", root / "data", "--index", root / "index"),
        *("--model", "openai:m", "--base-url", server.url, "--arms", ARMS, "--limit", QUESTIONS),
        *("--circular", 3, "--concurrency", CONCURRENCY, "--out", out),
    )
    return [*COMMAND, *map(str, words)]


def scores(folder: Path) -> list[bytes]:
    """What the command prints by both rules, and the comparison with its intervals."""
    commands = (
        ("score", folder, "--json"),
        ("score", folder, "--json", "--rule", "strict-mmad"),
        ("compare", folder, "--json", "--replicates", 200),
    )
    return [
        subprocess.run([*COMMAND, *map(str, words)], cwd=ROOT, check=True, capture_output=True).stdout
        for words in commands
    ]


@pytest.mark.slow
def test_six_arms_survive_five_kills(tmp_path: Path, openai_server: OpenAIServer) -> None:
    render_sample(tmp_path / "data", products=("bottle", "metal_nut"), per_defect=1, templates=2, unknown=1)
    KnowledgeIndex.build(ROOT / "knowledge", "builtin:tiny").save(tmp_path / "index")
    openai_server.default = answer
    subprocess.run(eval_command(tmp_path, openai_server, tmp_path / "once"), cwd=ROOT, check=True)
    whole = Counter(json.dumps(request.body) for request in openai_server.requests)
    begun = len(openai_server.requests)
    for place in (13, 60, 61, 150, 230):
        process = subprocess.Popen(
            eval_command(tmp_path, openai_server, tmp_path / "killed"), cwd=ROOT, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 120
        while len(openai_server.requests) - begun < place and time.monotonic() < deadline:
            assert process.poll() is None, "the run ended before it could be killed"
            time.sleep(0.002)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    subprocess.run(eval_command(tmp_path, openai_server, tmp_path / "killed"), cwd=ROOT, check=True)
    assert scores(tmp_path / "killed") == scores(tmp_path / "once")
    asked = Counter(json.dumps(request.body) for request in openai_server.requests[begun:])
    assert asked.keys() == whole.keys()
    assert whole.total() > TOTAL  # the further orders of circular evaluation
    assert asked.total() - whole.total() <= 5 * CONCURRENCY  # those under way at each kill
