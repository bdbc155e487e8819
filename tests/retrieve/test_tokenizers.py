"""Tokens: a model's own tokenizer where it is at hand, else an estimate with a stated error; no download."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmad_rag.encoders.repair import import_torchvision
from mmad_rag.errors import SpecError
from mmad_rag.knowledge import load_knowledge, passages_of
from mmad_rag.knowledge.shipped import shipped_knowledge
from mmad_rag.retrieve import token_counter as public
from mmad_rag.retrieve.selection.tokenizers import ESTIMATE, token_counter
from mmad_rag.words.token_estimate import UNDER_COUNT, TokenCounter, estimate_tokens
from tests.support.minilm import minilm_folder

TEXTS = {
    "digits": "Torque 12.5 Nm at 3,000 rpm; lot 20240517-0042, +/-0.05 mm, 1024x768 px, no. 4711-0815-99",
    "umlauts": "Die Oberfläche zeigt gleichmäßige Körnung; Prüfgerät über Öffnung, Fugen müssen schließen.",
    "german": "Schraubenverbindung, Oberflächenbeschichtung und Fertigungstoleranzüberschreitung prüfen.",
    "polish": "Pęknięcie na krawędzi śruby, żółty nalot i zarysowania głębsze niż pół milimetra są złe.",
    "chinese": "金属螺母表面应光滑无划痕，四个齿均匀分布，中心孔为圆形。如发现弯曲则判定为缺陷。",
    "japanese": "ボトルの口は円形で、欠けやひび割れがないこと。ラベルのずれは二ミリ以内とする。",
    "korean": "병 입구는 둥글고 깨지거나 금이 간 곳이 없어야 합니다.",
    "russian": "На поверхности гайки не должно быть царапин, вмятин и следов ржавчины.",
    "greek": "Η επιφάνεια πρέπει να είναι λεία χωρίς γρατζουνιές.",
    "hindi": "सतह चिकनी होनी चाहिए और उस पर कोई खरोंच नहीं होनी चाहिए।",
    "code": "def check(img, thr=0.85):\n    mask = (img[..., 0] > thr) & ~np.isnan(img)\n    return 1e-3",
    "names": "getReferencePicture(productName).cosineSimilarity >= thresholdValue || raise('PCB_ASSY_REV_C')",
    "capitals": "WARNING: DO NOT OPEN. CAUTION HIGH VOLTAGE. PART NUMBER XJ-9/TPQ. RESISTOR 0402 10KΩ ±1%",
    "signs": "Ø 12 mm ± 0,05 · R ≤ 0.8 µm → OK ✓ / ✗ (≥ 3×) © ® °C “quoted” – dash — … • bullet",
    "emoji": "✅ good 👍 ⚠️ check 🔧 rework ❌ scrap 🏭",
    "address": "see https://example.com/a/b_c?id=4f9a8b7c&lang=de#sec-2 or mail qa@example.com",
    "hexadecimal": "sha 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "rare": "Chatoyancy, phyllotaxis, xylophagous, tribological, anisotropy, galvannealed, ferrosilicon",
}
OVER_COUNT = {"russian": 4.5, "greek": 4.5}
"""How far the estimate may lie above a tokenizer's count; 2.5 where nothing is said."""


@pytest.fixture(scope="module")
def counters() -> Mapping[str, TokenCounter]:
    """CLIP's packaged byte pairs, MiniLM's word pieces, and the encodings of GPT-4 and GPT-4o."""
    import_torchvision()
    from open_clip import SimpleTokenizer

    clip = SimpleTokenizer()
    return {
        "clip": lambda text: len(clip.encode(text)),
        "minilm": token_counter(f"@{minilm_folder() / 'tokenizer.json'}"),
        "gpt-4": token_counter("gpt-4"),
        "gpt-4o": token_counter("openai:gpt-4o"),
    }


@pytest.fixture(scope="module")
def passages() -> list[str]:
    """Every shipped passage."""
    return [
        passage.text
        for product in load_knowledge(shipped_knowledge()).products
        for passage in passages_of(product)
    ]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("A bent tooth.", 4),
        ("2026", 4),
        ("scratch", 1),
        ("scratches", 2),
        ("counterclockwise", 3),
        ("WARNING", 3),
        ("a, b", 3),
        ("x_1", 3),
        ("é", 1),
        ("Öffnung", 4),
        ("гайка", 8),
        ("सत", 2),
        ("螺母", 4),
        ("→", 2),
        ("\ud800", 2),
        (" \n\t", 0),
    ],
)
def test_tokens_are_estimated_as_documented(text: str, tokens: int) -> None:
    assert estimate_tokens(text) == tokens


@given(st.text(), st.text(), st.sampled_from([" ", "\n"]))
def test_texts_joined_by_white_space_cost_what_they_cost_alone(first: str, second: str, joint: str) -> None:
    assert estimate_tokens(f"{first}{joint}{second}") == estimate_tokens(first) + estimate_tokens(second)


