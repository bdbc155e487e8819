"""Folders that hold no checkpoint, or one that cannot be used, are refused."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mmad_rag.errors import EncoderError, InputError, ModelActionError, SpecError
from mmad_rag.models import load_model
from mmad_rag.models.options import ModelOptions
from mmad_rag.models.transformers.checkpoint import _device_map
from mmad_rag.models.transformers.model import TransformersModel
from mmad_rag.prompt import render
from tests.models.transformers.local_models import (
    ask,
    change,
    checkpoint_of,
    copy_of,
    prompts,
)
from tests.support.tiny_vlms import make_tokenizer


def test_options_that_ask_for_sampling_or_no_end_are_refused(folders: dict[str, Path]) -> None:
    spec = f"@{folders['llava']}"
    with pytest.raises(InputError, match="decode greedily; leave it at 0"):
        TransformersModel(spec, ModelOptions(temperature=0.7))
    with pytest.raises(InputError, match="give max_tokens"):
        TransformersModel(spec, ModelOptions(max_tokens=None))
    with pytest.raises(InputError, match="there is no dtype 'int3'; give one of auto, float32"):
        TransformersModel(spec, ModelOptions(dtype="int3"))
    with pytest.raises(InputError, match="there is no device 'toaster'; give auto, cpu"):
        TransformersModel(spec, ModelOptions(device="toaster"))
    with pytest.raises(InputError, match="batch is 0; give a number of at least 1"):
        ModelOptions(batch=0)
    assert (
        "max_tokens=3"
        in TransformersModel(spec, ModelOptions(max_tokens=None, max_completion_tokens=3)).identity
    )


@pytest.fixture
def llava_copy(folders: dict[str, Path], tmp_path: Path) -> Path:
    """To be damaged."""
    return copy_of(folders["llava"], tmp_path / "copy")


def refused(folder: Path, said: str, kind: type[Exception] = ModelActionError) -> None:
    with pytest.raises(kind, match=said):
        TransformersModel(f"@{folder}")


def test_folders_that_hold_no_checkpoint_are_told(llava_copy: Path, tmp_path: Path) -> None:
    refused(tmp_path / "nothing", "there is no folder .*nothing; check the path behind transformers:@")
    (llava_copy / "model.safetensors").rename(llava_copy / "pytorch_model.bin")
    refused(
        llava_copy,
        r"has no weights in .safetensors files, and other files could run code; save the model again",
    )
    (llava_copy / "config.json").unlink()
    refused(llava_copy, "has no config.json, so it is not a transformers checkpoint")


def test_a_checkpoint_without_all_its_weights_is_not_filled_up_at_random(llava_copy: Path) -> None:
    from safetensors.torch import load_file, save_file

    path = llava_copy / "model.safetensors"
    weights = load_file(path)
    lost = [name for name in weights if "mlp" in name]
    save_file({name: weights[name] for name in weights if name not in lost}, path, metadata={"format": "pt"})
    refused(
        llava_copy, "lacks weights of its own architecture: .* and [0-9]+ more; download the checkpoint again"
    )
    path.write_bytes(path.read_bytes()[:1000])
    refused(llava_copy, "cannot be loaded on auto as auto .* download it again if it is damaged")


def test_a_text_model_is_no_model_for_pictures(llava_copy: Path) -> None:
    text = json.loads((llava_copy / "config.json").read_text())["text_config"]
    (llava_copy / "config.json").write_text(json.dumps(text | {"architectures": ["LlamaForCausalLM"]}))
    refused(llava_copy, "is a llama model, which does not answer questions about images")
    (llava_copy / "processor_config.json").unlink()
    refused(llava_copy, "has no processor for images beside its tokenizer|processor .* cannot be loaded")


@pytest.mark.parametrize(
    ("model_type", "more", "said"),
    [
        ("not_yet_invented", {}, "upgrade transformers, or take another model"),
        (
            "not_yet_invented",
            {"auto_map": {"AutoConfig": "code.Config", "AutoProcessor": "code.Processor"}},
            "needs code of its own, which is not run here|upgrade transformers",
        ),
    ],
)
def test_an_architecture_that_is_unknown_is_told(
    llava_copy: Path, model_type: str, more: dict[str, object], said: str
) -> None:
    change(llava_copy / "config.json", model_type=model_type, **more)
    refused(llava_copy, said)


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (None, "has no chat template, so it does not say how questions are put to it"),
        ("{{ raise_exception('never') }}", r"cannot be used \(never\)"),
        ("{% for m in messages %}{{ m['role'] }}{% endfor %}", r"cannot be used \(it leaves out texts\)"),
        ("{% for m in messages %}{{ m['content'] }}{% endfor %}", r"cannot be used \(it leaves out texts\)"),
        (
            "{% for m in messages %}{% for p in m['content'] %}{{ p['text'] }}{% endfor %}{% endfor %}",
            r"cannot be used \(it has no place for images\)",
        ),
    ],
)
def test_a_chat_template_that_loses_something_is_refused(
    llava_copy: Path, template: str | None, said: str
) -> None:
    path = llava_copy / "chat_template.jinja"
    path.unlink() if template is None else path.write_text(template)
    refused(llava_copy, said)


def test_a_system_message_may_have_to_be_a_string_and_may_be_dropped(llava_copy: Path) -> None:
    """Then it is written as one, or folded into the user's turn."""
    user = "{% for p in m['content'] %}{{ '<image>' if p['type'] == 'image' else p['text'] }}{% endfor %}"
    for first, form in (("S:{{ '' + m['content'] }} ", "text"), ("", "folded")):
        choice = f"{{% if m['role'] == 'system' %}}{first}{{% else %}}{user}{{% endif %}}"
        template = f"{{% for m in messages %}}{choice}{{% endfor %}}"
        (llava_copy / "chat_template.jinja").write_text(template)
        model = TransformersModel(f"@{llava_copy}", ModelOptions(max_tokens=1))
        assert checkpoint_of(model).layout.form == form
        assert "You are an inspector" in checkpoint_of(model).layout.write(render(prompts()[0]))
        assert ask(model, prompts()[0])[0].usage is not None


