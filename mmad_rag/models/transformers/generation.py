"""Generate the replies to a batch of prompts with a loaded checkpoint."""

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
    """Keeps the logits at a reply's first position; pass it to `generate` as a logits processor.

    `generate` itself can only return the logits of every position: a gigabyte for a batch of long replies.
    """

    def __init__(self) -> None:
        self._logits: torch.Tensor | None = None

    def __call__(self, _input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        """Keep the scores of the first position; they are returned unchanged at every position."""
        if self._logits is None:
            self._logits = scores.float().cpu()
        return scores

    @property
    def logits(self) -> torch.Tensor:
        """The logits as float32, shape (batch, vocabulary), on the CPU."""
        if self._logits is None:
            raise RuntimeError("generate() asked for no token")
        return self._logits


def top_tokens(logits: torch.Tensor, count: int, tokenizer: Any) -> Mapping[str, float]:  # noqa: ANN401
    """Text -> probability in [0, 1] of the `count` likeliest tokens, likeliest first.

    Probabilities of tokens with the same text are summed. A token that is only a part of a character has its
    form in the vocabulary as text.

    Args:
        logits: Logits of one position, shape (vocabulary,).
        count: Number of tokens, at least 1.
        tokenizer: The checkpoint's tokenizer.
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
    """One prompt with the limits of its reply.

    In a batch either all prompts have images or none has, and all have the same `max_tokens`.
    """

    rendered: RenderedPrompt
    """The prompt to show."""
    max_tokens: int
    """Longest reply in tokens, at least 1."""
    logprobs: int | None
    """Number of likeliest first tokens to report; None reports none."""

    @property
    def images(self) -> tuple[EncodedImage, ...]:
        """The images in the order of the prompt."""
        return tuple(part for part in self.rendered.parts if isinstance(part, EncodedImage))


def answer_batch(checkpoint: Checkpoint, asked: Sequence[Asked]) -> list[Reply | Exception]:
    """Replies to the prompts of a batch, or errors in their place, in the order of asking.

    A batch that fails is split in two halves, down to single prompts, so that one prompt without an answer
    does not affect the others, and a batch too large for the memory is answered in parts.
    """
    failed: ModelError
    try:
        return _generate(checkpoint, asked)
    except Exception as error:  # each model runs its own code, on any image and any text
        failed = _failure(checkpoint, error)
    # This is outside the handler, where the traceback no longer holds the failed batch's tensors.
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
        finish = "stop" if tokens and tokens[-1] in checkpoint.ends else "length"
        replies.append(Reply(text, checkpoint.name, usage, first_token=likeliest, finish=finish))
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
        # If the template writes the opening token itself, the tokenizer must not add it again.
        add_special_tokens=not (opens and texts[0].startswith(opens)),
    )


def _at_the_model(inputs: Any, model: Any) -> dict[str, Any]:  # noqa: ANN401 - a class per model
    """The inputs with tensors on the model's device, those of images in its number format."""
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
    """The error for prompts beyond the context, raised before anything is truncated or exceeds the positions
    that the model was trained with; None if all fit."""
    for item, length in zip(asked, lengths, strict=True):
        if checkpoint.context is not None and length + item.max_tokens > checkpoint.context:
            return ModelRetryError(
                f"the prompt has {length} tokens, and with {item.max_tokens} for the reply that is more than "
                f"the {checkpoint.context} that {checkpoint.name} takes; give less knowledge, "
                "fewer or smaller images, or a smaller max_tokens"
            )
    return None


def _until_end(tokens: Sequence[int], ends: frozenset[int]) -> list[int]:
    """The tokens up to the first one that ends a reply, inclusive; the rest is padding."""
    for number, token in enumerate(tokens, 1):
        if token in ends:
            return list(tokens[:number])
    return list(tokens)


def _failure(checkpoint: Checkpoint, error: Exception) -> ModelError:
    """The error for a failed prompt; its words do not depend on the batch."""
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
