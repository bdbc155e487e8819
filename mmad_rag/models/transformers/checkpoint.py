"""A transformers checkpoint in memory."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mmad_rag.encoders.repair import import_torchvision
from mmad_rag.errors import EncoderError, InputError, ModelActionError
from mmad_rag.files import first_line
from mmad_rag.models.transformers.chat_template import ChatLayout, find_layout
from mmad_rag.models.transformers.files import CheckpointFiles

if TYPE_CHECKING:
    import torch

_SHOWN = 3
DTYPES = ("auto", "float32", "bfloat16", "float16")
"""Number formats of weights; `auto` is the checkpoint's own."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything that is needed to answer with it; get one with `load_checkpoint`."""

    name: str
    """For messages: `transformers:` with the name."""
    model: Any
    """Loaded, in evaluation mode, its generation settings reduced to its special tokens."""
    processor: Any
    """Texts and images -> tensors, padded on the left."""
    layout: ChatLayout
    """Prompts -> texts."""
    ends: frozenset[int]
    """Tokens that end a reply."""
    context: int | None
    """Tokens that prompt and reply may have together; None where the configuration does not say."""

    @property
    def dtype(self) -> str:
        """The number format that the weights have, e.g. `bfloat16`."""
        return str(self.model.dtype).removeprefix("torch.")


def load_checkpoint(files: CheckpointFiles, *, device: str, dtype: str) -> Checkpoint:
    """Load model and processor from a folder; nothing is fetched, and no code of the checkpoint is run.

    Args:
        files: where it lies.
        device: `auto` (the GPUs, else the CPU), or what torch calls a device: `cpu`, `cuda:0`.
        dtype: one of `DTYPES`.

    Raises:
        InputError: device or dtype do not exist.
        ModelActionError: it cannot be loaded, or does not answer questions about images.
    """
    name = f"transformers:{files.name}"
    _check(device, dtype)
    with contextlib.suppress(EncoderError):  # transformers says by itself which models need it
        import_torchvision()
    processor = _load_processor(files, name)
    layout = find_layout(processor, name)
    model = _load_model(files, name, device=device, dtype=dtype)
    tokenizer = processor.tokenizer
    tokenizer.padding_side = "left"  # so that all replies of a batch begin at one position
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    ends = _settle_generation(model, tokenizer)
    context = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return Checkpoint(name, model, processor, layout, ends, context)


def check_dtype(dtype: str) -> None:
    """Look at a number format's name.

    Raises:
        InputError: there is none of this name.
    """
    if dtype not in DTYPES:
        raise InputError(f"there is no dtype {dtype!r}; give one of {', '.join(DTYPES)}")


def _check(device: str, dtype: str) -> None:
    import torch

    check_dtype(dtype)
    if device == "auto":
        return
    try:
        torch.device(device)
    except RuntimeError:
        raise InputError(f"there is no device {device!r}; give auto, cpu, or a GPU such as cuda:0") from None


def _load_processor(files: CheckpointFiles, name: str) -> Any:  # noqa: ANN401 - a class per model
    from transformers import AutoProcessor

    try:
        processor = AutoProcessor.from_pretrained(
            files.folder, trust_remote_code=False, local_files_only=True
        )
    except Exception as error:  # each model's own code, on files that may be missing or damaged
        raise ModelActionError(
            f"the processor of {name} cannot be loaded ({first_line(error)}); {_hint(error)}"
        ) from error
    if not hasattr(processor, "image_processor") or not hasattr(processor, "tokenizer"):
        raise ModelActionError(
            f"{name} has no processor for images beside its tokenizer; "
            "take an image-text-to-text model, such as Qwen2.5-VL, LLaVA, SmolVLM or Gemma 3"
        )
    return processor


def _load_model(files: CheckpointFiles, name: str, *, device: str, dtype: str) -> Any:  # noqa: ANN401
    """With weights for every part, or not at all: what is missing would be left at random."""
    import torch
    from transformers import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING, AutoConfig, AutoModelForImageTextToText

    try:
        config = AutoConfig.from_pretrained(files.folder, trust_remote_code=False, local_files_only=True)
        if type(config) not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING:
            raise ModelActionError(
                f"{name} is a {config.model_type} model, which does not answer questions about images; "
                "take an image-text-to-text model, such as Qwen2.5-VL, LLaVA, SmolVLM or Gemma 3"
            )
        model, info = AutoModelForImageTextToText.from_pretrained(
            files.folder,
            config=config,
            dtype=dtype if dtype == "auto" else getattr(torch, dtype),
            device_map=_device_map(device),
            trust_remote_code=False,
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
        )
        missing = sorted(info["missing_keys"])
        if missing:
            more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
            raise ModelActionError(
                f"{name} lacks weights of its own architecture: {', '.join(missing[:_SHOWN])}{more}; "
                "download the checkpoint again"
            )
        if _device_map(device) is None:
            model.to(_device(device))
    except ModelActionError:
        raise
    except Exception as error:  # as above; and CUDA's own
        raise ModelActionError(
            f"{name} cannot be loaded on {device} as {dtype} ({first_line(error)}); {_hint(error)}"
        ) from error
    return model.eval()


def _device_map(device: str) -> str | dict[str, str] | None:
    """For weights that go straight to their place, over several GPUs too; accelerate is what does that."""
    import torch
    from transformers.utils import is_accelerate_available

    if not is_accelerate_available() or device == "cpu":
        return None
    if device == "auto":
        return "auto" if torch.cuda.is_available() else None
    return {"": device}


def _device(device: str) -> torch.device:
    import torch

    if device == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    return torch.device(device)


def _settle_generation(model: Any, tokenizer: Any) -> frozenset[int]:  # noqa: ANN401 - a class per model
    """Replace the checkpoint's settings by plain greedy decoding; the tokens that end a reply.

    Its penalties for repetition go with them: they would count the letters of the choices, which stand in
    the prompt, as repeated.
    """
    from transformers import GenerationConfig

    old = model.generation_config
    named = old.eos_token_id if old.eos_token_id is not None else tokenizer.eos_token_id
    ends = [] if named is None else [named] if isinstance(named, int) else list(named)
    model.generation_config = GenerationConfig(
        do_sample=False,
        num_beams=1,
        bos_token_id=old.bos_token_id,
        eos_token_id=ends or None,
        pad_token_id=tokenizer.pad_token_id,
    )
    return frozenset(ends)


def out_of_memory(error: BaseException) -> bool:
    """Whether a GPU or the machine had no room left."""
    import torch

    words = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and ("out of memory" in words or "can't allocate memory" in words)
    )


def _hint(error: Exception) -> str:
    """What to do about an error of loading."""
    if out_of_memory(error):
        return "take a smaller model, dtype=bfloat16, a larger GPU, or several (device=auto, with accelerate)"
    if isinstance(error, ImportError):
        return "install what is named there"
    if "trust_remote_code" in str(error):
        return "it needs code of its own, which is not run here; take a model that transformers has"
    if "does not recognize this architecture" in str(error):
        return "upgrade transformers, or take another model"
    return "check the checkpoint, and download it again if it is damaged"
