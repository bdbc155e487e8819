"""Similarity of questions to passages: by vectors and by words, and the choice between them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import bm25s
import numpy as np
import pytest

from mmad_rag.encoders import load_encoder
from mmad_rag.encoders.default_text import AUTO, DEFAULT_TEXT_ENCODER, WORDS, choose_text_encoder
from mmad_rag.encoders.protocol import Encoder
from mmad_rag.errors import EncoderError, SpecError
from mmad_rag.index import KnowledgeIndex
from mmad_rag.retrieve.clip import passage_similarity
from mmad_rag.retrieve.selection.similarity import vector_similarity, word_similarity
from tests.support.minilm import minilm_folder
from tests.support.running import Cli
from tests.support.world import World, colour_encoder

CHOICE = "mmad_rag.encoders.default_text"


@pytest.fixture(scope="session")
def minilm() -> Encoder:
    """The real default text encoder, from a package."""
    return load_encoder(f"sentence_transformers:@{minilm_folder()}")


@pytest.fixture(scope="session")
def sentences(world: World, encoder: Encoder, minilm: Encoder) -> KnowledgeIndex:
    """The tiny world, routed by colour, its passages embedded by the default text encoder."""
    return KnowledgeIndex.build(world.knowledge, encoder, text_encoder=minilm, references=world.references)


def rows_of(index: KnowledgeIndex, product: str) -> list[int]:
    return [row for row, passage in enumerate(index.passages) if passage.product == product]


def test_vectors_score_the_cosine_scaled_over_the_passages_compared(
    index: KnowledgeIndex, encoder: Encoder
) -> None:
    assert encoder.texts is not None
    assert index.passage_vectors is not None
    similarity = vector_similarity(index, encoder)
    for rows in (rows_of(index, "red_disc"), [40, 3, 17]):
        cosines = index.passage_vectors[rows].astype(np.float64) @ encoder.texts.encode_texts(["red"])[0]
        expected = (cosines - cosines.min()) / (cosines.max() - cosines.min())
        assert similarity("red", rows) == pytest.approx(expected.tolist(), abs=1e-5)
    assert similarity("red", rows_of(index, "red_disc")[:1]) == [0.0]
    assert similarity("red", []) == []
    without = dataclasses.replace(index, passage_vectors=None)
    with pytest.raises(ValueError, match="no passage vectors"):
        vector_similarity(without, encoder)


def test_words_find_the_passage_that_shares_them(index: KnowledgeIndex) -> None:
    similarity = word_similarity(index)
    rows = rows_of(index, "red_disc")
    scores = similarity("grease left by a machine", rows)
    best = index.passages[rows[int(np.argmax(scores))]]
    assert best.text == "Grease from a hand or a machine was left on it."
    assert max(scores) == 1.0
    assert set(similarity("the of", rows)) == {0.0}
    assert set(similarity("zeppelin", rows)) == {0.0}
    assert similarity("anything", []) == []


def test_words_score_what_bm25_says(index: KnowledgeIndex) -> None:
    ranker = bm25s.BM25()
    texts = [passage.text for passage in index.passages]
    ranker.index(bm25s.tokenize(texts, stopwords="en", show_progress=False), show_progress=False)
    scores = np.asarray(ranker.get_scores(["black", "paint", "rim"]), np.float64)
    rows = rows_of(index, "green_square")
    expected = (scores[rows] - scores[rows].min()) / (scores[rows].max() - scores[rows].min())
    assert word_similarity(index)("black paint rim", rows) == pytest.approx(expected.tolist(), abs=1e-5)


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("Could someone get injured?", "Splinters of the disc can hurt a child."),
        ("Was it let fall?", "The disc was dropped on a hard floor."),
        ("Did oily fingers touch it?", "Grease from a hand or a machine was left on it."),
    ],
)
def test_the_default_text_encoder_finds_what_shares_no_word(
    sentences: KnowledgeIndex, minilm: Encoder, question: str, text: str
) -> None:
    rows = rows_of(sentences, "red_disc")
    scores = vector_similarity(sentences, minilm)(question, rows)
    assert sentences.passages[rows[int(np.argmax(scores))]].text == text
    assert len(scores) == len(rows)


def test_an_index_is_searched_by_what_it_was_built_for(
    sentences: KnowledgeIndex, index: KnowledgeIndex, encoder: Encoder, minilm: Encoder
) -> None:
    rows = rows_of(index, "red_disc")
    question = "Could someone get injured?"
    assert passage_similarity(sentences, encoder, minilm)(question, rows) == vector_similarity(
        sentences, minilm
    )(question, rows)
    own = passage_similarity(index, encoder, None)
    assert own(question, rows) == vector_similarity(index, encoder)(question, rows)
    by_words = dataclasses.replace(
        index, manifest=index.manifest.model_copy(update={"text_encoder": None}), passage_vectors=None
    )
    assert passage_similarity(by_words, encoder, None)(question, rows) == word_similarity(index)(
        question, rows
    )


def test_what_is_asked_for_is_taken(encoder: Encoder) -> None:
    other = colour_encoder(name="other")
    assert choose_text_encoder(other, encoder).encoder is other
    assert choose_text_encoder("test:colour", encoder).encoder is encoder
    assert choose_text_encoder(WORDS, encoder).encoder is None
    assert {choose_text_encoder(what, encoder).reason for what in (other, "test:colour", WORDS)} == {""}


def test_what_cannot_embed_passages_is_refused(encoder: Encoder) -> None:
    blind = colour_encoder(texts=False)
    for wanted, known in ((blind, encoder), (blind.spec, blind)):
        with pytest.raises(EncoderError, match=r"has no text tower.*`words` or `auto`"):
            choose_text_encoder(wanted, known)
    with pytest.raises(SpecError, match="unknown provider 'nobody'"):
        choose_text_encoder("nobody:x", encoder)


def test_beside_a_builtin_encoder_nothing_is_loaded_or_fetched(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_cached", "_hub_answers", "load_encoder"):
        monkeypatch.setattr(f"{CHOICE}.{name}", lambda *_: pytest.fail("it was asked"))
    choice = choose_text_encoder(AUTO, dataclasses.replace(encoder, spec="builtin:tiny"))
    assert choice.encoder is None
    assert "found by their words (BM25)" in choice.reason
    assert "builtin:tiny" in choice.reason


@pytest.mark.parametrize(("cached", "answers"), [(True, False), (False, True), (True, True)])
def test_the_default_is_taken_where_it_is_cached_or_the_hub_answers(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch, cached: bool, answers: bool
) -> None:
    default = colour_encoder(name="default")
    monkeypatch.setattr(f"{CHOICE}._cached", lambda: cached)
    monkeypatch.setattr(f"{CHOICE}._hub_answers", lambda: answers)
    monkeypatch.setattr(f"{CHOICE}.load_encoder", {DEFAULT_TEXT_ENCODER: default}.__getitem__)
    choice = choose_text_encoder(AUTO, encoder)
    assert choice.encoder is default
    assert DEFAULT_TEXT_ENCODER in choice.reason


def test_words_are_taken_with_the_reason_where_the_default_cannot_be_had(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_spec: str) -> Encoder:
        raise EncoderError("the download broke off")

    monkeypatch.setattr(f"{CHOICE}._cached", lambda: False)
    monkeypatch.setattr(f"{CHOICE}._hub_answers", lambda: False)
    away = choose_text_encoder(AUTO, encoder)
    assert away.encoder is None
    assert "is not cached and the model hub cannot be reached" in away.reason
    monkeypatch.setattr(f"{CHOICE}._hub_answers", lambda: True)
    monkeypatch.setattr(f"{CHOICE}.load_encoder", broken)
    failed = choose_text_encoder(AUTO, encoder)
    assert failed.encoder is None
    assert "the download broke off" in failed.reason
    assert "--text-encoder SPEC" in failed.reason


@pytest.mark.parametrize("missing", [None, "model.safetensors", "modules.json"])
def test_a_model_counts_as_cached_when_all_of_it_is(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch, missing: str | None
) -> None:
    default = colour_encoder(name="default")
    monkeypatch.setattr(
        "huggingface_hub.try_to_load_from_cache",
        lambda repository, name: None if name == missing else f"{repository}/{name}",
    )
    monkeypatch.setattr(f"{CHOICE}._hub_answers", lambda: False)
    monkeypatch.setattr(f"{CHOICE}.load_encoder", lambda _spec: default)
    assert (choose_text_encoder(AUTO, encoder).encoder is default) == (missing is None)


@pytest.mark.parametrize(
    ("offline", "status", "loads"),
    [(True, 200, False), (False, 200, True), (False, 307, True), (False, 403, False), (False, None, False)],
)
def test_the_hub_is_asked_once_and_quickly_and_never_when_it_is_switched_off(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch, offline: bool, status: int | None, loads: bool
) -> None:
    asked: list[float] = []

    def head(_address: str, *, timeout: float) -> SimpleNamespace:
        asked.append(timeout)
        if status is None:
            raise OSError("no way to the host")
        return SimpleNamespace(status_code=status)

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", offline)
    monkeypatch.setattr("huggingface_hub.get_session", lambda: SimpleNamespace(head=head))
    monkeypatch.setattr(f"{CHOICE}._cached", lambda: False)
    monkeypatch.setattr(f"{CHOICE}.load_encoder", lambda _spec: encoder)
    assert (choose_text_encoder(AUTO, encoder).encoder is not None) == loads
    assert asked == ([] if offline else [5.0])


def test_build_index_says_what_passages_are_found_by_and_the_manifest_records_it(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cli = Cli(capsys, monkeypatch)
    words = ("build-index", world.knowledge, "--encoder", "builtin:tiny", "--out")
    automatic = cli(*words, tmp_path / "auto")
    assert automatic.code == 0
    assert automatic.err.count("found by their words (BM25)") == 1
    assert KnowledgeIndex.load(tmp_path / "auto").manifest.text_encoder is None
    asked = cli(*words, tmp_path / "words", "--text-encoder", "words")
    assert "BM25" not in asked.err
    own = cli(*words, tmp_path / "own", "--text-encoder", "builtin:tiny")
    assert own.code == 0
    stamp = KnowledgeIndex.load(tmp_path / "own").manifest.text_encoder
    assert stamp is not None
    assert stamp.spec == "builtin:tiny"
    refused = cli(*words, tmp_path / "none", "--text-encoder", "nobody:x")
    assert refused.code == 1
    assert "unknown provider 'nobody'" in refused.err
