"""A batch of prompts to replies, by a checkpoint in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mmad_rag.errors import ModelActionError, ModelError, ModelRetryError
from mmad_rag.files import first_line
from mmad_rag.images import to_rgb
from mmad_rag.models.transformers.checkpoint import Checkpoint, out_of_memory
from mmad_rag.prompt import RenderedPrompt
from mmad_rag.records import EncodedImage, Reply, Usage

if TYPE_CHECKING:
    import torch


_BROKEN = "\ufffd"


class FirstStep:
    """Keeps the logits at a reply's first position; hand it to `generate` as a logits processor.

    `generate` can return logits by itself, but of every position: a gigabyte for a batch of long replies.
    """

    def __init__(self) -> None:
        self._logits: torch.Tensor | None = None

    def __call__(self, _input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        """Called at every position; changes nothing."""
        if self._logits is None:
            self._logits = scores.float().cpu()
        return scores

    @property
    def logits(self) -> torch.Tensor:
        """float32, shape (batch, vocabulary), on the CPU."""
        if self._logits is None:
            raise RuntimeError("generate() asked for no token")
        return self._logits


def top_tokens(logits: torch.Tensor, count: int, tokenizer: Any) -> Mapping[str, float]:  # noqa: ANN401
    """Text -> probability in [0, 1] of the `count` likeliest tokens, likeliest first.

    Tokens that read alike count together. One that is part of a character stands as the vocabulary has it.

    Args:
        logits: of one position, shape (vocabulary,).
        count: at least 1.
        tokenizer: of the checkpoint.
    """
    probabilities = logits.softmax(dim=-1).topk(min(count, logits.shape[-1]))
    found: dict[str, float] = {}
    for probability, token in zip(probabilities.values.tolist(), probabilities.indices.tolist(), strict=True):
        text = tokenizer.decode([token], clean_up_tokenization_spaces=False)
        if not text or _BROKEN in text:
            text = str(tokenizer.convert_ids_to_tokens(token))
        found[text] = min(1.0, found.get(text, 0.0) + probability)
    return dict(sorted(found.items(), key=lambda item: -item[1]))


@dataclass(frozen=True, slots=True)
class Asked:
    """One prompt and what its reply may be; in a batch all have images or none, and one `max_tokens`."""

    rendered: RenderedPrompt
    """What is shown."""
    max_tokens: int
    """Longest reply, at least 1."""
    logprobs: int | None
    """So many of the likeliest first tokens are reported; None: none."""

    @property
    def images(self) -> tuple[EncodedImage, ...]:
        """The images, in the order they are shown."""
        return tuple(part for part in self.rendered.parts if isinstance(part, EncodedImage))


def answer_batch(checkpoint: Checkpoint, asked: Sequence[Asked]) -> list[Reply | Exception]:
    """Replies, or the errors of those that get none, in the order of asking.

    A batch that fails is asked again in two halves, down to single prompts: one that cannot be answered
    spoils no other, and what does not fit into memory together may fit apart.
    """
    failed: ModelError
    try:
        return _generate(checkpoint, asked)
    except Exception as error:  # each model's own code, on any image and any text
        failed = _failure(checkpoint, error)
    # Outside the handler, where the failed batch's tensors are no longer held by the traceback.
    _free_memory()
    if len(asked) == 1:
        return [failed]
    middle = len(asked) // 2
    return answer_batch(checkpoint, asked[:middle]) + answer_batch(checkpoint, asked[middle:])


def _generate(checkpoint: Checkpoint, asked: Sequence[Asked]) -> list[Reply | Exception]:
    import torch

    inputs = _inputs(checkpoint, asked)
    lengths = [int(length) for length in inputs["attention_mask"].sum(dim=1)]
    too_long = _too_long(checkpoint, asked, lengths)
    if too_long is not None:
        raise too_long
    first = FirstStep()
    with torch.inference_mode():
        sequences = checkpoint.model.generate(
            **_at_the_model(inputs, checkpoint.model),
            max_new_tokens=asked[0].max_tokens,
            logits_processor=[first],
        )
    replies: list[Reply | Exception] = []
    start = inputs["input_ids"].shape[1]
    tokenizer = checkpoint.processor.tokenizer
    for row, item in enumerate(asked):
        tokens = _until_end(sequences[row, start:].tolist(), checkpoint.ends)
        text = tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        likeliest = top_tokens(first.logits[row], item.logprobs, tokenizer) if item.logprobs else None
        usage = Usage(lengths[row], len(tokens))
        replies.append(Reply(text, checkpoint.name, usage, first_token=likeliest))
    return replies


def _inputs(checkpoint: Checkpoint, asked: Sequence[Asked]) -> Any:  # noqa: ANN401 - a mapping of tensors
    texts = [checkpoint.layout.write(item.rendered) for item in asked]
    images = [[to_rgb(image) for image in item.images] for item in asked]
    opens = checkpoint.processor.tokenizer.bos_token
    return checkpoint.processor(
        text=texts,
        images=images if any(images) else None,
        padding=True,
        return_tensors="pt",
        # A template that writes the opening token itself would otherwise get it twice.
        add_special_tokens=not (opens and texts[0].startswith(opens)),
    )


def _at_the_model(inputs: Any, model: Any) -> dict[str, Any]:  # noqa: ANN401 - a class per model
    """Tensors on the model's device, those of images in its number format; what is not a tensor as it is."""
    import torch

    return {
        name: value.to(model.device, model.dtype if value.is_floating_point() else value.dtype)
        if isinstance(value, torch.Tensor)
        else value
        for name, value in inputs.items()
    }


def _too_long(
    checkpoint: Checkpoint, asked: Sequence[Asked], lengths: Sequence[int]
) -> ModelRetryError | None:
    """Told before anything is cut or runs past the positions that the model was trained with."""
    for item, length in zip(asked, lengths, strict=True):
        if checkpoint.context is not None and length + item.max_tokens > checkpoint.context:
            return ModelRetryError(
                f"the prompt has {length} tokens, and with {item.max_tokens} for the reply that is more than "
                f"the {checkpoint.context} that {checkpoint.name} takes; give less knowledge, "
                "fewer or smaller images, or a smaller max_tokens"
            )
    return None


def _until_end(tokens: Sequence[int], ends: frozenset[int]) -> list[int]:
    """Up to the first token that ends a reply, this one included; what follows is padding."""
    for number, token in enumerate(tokens, 1):
        if token in ends:
            return list(tokens[:number])
    return list(tokens)


def _failure(checkpoint: Checkpoint, error: Exception) -> ModelError:
    """Of the same words whether the prompt was alone or not."""
    if isinstance(error, ModelError):
        return error
    reason = first_line(error)
    if out_of_memory(error):
        return ModelRetryError(
            f"{checkpoint.name} ran out of memory on one question ({reason}); "
            "give fewer or smaller images, or free the GPU"
        )
    if "CUDA error" in reason:
        return ModelActionError(
            f"the GPU of {checkpoint.name} failed ({reason}) and answers nothing more in this process; "
            "start again"
        )
    return ModelRetryError(f"{checkpoint.name} cannot answer this question ({reason}); others may still work")


def _free_memory() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
