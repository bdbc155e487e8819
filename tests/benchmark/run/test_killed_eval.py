"""`mmad-rag eval` with six arms, killed at five points and continued, is the run that nobody interrupted."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from pathlib import Path

import pytest

from mmad_rag.index import KnowledgeIndex
from tests.support.sample_world import render_two
from tests.support.servers.openai_server import Behaviour, OpenAIServer, Request, replies
from tests.support.waiting import wait_for
from tests.support.warm import Done, Warm

ARMS = "none,rag,oracle,wrong,filler,blind"
QUESTIONS, CONCURRENCY = 40, 3
TOTAL = QUESTIONS * len(ARMS.split(","))


def answer(request: Request) -> Behaviour:
    """A or B by what was asked, now and then something that is not a choice."""
    time.sleep(0.01)
    number = hashlib.sha256(json.dumps(request.body["messages"]).encode()).digest()[0]
    return replies("ABAB?"[number % 5])


def eval_command(root: Path, server: OpenAIServer, out: Path) -> tuple[object, ...]:
    return (
        "mmad-rag",
        *("eval", "--data", root / "data", "--index", root / "index"),
        *("--model", "openai:m", "--base-url", server.url, "--arms", ARMS, "--limit", QUESTIONS),
        *("--circular", 3, "--concurrency", CONCURRENCY, "--out", out),
    )


def scores(warm: Warm, folder: Path) -> list[Done]:
    """What the command prints by both rules, and the comparison with its intervals."""
    commands = (
        ("score", folder, "--json"),
        ("score", folder, "--json", "--rule", "strict-mmad"),
        ("compare", folder, "--json", "--replicates", 200),
    )
    return [warm.run("mmad-rag", *words) for words in commands]


@pytest.mark.slow
def test_six_arms_survive_five_kills(
    tmp_path: Path, openai_server: OpenAIServer, warm: Warm, shipped: KnowledgeIndex
) -> None:
    render_two(tmp_path / "data")
    shipped.save(tmp_path / "index")
    openai_server.default = answer
    assert warm.run(*eval_command(tmp_path, openai_server, tmp_path / "once")).returncode == 0
    whole = Counter(json.dumps(request.body) for request in openai_server.requests)
    begun = len(openai_server.requests)
    for place in (13, 60, 61, 150, 230):
        process = warm.start(*eval_command(tmp_path, openai_server, tmp_path / "killed"))
        least = begun + place
        wait_for(
            lambda: len(openai_server.requests) >= least,  # noqa: B023 - called before it changes
            f"{least} requests arrived",
            process=process,
        )
        process.kill()
    assert warm.run(*eval_command(tmp_path, openai_server, tmp_path / "killed")).returncode == 0
    killed, once = scores(warm, tmp_path / "killed"), scores(warm, tmp_path / "once")
    assert [found.stdout for found in killed] == [found.stdout for found in once]
    assert all(found.returncode == 0 and found.stdout for found in killed)
    asked = Counter(json.dumps(request.body) for request in openai_server.requests[begun:])
    assert asked.keys() == whole.keys()
    assert whole.total() > TOTAL  # the further orders of circular evaluation
    assert asked.total() - whole.total() <= 5 * CONCURRENCY  # those under way at each kill
