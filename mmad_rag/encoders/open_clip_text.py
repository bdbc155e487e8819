"""Turn texts into the token ids of an open_clip model without cutting any."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmad_rag.encoders.fingerprint import text_digest
from mmad_rag.encoders.hub import quick_hub
from mmad_rag.errors import EncoderError
from mmad_rag.files import first_line
from mmad_rag.records import JsonValue

if TYPE_CHECKING:
    import torch

_DEFAULT_CONTEXT = 77


class ClipTokenizer:
    """A tokenizer that refuses texts that it would have to cut."""

    def __init__(
        self,
        ids: Callable[[str], list[int]],
        rows: Callable[[Sequence[str]], torch.Tensor],
        *,
        context: int,
        description: JsonValue,
    ) -> None:
        self._ids = ids
        self._rows = rows
        self.context = context
        self.description = description

    def count(self, text: str) -> int:
        """Number of tokens with start and end marks, before any cutting."""
        return len(self._ids(text))

    def __call__(self, texts: Sequence[str]) -> torch.Tensor:
        """Token ids, shape (len(texts), context).

        Raises:
            EncoderError: a text has more tokens than the context.
        """
        for text in texts:
            refuse_too_long(text, self.count(text), self.context)
        return self._rows(texts)


def refuse_too_long(text: str, tokens: int, context: int) -> None:
    """Raise an EncoderError when a text does not fit into the context."""
    if tokens > context:
        start = f"{text[:60]}..." if len(text) > 60 else text
        raise EncoderError(
            f"the text {start!r} has {tokens} tokens, the encoder takes {context}; "
            "split it into shorter sentences, nothing is cut silently"
        )


def load_tokenizer(text_config: Mapping[str, Any], *, folder: Path | None) -> ClipTokenizer:
    """The tokenizer that an open_clip text config asks for.

    Args:
        text_config: `text_cfg` of a model config; a `bpe_path` in its `tokenizer_kwargs` is relative to
            `folder`.
        folder: folder of the config; a tokenizer of the hub is looked up there first.

    Raises:
        EncoderError: the tokenizer's files are missing and cannot be downloaded.
    """
    context = int(text_config.get("context_length") or _DEFAULT_CONTEXT)
    if text_config.get("hf_tokenizer_name"):
        return _hub_tokenizer(text_config, context, folder)
    return _packaged_tokenizer(text_config, context, folder)


def _packaged_tokenizer(text_config: Mapping[str, Any], context: int, folder: Path | None) -> ClipTokenizer:
    """Byte-pair encoding from a file of merges: the one packaged with open_clip, or the config's own."""
    import torch
    from open_clip import SimpleTokenizer

    options = dict(text_config.get("tokenizer_kwargs") or {})
    options.pop("reduction_mask", None)  # a way to cut long texts; nothing is cut here
    if "bpe_path" in options and folder is not None:
        options["bpe_path"] = str(folder / options["bpe_path"])
    try:
        tokenizer = SimpleTokenizer(context_length=context, **options)
    except (OSError, EOFError, UnicodeDecodeError, TypeError) as error:
        raise EncoderError(
            f"the tokenizer cannot be loaded ({error}); check tokenizer_kwargs in the model config"
        ) from error
    marks = frozenset(tokenizer.all_special_ids)

    def ids(text: str) -> list[int]:
        # A text that spells out an end mark would end there for the model, so the mark is removed.
        inner = [token for token in tokenizer.encode(text) if token not in marks]
        return [tokenizer.sot_token_id, *inner, tokenizer.eot_token_id]

    def rows(texts: Sequence[str]) -> torch.Tensor:
        result = torch.zeros(len(texts), context, dtype=torch.long)
        for row, text in enumerate(texts):
            tokens = ids(text)
            result[row, : len(tokens)] = torch.tensor(tokens)
        return result

    merges = "\n".join(" ".join(pair) for pair in tokenizer.bpe_ranks)
    described: JsonValue = {"merges": text_digest(merges), "clean": str(options.get("clean", "lower"))}
    return ClipTokenizer(ids, rows, context=context, description=described)


def _hub_tokenizer(text_config: Mapping[str, Any], context: int, folder: Path | None) -> ClipTokenizer:
    """A tokenizer of the transformers library, from the config's folder or from the hub."""
    from open_clip.tokenizer import HFTokenizer

    name = str(text_config["hf_tokenizer_name"])
    local = folder is not None and (folder / "tokenizer_config.json").is_file()
    mode = text_config.get("tokenizer_mode") or ""
    try:
        with nullcontext() if local else quick_hub():
            tokenizer = HFTokenizer(
                str(folder) if local else name,
                context_length=context,
                tokenizer_mode=mode,
                **(text_config.get("tokenizer_kwargs") or {}),
            )
    except Exception as error:  # the hub's client raises many types of errors
        reason = first_line(error)
        raise EncoderError(
            f"the tokenizer {name} could not be loaded ({reason}); a download needs a network: connect, or "
            "give the model as CONFIG.json@CHECKPOINT with the tokenizer's files beside the config"
        ) from error
    inner = tokenizer.tokenizer
    inner.split_special_tokens = True  # see the packaged tokenizer: a spelt-out mark must not end a text
    class_mark = [inner.cls_token_id] if mode == "clips" else []  # that mode adds its own marks

    def ids(text: str) -> list[int]:
        clean = tokenizer.clean_fn(text)
        if mode == "clips":
            middle = inner(clean, add_special_tokens=False, verbose=False).input_ids
            return [inner.bos_token_id, *middle, inner.eos_token_id, *class_mark]
        return list(inner(clean, truncation=False, verbose=False).input_ids)

    described: JsonValue = {
        "vocabulary": text_digest(inner.backend_tokenizer.to_str()),
        "mode": mode,
        "options": repr(sorted((text_config.get("tokenizer_kwargs") or {}).items())),
    }
    return ClipTokenizer(ids, lambda texts: tokenizer(list(texts)), context=context, description=described)
