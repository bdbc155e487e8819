"""What tokens of knowledge are counted by stands in a run, and a run without it is not continued."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from mmad_rag.benchmark.analysis.two_runs import put_together
from mmad_rag.benchmark.data.mmad import load_questions
from mmad_rag.benchmark.run.arms import build_arms
from mmad_rag.benchmark.run.reader import read_run
from mmad_rag.benchmark.run.run_arms import run_arms
from mmad_rag.encoders.protocol import Encoder
from mmad_rag.errors import DataError
from mmad_rag.index import KnowledgeIndex
from mmad_rag.retrieve.config import RetrievalConfig
from mmad_rag.retrieve.selection.tokenizers import NamedCounter
from tests.support.bench import make_benchmark, scripted


def go(data: Path, out: Path, index: KnowledgeIndex, config: RetrievalConfig, *names: str) -> None:
    benchmark = load_questions(data)
    arms = build_arms(names, scripted("A"), index, retrieval=config)
    asyncio.run(run_arms(benchmark, arms, out=out))


def as_an_earlier_version_wrote_it(folder: Path) -> None:
    header = json.loads((folder / "run.json").read_text())
    for arm in header["arms"]:
        del arm["counter"]
    (folder / "run.json").write_text(json.dumps(header))


def test_an_older_run_is_read_and_compared_but_not_continued(
    index: KnowledgeIndex, encoder: Encoder, tmp_path: Path
) -> None:
    data, config = make_benchmark(tmp_path / "data"), RetrievalConfig(encoder=encoder)
    for name in ("older", "newer"):
        go(data, tmp_path / name, index, config, "none", "oracle")
    as_an_earlier_version_wrote_it(tmp_path / "older")
    older, newer = read_run(tmp_path / "older"), read_run(tmp_path / "newer")
    assert [arm.counter for arm in older.header.arms] == [None, None]
    assert [arm.counter for arm in newer.header.arms] == [None, "estimate"]
    both = put_together(older, newer)
    assert both.differences == ("none: nothing differs", "oracle: nothing differs")
    with pytest.raises(DataError, match=r"earlier version, .* counted by \(estimate now\), .* another --out"):
        go(data, tmp_path / "older", index, config, "none", "oracle")


def test_an_older_run_without_knowledge_goes_on(
    index: KnowledgeIndex, encoder: Encoder, tmp_path: Path
) -> None:
    data, config = make_benchmark(tmp_path / "data"), RetrievalConfig(encoder=encoder)
    go(data, tmp_path / "older", index, config, "none")
    as_an_earlier_version_wrote_it(tmp_path / "older")
    go(data, tmp_path / "older", index, config, "none")


def test_another_counter_is_another_run(index: KnowledgeIndex, encoder: Encoder, tmp_path: Path) -> None:
    data = make_benchmark(tmp_path / "data")
    letters = RetrievalConfig(counter=NamedCounter("letters", len), encoder=encoder)
    go(data, tmp_path / "one", index, letters, "oracle")
    go(data, tmp_path / "two", index, RetrievalConfig(encoder=encoder), "oracle")
    with pytest.raises(DataError, match="identity of arm oracle"):
        go(data, tmp_path / "one", index, RetrievalConfig(encoder=encoder), "oracle")
    both = put_together(read_run(tmp_path / "one"), read_run(tmp_path / "two"))
    assert both.differences == ("oracle: what tokens are counted by differs",)
