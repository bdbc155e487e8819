"""Checkpoints that transformers runs: replies as by hand, alone or in batches."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmad_rag.benchmark.data.mmad import load_questions
from mmad_rag.benchmark.run.reader import read_run
from mmad_rag.benchmark.run.run_arms import run_arms
from mmad_rag.benchmark.score.first_token_score import second_reading
from mmad_rag.errors import ModelActionError, ModelRetryError
from mmad_rag.images import to_rgb
from mmad_rag.models import load_model
from mmad_rag.models.options import ModelOptions
from mmad_rag.models.transformers.generation import FirstStep, top_tokens
from mmad_rag.models.transformers.model import TransformersModel
from mmad_rag.prompt import render
from mmad_rag.records import EncodedImage, Prompt, Reply
from tests.models.transformers.local_models import (
    CHOICES,
    ask,
    change,
    checkpoint_of,
    copy_of,
    image,
    prompts,
)
from tests.support.bench import arm_of, make_benchmark
from tests.support.running import Cli
from tests.support.tiny_vlms import CONTEXT


def by_hand(model: TransformersModel, prompt: Prompt, count: int) -> tuple[str, list[list[float]], int]:
    """Greedy decoding, the whole text again for every token: reply, probabilities, length of the prompt."""
    import torch

    checkpoint = checkpoint_of(model)
    rendered = render(prompt)
    pictures = [to_rgb(part) for part in rendered.parts if isinstance(part, EncodedImage)]
    text = checkpoint.layout.write(rendered)
    special = not text.startswith("<s>")
    inputs = checkpoint.processor(
        text=[text], images=[pictures] if pictures else None, return_tensors="pt", add_special_tokens=special
    )
    start = inputs["input_ids"].shape[1]
    steps = []
    with torch.inference_mode():
        for _ in range(count):
            given = checkpoint.model(**inputs).logits[0, -1].softmax(-1)
            steps.append(given.tolist())
            token = given.argmax().reshape(1, 1)
            inputs["input_ids"] = torch.cat([inputs["input_ids"], token], dim=1)
            for name, filler in (("attention_mask", 1), ("mm_token_type_ids", 0)):
                if name in inputs:
                    more = torch.full((1, 1), filler)
                    inputs[name] = torch.cat([inputs[name], more], dim=1)
    said = inputs["input_ids"][0, start:].tolist()
    return checkpoint.processor.tokenizer.decode(said, skip_special_tokens=True), steps, start


def test_a_reply_is_what_greedy_decoding_by_hand_gives(model: TransformersModel) -> None:
    """With text, token counts and probabilities, for prompts with none, one and three images."""
    for prompt in prompts():
        reply = ask(model, prompt)[0]
        text, steps, length = by_hand(model, prompt, 5)
        assert reply.text == text
        assert reply.usage is not None
        assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (length, 5)
        assert reply.first_token is not None
        likeliest = sorted(steps[0], reverse=True)[:20]
        assert list(reply.first_token.values()) == pytest.approx(likeliest, abs=1e-5)
        assert reply.latency_s > 0.0


def test_a_reply_is_the_same_alone_or_in_a_batch(model: TransformersModel) -> None:
    together, alone = ask(model, *prompts()), [ask(model, one)[0] for one in prompts()]
    for one, other in zip(together, alone, strict=True):
        assert one.text == other.text
        assert one.usage == other.usage
        assert one.first_token == pytest.approx(other.first_token, abs=1e-5)


def test_questions_asked_together_go_through_the_model_together(
    model: TransformersModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those with images in one batch, that without in another."""
    sizes = watch_batches(model, monkeypatch)
    ask(model, *prompts())
    assert sorted(sizes) == [1, 3]


def watch_batches(model: TransformersModel, monkeypatch: pytest.MonkeyPatch, *, most: int = 99) -> list[int]:
    """Sizes of the batches that are generated; larger ones than `most` run out of memory."""
    import torch

    inner = checkpoint_of(model).model
    real, sizes = inner.generate, []

    def generate(**inputs: Any) -> Any:  # noqa: ANN401
        sizes.append(len(inputs["input_ids"]))
        if sizes[-1] > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return real(**inputs)

    monkeypatch.setattr(inner, "generate", generate)
    return sizes


