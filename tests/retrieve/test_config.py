"""The counters of the models that requests name."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmad_rag.errors import SpecError
from mmad_rag.retrieve import config
from mmad_rag.retrieve.config import RequestCounters
from mmad_rag.retrieve.selection.tokenizers import ESTIMATE, NamedCounter

LETTERS = NamedCounter("letters", len)


def test_each_name_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking one up reads a table of megabytes, which no request should wait for again."""
    asked: list[object] = []
    found = config.counter_for

    def noting(model: object) -> NamedCounter:
        asked.append(model)
        return found(model)

    monkeypatch.setattr(config, "counter_for", noting)
    counters = RequestCounters(LETTERS)
    assert counters.known("gpt-4o") is None
    assert [counters.find(name).name for name in ("gpt-4o", "some-model", "gpt-4o", "some-model")] == [
        "o200k_base", "estimate", "o200k_base", "estimate",
    ]  # fmt: skip
    assert counters.known("gpt-4o") is counters.find("gpt-4o")
    assert asked == ["openai:gpt-4o", "openai:some-model"]


@pytest.mark.parametrize("name", [None, "", 7, ["gpt-4o"], "x" * 201])
def test_what_names_no_model_is_counted_otherwise(name: object) -> None:
    counters = RequestCounters(LETTERS)
    assert counters.known(name) is LETTERS
    assert counters.find(name) is LETTERS


def test_a_client_cannot_fill_the_memory_with_names() -> None:
    counters = RequestCounters(LETTERS)
    for number in range(300):
        assert counters.find(f"m{number}") is ESTIMATE
    assert counters.known("m255") is ESTIMATE
    assert counters.known("m256") is None


def test_a_damaged_tokenizer_in_the_cache_is_no_clients_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "0" * 40
    cached = tmp_path / "models--owner--bad"
    (cached / "snapshots" / commit).mkdir(parents=True)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text(commit)
    (cached / "snapshots" / commit / "tokenizer.json").write_text("{")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(SpecError):
        config.counter_for("openai:owner/bad")
    assert RequestCounters(LETTERS).find("owner/bad") is LETTERS