def test_a_model_that_does_not_fit_is_told(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from transformers import AutoModelForImageTextToText

    def too_large(*_given: object, **_named: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    monkeypatch.setattr(AutoModelForImageTextToText, "from_pretrained", too_large)
    with pytest.raises(
        ModelActionError, match="take a smaller model, dtype=bfloat16, a larger GPU, or several"
    ):
        TransformersModel(f"@{folders['llava']}", ModelOptions(dtype="float16"))


def test_a_processor_that_is_only_a_tokenizer_is_told(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `AutoProcessor` gives for text models."""
    import transformers

    def tokenizer_only(*_given: object, **_named: object) -> object:
        return make_tokenizer()

    monkeypatch.setattr(transformers.AutoProcessor, "from_pretrained", tokenizer_only)
    refused(
        copy_of(folders["llava"], folders["llava"].parent / "tokenizer_only"), "has no processor for images"
    )


def test_a_processor_whose_library_is_missing_is_told(
    llava_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And torchvision may be missing as long as the processor does without."""
    import transformers

    from mmad_rag.models.transformers import checkpoint

    def absent() -> None:
        raise EncoderError("torchvision cannot be imported")

    def needs(*_given: object, **_named: object) -> None:
        raise ImportError("Package `num2words` is required; run `pip install num2words`")

    monkeypatch.setattr(checkpoint, "import_torchvision", absent)
    TransformersModel(f"@{llava_copy}")
    (llava_copy / "extra.json").write_text("{}")
    monkeypatch.setattr(transformers.AutoProcessor, "from_pretrained", needs)
    refused(llava_copy, "num2words`.*; install what is named there")


def test_a_tokenizer_without_a_padding_token_pads_with_its_end(llava_copy: Path) -> None:
    path = llava_copy / "tokenizer_config.json"
    settings = json.loads(path.read_text())
    del settings["pad_token"]
    path.write_text(json.dumps(settings))
    change(llava_copy / "generation_config.json", eos_token_id=None)
    model = TransformersModel(f"@{llava_copy}", ModelOptions(max_tokens=3))
    assert checkpoint_of(model).processor.tokenizer.pad_token_id == 256
    assert checkpoint_of(model).ends == {256}
    assert [reply.text for reply in ask(model, *prompts())] == [ask(model, one)[0].text for one in prompts()]


def test_several_gpus_are_left_to_accelerate(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from transformers import utils

    monkeypatch.setattr(utils, "is_accelerate_available", lambda: True)
    for gpu, expected in ((True, "auto"), (False, None)):
        monkeypatch.setattr(torch.cuda, "is_available", lambda gpu=gpu: gpu)
        assert _device_map("auto") == expected
        assert _device_map("cpu") is None
        assert _device_map("cuda:1") == {"": "cuda:1"}
    monkeypatch.setattr(utils, "is_accelerate_available", lambda: False)
    assert _device_map("auto") is None


COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_what_the_hub_keeps_in_its_cache_is_loaded_without_a_network(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By name, and by revision; its identity is the commit."""
    from huggingface_hub import constants

    kept = tmp_path / "models--made--up"
    (kept / "refs").mkdir(parents=True)
    (kept / "snapshots").mkdir()
    (kept / "refs" / "main").write_text(COMMIT)
    copy_of(folders["qwen2_vl"], kept / "snapshots" / COMMIT)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    for path in (kept / "snapshots" / COMMIT).glob("*.safetensors"):
        hidden = path.rename(tmp_path / path.name)
        planned = load_model("transformers:made/up", ModelOptions(max_tokens=1), asks=False)
        assert planned.identity.startswith("transformers:made/up, revision=0123456789abcdef, dtype=float32")
        hidden.rename(path)
    for spec in ("made/up", f"made/up@{COMMIT}"):
        model = load_model(f"transformers:{spec}", ModelOptions(max_tokens=1))
        assert (
            model.identity == "transformers:made/up, revision=0123456789abcdef, dtype=float32, max_tokens=1"
        )
    for spec in ("made/down", "made/up@other"):
        with pytest.raises(
            ModelActionError, match="is not in the cache, and the model hub cannot be reached"
        ):
            load_model(f"transformers:{spec}")


def test_what_the_hub_refuses_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub
    from huggingface_hub import constants, errors

    answer: Any = SimpleNamespace(headers={}, status_code=404, request=None, url="")
    expected: list[tuple[Exception, type[Exception], str]] = [
        (
            errors.GatedRepoError("x", response=answer),
            ModelActionError,
            "agree on its page and set HF_TOKEN, or name",
        ),
        (
            errors.RepositoryNotFoundError("x", response=answer),
            ModelActionError,
            "the model hub has no transformers:a/b@c",
        ),
        (errors.RevisionNotFoundError("x", response=answer), ModelActionError, "has no such revision"),
        (
            errors.HfHubHTTPError("boom\nmore", response=answer),
            ModelActionError,
            r"could not be fetched \(boom\)",
        ),
        (ConnectionError("refused"), ModelActionError, r"could not be fetched \(refused\)"),
        (
            OSError(28, "No space left on device"),
            ModelActionError,
            "No space left on device.*make room on the disk",
        ),
    ]
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    for raised, kind, said in expected:

        def fetch(*_given: object, raised: Exception = raised, **_named: object) -> None:
            raise raised

        monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
        with pytest.raises(kind, match=said):
            load_model("transformers:a/b@c")
    monkeypatch.undo()
    with pytest.raises(SpecError, match="cannot be a name of the model hub"):
        load_model("transformers:a/b/c/d")
    with pytest.raises(SpecError, match="ends in @; write the folder or revision after it"):
        load_model("transformers:a/b@")