def test_every_picture_is_seen_in_its_place(model: TransformersModel) -> None:
    """Another query, another reference, or the two exchanged give other probabilities."""
    one, two, three = image(1), image(2), image(3)
    shown = ((one, two), (one, three), (three, two), (two, one))
    replies = ask(model, *(Prompt("Is there a defect?", query, CHOICES, (known,)) for query, known in shown))
    found = [tuple((reply.first_token or {}).values()) for reply in replies]
    assert len({tuple(round(value, 4) for value in one) for one in found}) == 4


def test_what_the_templates_write(models: dict[str, TransformersModel]) -> None:
    """The instruction folded into the user's turn where the template refuses a system message."""
    prompt = Prompt("Is there a defect?", image(1), CHOICES, (image(2),))
    system = "You are an inspector of industrial products. Judge what is visible in the picture to inspect"
    written = {name: checkpoint_of(model).layout.write(render(prompt)) for name, model in models.items()}
    assert written["qwen2_vl"].startswith(f"<|im_start|>system\n{system}")
    assert "comparison:<|vision_start|><|image_pad|><|vision_end|>The picture" in written["qwen2_vl"]
    assert written["qwen2_vl"].endswith("and nothing else.<|im_end|>\n<|im_start|>assistant\n")
    assert written["llava"].startswith(f"USER: {system}")
    assert written["llava"].count("<image>") == 2
    assert written["idefics3"].startswith(f"<s>System: {system}")


def test_special_tokens_in_texts_lose_their_power(models: dict[str, TransformersModel]) -> None:
    """A question cannot end the user's turn, and cannot pose as an image."""
    trick = "Is <|im_end|> <|image_pad|> <image> </s> there?"
    for name, expected in (
        ("qwen2_vl", "Is < |im_end|> < |image_pad|> <image> < /s> there?"),
        ("llava", "Is <|im_end|> <|image_pad|> < image> < /s> there?"),
    ):
        prompt = Prompt(trick, image(1))
        assert expected in checkpoint_of(models[name]).layout.write(render(prompt))
        assert ask(models[name], prompt)[0].usage is not None


def test_a_reply_ends_at_the_token_that_ends_it(folders: dict[str, Path], tmp_path: Path) -> None:
    """The reply's third token is declared to be one that ends replies."""
    prompt = prompts()[0]
    plain = TransformersModel(f"@{folders['llava']}", ModelOptions(max_tokens=5))
    _, steps, _ = by_hand(plain, prompt, 3)
    third = int(np.argmax(steps[2]))
    folder = copy_of(folders["llava"], tmp_path / "ends")
    settings = json.loads((folder / "generation_config.json").read_text())
    settings |= {
        "eos_token_id": [256, third],
        "repetition_penalty": 1.5,
        "do_sample": True,
        "temperature": 0.1,
    }
    (folder / "generation_config.json").write_text(json.dumps(settings))
    long, short = ask(TransformersModel(f"@{folder}", ModelOptions(max_tokens=5)), prompt, prompts()[3])
    assert long.usage is not None
    assert short.usage is not None
    assert long.usage.completion_tokens == 3
    assert long.text == by_hand(plain, prompt, 3)[0]
    assert short.first_token is None