@pytest.mark.parametrize("name", ["clip", "minilm", "gpt-4", "gpt-4o"])
def test_on_all_shipped_passages_together_the_estimate_is_right_within_two_percent(
    counters: Mapping[str, TokenCounter], passages: list[str], name: str
) -> None:
    counts = [counters[name](text) for text in passages]
    estimates = [estimate_tokens(text) for text in passages]
    assert sum(estimates) == pytest.approx(sum(counts), rel=0.02)
    assert max(count / estimate for count, estimate in zip(counts, estimates, strict=True)) <= 1.5
    assert max(estimate / count for count, estimate in zip(counts, estimates, strict=True)) <= 1.5


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_on_hard_texts_the_estimate_is_never_too_low_by_more_than_its_stated_factor(
    counters: Mapping[str, TokenCounter], text: str
) -> None:
    estimate = estimate_tokens(text)
    counts = {name: counter(text) for name, counter in counters.items()}
    assert max(counts.values()) <= UNDER_COUNT * estimate, counts
    name = next(name for name, known in TEXTS.items() if known == text)
    assert estimate <= OVER_COUNT.get(name, 2.5) * min(counts.values()), counts


def test_a_models_own_encoding_counts_where_its_table_is_installed() -> None:
    assert public("gpt-4o").name == "o200k_base"
    assert token_counter("openai:gpt-4o-mini-2024-07-18").name == "o200k_base"
    assert token_counter("gpt-4").name == "cl100k_base"
    assert token_counter("ft:gpt-4o:someone").name == "o200k_base"
    assert token_counter("gpt-oss-20b").name == "o200k_harmony"
    assert token_counter("gpt-4")("A bent tooth.") == 4
    assert token_counter("gpt-4")("<|endoftext|>") > 1
    assert token_counter("gpt-4")("\ud800") == 1


@pytest.mark.parametrize("model", ["my-model", "transformers:Qwen/Qwen2.5-VL-7B-Instruct", "davinci", ""])
def test_a_model_without_a_table_at_hand_is_estimated(model: str) -> None:
    assert token_counter(model) is ESTIMATE
    assert token_counter(model)("A bent tooth.") == 4


def _cached_table() -> Path:
    import llama_index.core

    return Path(llama_index.core.__path__[0]) / "_static" / "tiktoken_cache"


@pytest.fixture
def no_tables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache of tiktoken, no tables installed, and no network that could fetch one."""

    def refused(*_args: object, **_options: object) -> None:
        raise AssertionError("a connection was opened")

    cache = tmp_path / "cache"
    cache.mkdir()
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(cache))
    monkeypatch.setattr("mmad_rag.retrieve.selection.tokenizers._INSTALLED", ("nowhere", "at_all"))
    monkeypatch.setattr(socket.socket, "connect", refused)
    return cache


def test_a_missing_table_is_never_fetched(no_tables: Path) -> None:
    assert token_counter("gpt-4o") is ESTIMATE
    assert list(no_tables.iterdir()) == []


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: b"", lambda data: data + b"x"])
def test_a_damaged_table_is_left_alone_and_nothing_is_fetched(
    no_tables: Path, damage: Callable[[bytes], bytes]
) -> None:
    name = "9b5ad71b2ce5302211f9c61530b329a4922fc6a4"
    damaged = damage((_cached_table() / name).read_bytes())
    (no_tables / name).write_bytes(damaged)
    assert token_counter("gpt-4") is ESTIMATE
    assert (no_tables / name).read_bytes() == damaged


def test_a_table_in_tiktokens_own_cache_is_used_and_the_environment_is_left_as_it_was(
    no_tables: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tiktoken.registry

    name = "9b5ad71b2ce5302211f9c61530b329a4922fc6a4"
    shutil.copy(_cached_table() / name, no_tables / name)
    monkeypatch.setattr(tiktoken.registry, "ENCODINGS", {})
    assert token_counter("gpt-4").name == "cl100k_base"
    assert os.environ["TIKTOKEN_CACHE_DIR"] == str(no_tables)
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "")
    assert token_counter("gpt-4") is ESTIMATE
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR")
    monkeypatch.delenv("DATA_GYM_CACHE_DIR", raising=False)
    temporary = no_tables.parent / "temporary"
    (temporary / "data-gym-cache").mkdir(parents=True)
    shutil.copy(_cached_table() / name, temporary / "data-gym-cache" / name)
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    assert token_counter("gpt-4").name == "cl100k_base"
    assert "TIKTOKEN_CACHE_DIR" not in os.environ


def test_without_tiktoken_everything_is_estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert token_counter("gpt-4o") is ESTIMATE


def test_a_tokenizer_file_counts_without_marks_and_is_named_by_its_bytes() -> None:
    path = minilm_folder() / "tokenizer.json"
    counter = token_counter(f"@{path}")
    assert counter("a bent tooth.") == 4
    assert counter("tooth " * 1000) == 1000
    assert counter.name == f"tokenizer:{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"
    assert "at 0x" not in repr(counter)


def test_a_file_that_is_no_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"absent\.json cannot be read"):
        token_counter(f"@{tmp_path / 'absent.json'}")
    wrong = tmp_path / "wrong.json"
    wrong.write_bytes(base64.b64encode(b"no tokenizer"))
    with pytest.raises(SpecError, match=r"wrong\.json is not a tokenizer"):
        token_counter(f"@{wrong}")
