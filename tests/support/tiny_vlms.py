"""Tiny vision-language checkpoints with random weights, saved in the real format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmad_rag.encoders.repair import import_torchvision

SIZE = 28
"""Pixels: the side that LLaVA's and Idefics3's images are scaled to."""
CONTEXT = 4096
"""Tokens that each of the models takes."""

_TEXT = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": CONTEXT,
    "initializer_range": 0.5,  # far apart, so that the likeliest token is the likeliest by some way
}

QWEN_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""Like Qwen2-VL's: roles by name, images where they stand."""
LLAVA_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] not in ['user', 'assistant'] %}"
    "{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}"
    "{{ message['role'].upper() }}: {% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>\n{% else %}{{ part['text'] }}\n{% endif %}"
    "{% endfor %}{% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
"""Knows no system role, as Gemma's and Mistral's older ones."""
IDEFICS_TEMPLATE = (
    "<s>{% for message in messages %}{{ message['role'] | capitalize }}: "
    "{% if message['content'] is string %}{{ message['content'] | trim }}"
    "{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %}{{ part['text'] | trim }}{% endif %}"
    "{% endfor %}{% endif %}<end_of_utterance>\n{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)
"""Opens with the token that the tokenizer would put there too."""


def make_tokenizer(*special: str, opens: str | None = None) -> Any:  # noqa: ANN401 - transformers' classes are untyped here
    """One token per byte, `</s>` at the end, and these."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(
        models.BPE(vocab={letter: number for number, letter in enumerate(alphabet)}, merges=[])
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["</s>", "<pad>", *special, *([opens] if opens else [])])
    if opens:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{opens} $A", special_tokens=[(opens, tokenizer.token_to_id(opens))]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="</s>",  # noqa: S106 - no password
        pad_token="<pad>",  # noqa: S106
        bos_token=opens,
        extra_special_tokens=list(special),
    )


def _token(tokenizer: Any, text: str) -> int:  # noqa: ANN401
    return int(tokenizer.convert_tokens_to_ids(text))


def qwen2_vl(folder: Path) -> Path:
    """Images of any size, their patches in one flat tensor, three-part rotary positions."""
    import_torchvision()
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration, Qwen2VLProcessor
    from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor
    from transformers.models.qwen2_vl.video_processing_qwen2_vl import Qwen2VLVideoProcessor

    marks = (
        "<|im_start|>",
        "<|im_end|>",
        "<|vision_start|>",
        "<|vision_end|>",
        "<|image_pad|>",
        "<|video_pad|>",
    )
    tokenizer = make_tokenizer(*marks)
    config = Qwen2VLConfig(
        text_config=_TEXT
        | {
            "vocab_size": len(tokenizer),
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1, 2]},
            "bos_token_id": None,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
        },
        vision_config={
            "depth": 1,
            "embed_dim": 32,
            "hidden_size": 32,
            "num_heads": 2,
            "mlp_ratio": 2,
            "patch_size": 14,
        },
        image_token_id=_token(tokenizer, "<|image_pad|>"),
        video_token_id=_token(tokenizer, "<|video_pad|>"),
        vision_start_token_id=_token(tokenizer, "<|vision_start|>"),
        vision_end_token_id=_token(tokenizer, "<|vision_end|>"),
    )
    pixels = {"shortest_edge": 28 * 28, "longest_edge": 56 * 56}
    processor = Qwen2VLProcessor(
        image_processor=Qwen2VLImageProcessor(size=pixels),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(size=pixels),
        chat_template=QWEN_TEMPLATE,
    )
    return _save(folder, Qwen2VLForConditionalGeneration, config, processor)


def llava(folder: Path) -> Path:
    """One square per image, and a tokenizer that opens every text with `<s>`."""
    import_torchvision()
    from transformers import (
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
    )
    from transformers.models.clip.image_processing_clip import CLIPImageProcessor

    tokenizer = make_tokenizer("<image>", opens="<s>")
    config = LlavaConfig(
        text_config=LlamaConfig(
            **_TEXT,
            vocab_size=len(tokenizer),
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        ),
        vision_config=CLIPVisionConfig(
            hidden_size=32,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=SIZE,
            patch_size=14,
            projection_dim=16,
        ),
        image_token_index=_token(tokenizer, "<image>"),
    )
    processor = LlavaProcessor(
        image_processor=CLIPImageProcessor(
            size={"shortest_edge": SIZE}, crop_size={"height": SIZE, "width": SIZE}
        ),
        tokenizer=tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=LLAVA_TEMPLATE,
    )
    return _save(folder, LlavaForConditionalGeneration, config, processor)


def idefics3(folder: Path) -> Path:
    """SmolVLM's ancestor: images cut into tiles, the tiles of a batch padded to the most."""
    import_torchvision()
    from transformers import Idefics3Config, Idefics3ForConditionalGeneration, Idefics3Processor, LlamaConfig
    from transformers.models.idefics3.image_processing_idefics3 import Idefics3ImageProcessor

    marks = ("<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>")
    tokenizer = make_tokenizer(*marks, opens="<s>")
    config = Idefics3Config(
        text_config=LlamaConfig(
            **_TEXT,
            vocab_size=len(tokenizer),
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        ),
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": SIZE,
            "patch_size": 14,
        },
        image_token_id=_token(tokenizer, "<image>"),
        pad_token_id=tokenizer.pad_token_id,
        scale_factor=2,
    )
    processor = Idefics3Processor(
        image_processor=Idefics3ImageProcessor(
            size={"longest_edge": 2 * SIZE}, max_image_size={"longest_edge": SIZE}
        ),
        tokenizer=tokenizer,
        image_seq_len=1,
        chat_template=IDEFICS_TEMPLATE,
    )
    return _save(folder, Idefics3ForConditionalGeneration, config, processor)


FAMILIES: dict[str, Callable[[Path], Path]] = {"qwen2_vl": qwen2_vl, "llava": llava, "idefics3": idefics3}


def _save(folder: Path, architecture: Any, config: Any, processor: Any) -> Path:  # noqa: ANN401
    import torch

    torch.manual_seed(5)
    architecture(config).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
