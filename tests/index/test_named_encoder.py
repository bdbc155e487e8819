"""What an index may choose to be loaded, and what its user has to name."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from mmad_rag import KnowledgeIndex, RagWrapper
from mmad_rag.encoders import DEFAULT_ENCODER, load
from mmad_rag.encoders.default_text import DEFAULT_TEXT_ENCODER
from mmad_rag.encoders.protocol import Encoder
from mmad_rag.errors import EncoderError
from mmad_rag.index.manifest import EncoderStamp
from mmad_rag.index.named_encoder import VARIABLE, chosen_by_index
from mmad_rag.retrieve import ClipRetriever
from mmad_rag.retrieve.config import RetrievalConfig


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(load, "_loaded", set())


def stamp(spec: str) -> EncoderStamp:
    return EncoderStamp(spec=spec, fingerprint="0" * 64, dim=4)


def may_fetch() -> bool:
    from huggingface_hub import constants

    return not constants.HF_HUB_OFFLINE


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine that may fetch; nothing is fetched here."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)


@pytest.mark.parametrize("spec", ["builtin:tiny", DEFAULT_ENCODER, DEFAULT_TEXT_ENCODER])
@pytest.mark.usefixtures("online")
def test_our_own_and_the_default_encoders_are_loaded_as_ever(spec: str) -> None:
    with chosen_by_index(stamp(spec)):
        assert may_fetch()


@pytest.mark.parametrize(
    "spec",
    [
        "open_clip:ViT-L-14/openai",
        "timm:resnet18",
        "sentence_transformers:org/model",
        "open_clip:RN50/yfcc15m",
    ],
)
@pytest.mark.usefixtures("online")
def test_models_of_the_hub_are_loaded_from_the_cache_only(spec: str) -> None:
    with chosen_by_index(stamp(spec)):
        assert not may_fetch()
    assert may_fetch()
    with (
        pytest.raises(EncoderError, match="does not choose what is fetched") as caught,
        chosen_by_index(stamp(spec)),
    ):
        raise EncoderError("it is not in the cache")
    assert f"--encoder '{spec}'" in str(caught.value)
    assert may_fetch()


OUTSIDE = [
    "sentence_transformers:@/srv/evil",
    "sentence_transformers:/srv/evil",
    "sentence_transformers:../evil",
    "sentence_transformers:a/../../evil",
    "sentence_transformers:~/evil",
    "sentence_transformers:@~/evil",
    "sentence_transformers:@..",
    "sentence_transformers:@a\\..\\..\\evil",
    "sentence_transformers:C:\\evil",
    "sentence_transformers:\\\\server\\evil",
    "timm:resnet18@/srv/evil.pt",
    "timm:resnet18@../evil.pt",
    "open_clip:ViT-B-32/openai@/srv/evil.safetensors",
    "open_clip:/srv/config.json@weights.pt",
    "open_clip:config.json@/srv/weights.pt",
    "open_clip:../config.json@weights.pt",
]


@pytest.mark.parametrize("spec", OUTSIDE)
def test_files_outside_the_working_folder_have_to_be_named(spec: str) -> None:
    with (
        pytest.raises(EncoderError, match="outside the working folder") as caught,
        chosen_by_index(stamp(spec)),
    ):
        raise AssertionError("it would have been loaded")
    assert f"--encoder '{spec}'" in str(caught.value)


def test_a_link_out_of_the_working_folder_has_to_be_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "model").symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(EncoderError, match="outside"), chosen_by_index(stamp("sentence_transformers:@model")):
        pass


@pytest.mark.parametrize("spec", ["timm:resnet18@models/mine.pt", "sentence_transformers:@models/mine"])
@pytest.mark.usefixtures("online")
def test_files_of_the_working_folder_are_loaded(spec: str) -> None:
    with chosen_by_index(stamp(spec)):
        assert not may_fetch()  # what such a file names is not fetched either


@pytest.mark.parametrize("spec", ["acme:http://evil/x", "acme:@/srv/evil", "acme:a/b", "acme:..", "acme:x@y"])
def test_the_code_of_an_installed_package_gets_no_address_or_path(
    monkeypatch: pytest.MonkeyPatch, spec: str
) -> None:
    with pytest.raises(EncoderError, match="installed package"), chosen_by_index(stamp(spec)):
        pass
    monkeypatch.setenv(VARIABLE, f"timm:x, {spec}")
    with chosen_by_index(stamp(spec)):
        pass
    with pytest.raises(EncoderError, match="installed package"), chosen_by_index(stamp("acme:/other")):
        pass
    monkeypatch.setenv(VARIABLE, "*")
    with chosen_by_index(stamp("acme:/other")):
        pass


def test_an_installed_package_is_given_plain_names() -> None:
    with chosen_by_index(stamp("acme:small-2.1")):
        pass


def test_what_was_loaded_by_name_before_is_loaded_again() -> None:
    spec = OUTSIDE[0]
    load._loaded.add(spec)
    with chosen_by_index(stamp(spec)):
        pass


def test_a_failed_attempt_does_not_count_as_named() -> None:
    with pytest.raises(EncoderError):
        load.load_encoder("timm:resnet18@absent.pt")
    assert not load.was_loaded("timm:resnet18@absent.pt")


def test_the_text_encoder_is_named_by_another_option() -> None:
    with pytest.raises(EncoderError) as caught, chosen_by_index(stamp(OUTSIDE[0]), option="text_encoder"):
        pass
    assert "text_encoder= in Python" in str(caught.value)
    assert "--encoder" not in str(caught.value)
    assert VARIABLE in str(caught.value)


@pytest.fixture
def foreign(index: KnowledgeIndex) -> KnowledgeIndex:
    """An index that names a folder of this machine as its encoder, and as the one of its passages."""
    evil = {"spec": "sentence_transformers:@/srv/evil"}
    manifest = index.manifest
    changed = manifest.model_copy(
        update={
            "encoder": manifest.encoder.model_copy(update=evil),
            "text_encoder": None
            if manifest.text_encoder is None
            else manifest.text_encoder.model_copy(update={**evil, "fingerprint": "1" * 64}),
        }
    )
    return dataclasses.replace(index, manifest=changed)


def test_every_door_refuses_the_choice_of_an_index_and_takes_the_users(
    foreign: KnowledgeIndex, encoder: Encoder, tmp_path: Path
) -> None:
    from mmad_rag.retrieval_eval import evaluate_retrieval

    for door in (
        lambda: ClipRetriever(foreign),
        lambda: RagWrapper(None, foreign),
        lambda: RetrievalConfig().clip(foreign),
        lambda: evaluate_retrieval(foreign, tmp_path),
    ):
        with pytest.raises(EncoderError, match="does not choose"):
            door()
    retriever = ClipRetriever(foreign, encoder=encoder)
    if foreign.manifest.text_encoder is not None:
        with pytest.raises(EncoderError, match="text_encoder="):
            _ = retriever._similarity
