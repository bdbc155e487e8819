"""A model that runs a vision-language checkpoint of transformers in this process."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
import time
import weakref
from functools import partial
from typing import TypeAlias

from mmad_rag.errors import InputError
from mmad_rag.models.options import ModelOptions
from mmad_rag.models.transformers.batching import Batches
from mmad_rag.models.transformers.checkpoint import Checkpoint, check_dtype, load_checkpoint
from mmad_rag.models.transformers.files import find_files, weights_dtype
from mmad_rag.models.transformers.generation import Asked, answer_batch
from mmad_rag.prompt import render
from mmad_rag.records import Prompt, Reply


class TransformersModel:
    """Asks an image-text-to-text checkpoint of the model hub or of a folder, through its own chat template.

    Weights are loaded once for all models of a process with the same checkpoint, device and dtype, and freed
    when the last of them is deleted. One thread generates; concurrent questions are answered in batches of up
    to `ModelOptions.batch`. Decoding is greedy: the same prompt gives the same reply, up to rounding that
    depends on the rest of the batch.

    Args:
        name: `OWNER/NAME` of the model hub, `OWNER/NAME@REVISION`, or `@FOLDER`.
        options: `device`, `dtype`, `batch`, `logprobs`, and `max_tokens` or `max_completion_tokens` are used.
        asks: Whether to load the weights now; False loads them with the first question, if there is one.

    Raises:
        SpecError: the name is incomplete.
        InputError: the options ask for sampling or for unlimited replies, or name an unknown device or dtype.
        ModelActionError: the checkpoint is not found, not suitable, or does not fit into memory.

    Example:
        >>> model = TransformersModel("Qwen/Qwen2.5-VL-7B-Instruct")                       # doctest: +SKIP
        >>> model.identity                                                                 # doctest: +SKIP
        'transformers:Qwen/Qwen2.5-VL-7B-Instruct, revision=cc594898137f460b, dtype=bfloat16, max_tokens=256'
    """

    def __init__(self, name: str, options: ModelOptions | None = None, *, asks: bool = True) -> None:
        self._options = options if options is not None else ModelOptions()
        self._max_tokens = _reply_limit(self._options)
        check_dtype(self._options.dtype)
        self._files = find_files(name, weights=asks)
        self._engine = self._find_engine() if asks else None
        dtype = (
            self._engine.checkpoint.dtype
            if self._engine is not None
            else weights_dtype(self._files, self._options.dtype)
        )
        logprobs = "" if self._options.logprobs is None else f", logprobs={self._options.logprobs}"
        self._identity = (
            f"transformers:{self._files.name}, {self._files.revision}, dtype={dtype}, "
            f"max_tokens={self._max_tokens}{logprobs}"
        )

    @property
    def identity(self) -> str:
        """The name, the revision or digest of the files, the number format, and the limits of a reply."""
        return self._identity

    @property
    def tokenizer(self) -> str:
        """Spec of the tokenizer: `transformers:@` with the folder of the checkpoint, which holds it."""
        return f"transformers:@{self._files.folder}"

    async def answer(self, prompt: Prompt) -> Reply:
        """Answer a prompt in a batch without blocking the event loop.

        Raises:
            SpecError: the prompt names a wording that does not exist.
            ModelActionError: the GPU failed.
            ModelRetryError: this prompt is too long, too large, or refused by the model's own code.
        """
        start = time.monotonic()
        asked = Asked(render(prompt), self._max_tokens, self._options.logprobs)
        group = (asked.max_tokens, bool(asked.images))
        if self._engine is None:
            self._engine = await asyncio.to_thread(self._find_engine)
        reply = await self._engine.ask(asked, group=group, size=self._options.batch)
        return dataclasses.replace(reply, latency_s=time.monotonic() - start)

    def _find_engine(self) -> _Engine:
        """The engine of another model with the same checkpoint, device and dtype, else a newly loaded one."""
        device, dtype = self._options.device, self._options.dtype
        key = (str(self._files.folder.resolve()), self._files.revision, device, dtype)
        with _LOADING:
            engine = _ENGINES.get(key)
            if engine is None:
                engine = _Engine(load_checkpoint(self._files, device=device, dtype=dtype))
                _ENGINES[key] = engine
        return engine


class _Engine(Batches[Asked, Reply]):
    """The batches of one checkpoint; a working thread holds it, so that it stays in `_ENGINES`."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__(partial(answer_batch, checkpoint))
        self.checkpoint = checkpoint


_Key: TypeAlias = tuple[str, str, str, str]
_ENGINES: weakref.WeakValueDictionary[_Key, _Engine] = weakref.WeakValueDictionary()
"""Engines of this process, shared by the arms of a run and models with other options: weights are large."""
_LOADING = threading.Lock()


def _reply_limit(options: ModelOptions) -> int:
    if options.temperature:
        raise InputError(
            f"temperature is {options.temperature}, and transformers: models decode greedily; leave it at 0"
        )
    limit = options.max_completion_tokens or options.max_tokens
    if limit is None:
        raise InputError("transformers: models need an end of their replies; give max_tokens, e.g. 256")
    return limit
