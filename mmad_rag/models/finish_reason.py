"""Sort the reasons that providers give for the end of a reply."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Ending(StrEnum):
    """What the end of a reply means for the reader."""

    COMPLETE = "complete"
    """The model ended the reply itself, or the provider does not say why it ended."""
    LENGTH = "length"
    """The reply reached the token limit, so that its end is missing."""
    FILTERED = "filtered"
    """The provider's filter withheld the reply or a part of it."""
    FAILED = "failed"
    """The provider broke the reply off, so that what came is not an answer."""


_NAMES: Mapping[Ending, tuple[str, ...]] = MappingProxyType(
    {
        Ending.LENGTH: (
            *("length", "maxtokens", "maxoutputtokens", "maxlength", "modellength", "tokenlimit"),
            *("maxcompletiontokens", "maxnewtokens", "incomplete", "modelcontextwindowexceeded"),
        ),
        Ending.FILTERED: (
            *("contentfilter", "contentfiltered", "sensitive", "safety", "recitation", "blocklist"),
            *("prohibitedcontent", "spii", "imagesafety", "guardrailintervened", "refusal", "flagged"),
        ),
        Ending.FAILED: (
            *("error", "servererror", "networkerror", "modelerror", "abort", "aborted", "cancel"),
            *("cancelled", "canceled", "timeout", "timelimit", "insufficientsystemresource", "interrupted"),
            *("malformedfunctioncall", "failed", "disconnected", "unavailable"),
        ),
    }
)
_ENDINGS: Mapping[str, Ending] = MappingProxyType(
    {name: ending for ending, names in _NAMES.items() for name in names}
)


def ending_of(finish: str | None) -> Ending:
    """The meaning of a `finish_reason`, whatever its case and separators; unknown reasons are complete.

    The names are those of OpenAI, Anthropic, Azure, Bedrock, DeepSeek, Gemini, Mistral, OpenRouter, vLLM and
    Zhipu. A name may be qualified by its enum, as in `FinishReason.MAX_TOKENS`.
    """
    name = (finish or "").rpartition(".")[2]
    return _ENDINGS.get("".join(filter(str.isalnum, name)).lower(), Ending.COMPLETE)


def was_cut(finish: str | None) -> bool | None:
    """Whether a reply ended at the token limit; None if the provider does not say why it ended."""
    return None if finish is None else ending_of(finish) is Ending.LENGTH