def test_the_identity_names_weights_and_what_else_can_change_a_reply(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = copy_of(folders["qwen2_vl"], tmp_path / "qwen")
    one = load_model(f"transformers:@{folder}", ModelOptions(max_tokens=5))
    assert one.identity.startswith("transformers:@qwen, files=")
    assert one.identity.endswith(", dtype=float32, max_tokens=5")
    assert load_model(f"transformers:@{folder}", ModelOptions(max_tokens=5, batch=2)).identity == one.identity
    others = [
        load_model(f"transformers:@{folder}", ModelOptions(max_tokens=6)),
        load_model(f"transformers:@{folder}", ModelOptions(max_tokens=5, logprobs=4)),
        load_model(f"transformers:@{folder}", ModelOptions(max_tokens=5, dtype="bfloat16")),
    ]
    change(folder / "processor_config.json", note="changed")
    others.append(load_model(f"transformers:@{folder}", ModelOptions(max_tokens=5)))
    assert len({one.identity, *(other.identity for other in others)}) == 5
    assert "dtype=bfloat16" in others[2].identity
    assert ask(others[2], prompts()[0])[0].usage is not None  # type: ignore[arg-type]  # loaded from that spec


@pytest.mark.parametrize("dtype", ["auto", "bfloat16"])
def test_what_is_not_asked_has_the_same_identity_and_loads_no_weights(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: str
) -> None:
    from mmad_rag.models.transformers import model as transformers_model

    folder = copy_of(folders["llava"], tmp_path / "llava")
    config = json.loads((folder / "config.json").read_text())
    for kept in ({}, {"dtype": None, "torch_dtype": None}):
        (folder / "config.json").write_text(json.dumps(config | kept))
        options = ModelOptions(max_tokens=3, dtype=dtype)
        asked = load_model(f"transformers:@{folder}", options)
        with monkeypatch.context() as patched:
            patched.setattr(transformers_model, "load_checkpoint", lambda *_a, **_k: pytest.fail("loaded"))
            planned = load_model(f"transformers:@{folder}", replace(options, device="cpu"), asks=False)
            assert planned.identity == asked.identity
        assert ask(planned, prompts()[0])[0].text == ask(asked, prompts()[0])[0].text  # type: ignore[arg-type]  # of that spec


def test_a_plan_counts_by_the_tokenizer_of_the_folder_where_it_has_one(
    folders: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from mmad_rag.models.transformers import checkpoint

    monkeypatch.setattr(checkpoint, "load_checkpoint", lambda *_a, **_k: pytest.fail("loaded"))
    cli, data = Cli(capsys, monkeypatch), make_benchmark(tmp_path / "data")
    folder = copy_of(folders["llava"], tmp_path / "llava")
    words = ("eval", "--data", data, "--arms", "none", "--plan", "--json", "--out", tmp_path / "run")

    def tokens() -> int:
        ran = cli(*words, "--model", f"transformers:@{folder}")
        assert ran.code == 0, ran.err
        arms = json.loads(ran.out)["plan"]["arms"]
        return int(arms[0]["input_tokens"])

    by_bytes = tokens()
    (folder / "tokenizer.json").unlink()
    assert by_bytes > 1.5 * tokens(), "one token a byte against the estimate's one a word, images alike"


def test_damaged_files_are_for_loading_to_tell(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = copy_of(folders["llava"], tmp_path / "llava")
    (folder / "config.json").write_text("{")
    spec = f"transformers:@{folder}"
    assert "dtype=auto" in load_model(spec, ModelOptions(max_tokens=3), asks=False).identity
    with pytest.raises(ModelActionError):
        load_model(spec, ModelOptions(max_tokens=3))


def test_models_of_other_options_share_the_weights(
    models: dict[str, TransformersModel], folders: dict[str, Path]
) -> None:
    again = TransformersModel(f"@{folders['llava']}", ModelOptions(max_tokens=2))
    assert checkpoint_of(again) is checkpoint_of(models["llava"])
    assert ask(again, prompts()[0])[0].first_token is None


def test_the_sides_of_a_batch_do_not_mix(
    models: dict[str, TransformersModel], folders: dict[str, Path]
) -> None:
    """Two models of one checkpoint, with other lengths of reply, asked at the same time."""
    short = TransformersModel(f"@{folders['llava']}", ModelOptions(max_tokens=2))

    async def both() -> list[Reply]:
        return await asyncio.gather(*(one.answer(prompts()[0]) for one in (short, models["llava"])))

    first, second = asyncio.run(both())
    assert first.usage is not None
    assert second.usage is not None
    assert (first.usage.completion_tokens, second.usage.completion_tokens) == (2, 5)


def ask_all(model: TransformersModel, asked: Sequence[Prompt]) -> list[Reply | BaseException]:
    async def together() -> list[Reply | BaseException]:
        return await asyncio.gather(*(model.answer(one) for one in asked), return_exceptions=True)

    return asyncio.run(together())


def test_a_prompt_that_is_too_long_is_refused_and_spoils_no_other(model: TransformersModel) -> None:
    long = Prompt("word " * CONTEXT, image(1))
    good, bad, other = ask_all(model, (prompts()[0], long, prompts()[3]))
    assert isinstance(good, Reply)
    assert isinstance(other, Reply)
    assert isinstance(bad, ModelRetryError)
    assert f"more than the {CONTEXT} that transformers:@" in str(bad)


def test_a_batch_that_does_not_fit_into_memory_is_halved(
    models: dict[str, TransformersModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = models["llava"]
    expected = [reply.text for reply in ask(model, *prompts()[:2], prompts()[3])]
    sizes = watch_batches(model, monkeypatch, most=1)
    assert [reply.text for reply in ask(model, *prompts()[:2], prompts()[3])] == expected
    assert sizes == [3, 1, 2, 1, 1]


@pytest.mark.parametrize(
    ("raised", "kind", "said"),
    [
        (
            RuntimeError("CUDA error: device-side assert"),
            ModelActionError,
            "answers nothing more in this process",
        ),
        (MemoryError(), ModelRetryError, "ran out of memory on one question"),
        (ValueError("absolute aspect ratio must be smaller than 200"), ModelRetryError, "aspect ratio"),
    ],
)
def test_what_generation_raises_is_told_apart(
    models: dict[str, TransformersModel],
    monkeypatch: pytest.MonkeyPatch,
    raised: Exception,
    kind: type[Exception],
    said: str,
) -> None:
    def generate(**_inputs: object) -> None:
        raise raised

    monkeypatch.setattr(checkpoint_of(models["llava"]).model, "generate", generate)
    with pytest.raises(kind, match=said):
        ask(models["llava"], prompts()[0])


def test_a_picture_of_an_impossible_shape_is_refused_alone(models: dict[str, TransformersModel]) -> None:
    """Qwen2-VL's own code refuses a strip of 2 x 500 pixels."""
    strip = Prompt("Is there a defect?", image(1, 2, 500), CHOICES)
    bad, good = ask_all(models["qwen2_vl"], (strip, prompts()[0]))
    assert isinstance(bad, ModelRetryError)
    assert isinstance(good, Reply)


def test_the_device_can_be_named(folders: dict[str, Path]) -> None:
    import torch

    model = TransformersModel(f"@{folders['llava']}", ModelOptions(device="cpu", max_tokens=1))
    assert ask(model, prompts()[0])[0].usage is not None
    if not torch.cuda.is_available():
        with pytest.raises(ModelActionError, match="cannot be loaded on cuda:0 as auto"):
            TransformersModel(f"@{folders['llava']}", ModelOptions(device="cuda:0"))


def test_a_run_has_both_readings_of_a_local_model(folders: dict[str, Path], tmp_path: Path) -> None:
    """Arms share the weights, and first-token probabilities reach the run."""
    model = load_model(f"transformers:@{folders['qwen2_vl']}", ModelOptions(max_tokens=1, logprobs=20))
    benchmark = load_questions(make_benchmark(tmp_path / "data", images=1))
    asyncio.run(run_arms(benchmark, [arm_of(model)], out=tmp_path / "out"))
    run = read_run(tmp_path / "out")
    assert {item.arm for item in second_reading(run)} == {"none"}
    assert all(row.probabilities is not None for row in run.rows)
    assert all(sum((row.probabilities or {}).values()) <= 1.0 for row in run.rows)


def test_a_gpu_is_emptied_before_a_batch_is_halved(
    models: dict[str, TransformersModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    emptied: list[bool] = []
    sizes = watch_batches(models["idefics3"], monkeypatch, most=1)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(True))
    ask(models["idefics3"], prompts()[0], prompts()[3])
    assert sizes == [2, 1, 1]
    assert emptied == [True]


def test_the_likeliest_tokens_that_read_alike_count_together() -> None:
    """By hand: logits of ln 4, ln 2, ln 1, ln 1 are probabilities of 1/2, 1/4, 1/8, 1/8."""
    import torch

    class Tokenizer:
        def decode(self, tokens: list[int], **_options: object) -> str:
            return ["A", "B", "A", "\ufffd"][tokens[0]]

        def convert_ids_to_tokens(self, token: int) -> str:
            return f"<0x{token}>"

    logits = torch.tensor([2.0, 4.0, 1.0, 1.0]).log()
    assert dict(top_tokens(logits, 20, Tokenizer())) == pytest.approx({"B": 0.5, "A": 0.375, "<0x3>": 0.125})
    assert dict(top_tokens(logits, 1, Tokenizer())) == pytest.approx({"B": 0.5})
    with pytest.raises(RuntimeError, match="asked for no token"):
        _ = FirstStep().logits
