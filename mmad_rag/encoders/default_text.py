"""Choose what embeds the passages if no text encoder is requested."""

from __future__ import annotations

from dataclasses import dataclass

from mmad_rag.encoders.load import load_encoder
from mmad_rag.encoders.protocol import Encoder
from mmad_rag.errors import EncoderError
from mmad_rag.network import settings_fault

AUTO = "auto"
"""Selects the default text encoder if it is available, otherwise words."""
WORDS = "words"
"""Selects words: passages have no vectors and are found by their words (BM25)."""
DEFAULT_TEXT_ENCODER = "sentence_transformers:all-MiniLM-L6-v2"
"""Spec of the default text encoder, a small sentence encoder of 90 MB to download."""

_REPOSITORY = "sentence-transformers/all-MiniLM-L6-v2"
_NEEDED_FILES = ("modules.json", "config.json", "tokenizer.json", "model.safetensors")
_ANSWER_WITHIN_S = 5.0
_BUILTIN = "builtin:"


@dataclass(frozen=True, slots=True)
class TextEncoderChoice:
    """How passages are found."""

    encoder: Encoder | None
    """The encoder that embeds passages; None if they are found by their words."""
    reason: str
    """The choice and its reason in one line for the user; empty if the choice was requested."""


def choose_text_encoder(text_encoder: Encoder | str, encoder: Encoder) -> TextEncoderChoice:
    """Choose what embeds the passages of an index.

    A CLIP's own text tower is only used on request, because it was trained on captions, not on sentences that
    answer questions. Request it by giving the encoder's own spec.

    Args:
        text_encoder: A loaded encoder, a spec, `words`, or `auto`: `DEFAULT_TEXT_ENCODER` if it is cached or
            the model hub answers, otherwise words. With a `builtin:` encoder `auto` means words, so that
            nothing is ever fetched.
        encoder: The encoder of keys and images; it is not loaded again if `text_encoder` is its spec.

    Raises:
        SpecError: the spec is unknown or incomplete.
        EncoderError: the requested encoder cannot be loaded or has no text tower.
    """
    if text_encoder == AUTO:
        return _automatic(encoder)
    if text_encoder == WORDS:
        return TextEncoderChoice(None, "")
    if isinstance(text_encoder, str):
        text_encoder = encoder if text_encoder == encoder.spec else load_encoder(text_encoder)
    if text_encoder.texts is None:
        raise EncoderError(
            f"the encoder {text_encoder.spec} has no text tower and cannot embed passages; give another "
            f"--text-encoder, `{WORDS}` or `{AUTO}`"
        )
    return TextEncoderChoice(text_encoder, "")


def _automatic(encoder: Encoder) -> TextEncoderChoice:
    if encoder.spec.startswith(_BUILTIN):
        return _words(f"nothing is fetched beside {encoder.spec}, whose own texts are captions of drawings")
    if not (_cached() or _hub_answers()):
        why = f": {fault}" if (fault := settings_fault()) else ""
        return _words(f"{DEFAULT_TEXT_ENCODER} is not cached and the model hub cannot be reached{why}")
    try:
        loaded = load_encoder(DEFAULT_TEXT_ENCODER)
    except EncoderError as error:
        return _words(str(error))
    return TextEncoderChoice(loaded, f"passages are embedded by {DEFAULT_TEXT_ENCODER}, the default")


def _words(why: str) -> TextEncoderChoice:
    return TextEncoderChoice(
        None, f"passages are found by their words (BM25): {why}; --text-encoder SPEC chooses an encoder"
    )


def _cached() -> bool:
    """Whether the whole model is in the hub's cache, so that it loads without a network."""
    from huggingface_hub import try_to_load_from_cache

    return all(isinstance(try_to_load_from_cache(_REPOSITORY, name), str) for name in _NEEDED_FILES)


def _hub_answers() -> bool:
    """Whether the hub answers one quick request, through the proxy if there is one."""
    from huggingface_hub import constants, get_session

    if constants.HF_HUB_OFFLINE:
        return False
    try:
        answer = get_session().head(constants.ENDPOINT, timeout=_ANSWER_WITHIN_S)
    except Exception:  # the session's type, httpx or requests, depends on the client's version
        return False
    return bool(answer.status_code < 400)
