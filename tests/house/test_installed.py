"""Encoders and models of other installed packages, by the very code that docs/EXTENDING.md shows."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from mmad_rag.encoders import load_encoder
from mmad_rag.encoders.spec import FORMS
from mmad_rag.errors import EncoderError, InputError, SpecError
from mmad_rag.index import KnowledgeIndex
from mmad_rag.models import MODEL_FORMS, load_model
from mmad_rag.models.builtin.reader import ReaderModel
from tests.house.test_start import packages
from tests.support.installed_package import install
from tests.support.paths import ROOT
from tests.support.servers.openai_server import OpenAIServer, replies
from tests.support.world import World, colour_encoder

PAGE = (ROOT / "docs" / "EXTENDING.md").read_text(encoding="utf-8")
BLOCKS = dict(
    zip(("grid", "quote"), re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL), strict=True)
)
DECLARED = tomllib.loads(re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[0])
HEAVY_FOR_ENDPOINTS = {
    "torch",
    "torchvision",
    "open_clip",
    "timm",
    "transformers",
    "sentence_transformers",
    "llama_index",
    "sklearn",
    "matplotlib",
}
"""What somebody who asks an endpoint by an index of words has no use for."""

Install = Callable[..., None]


@pytest.fixture
def station(tmp_path: Path) -> Path:
    """A folder with the package of the page, as an installer leaves it."""
    modules = {f"my_station/{name}.py": code for name, code in BLOCKS.items()} | {
        "my_station/__init__.py": ""
    }
    install(tmp_path / "site", "my_station", DECLARED["project"]["entry-points"], modules)
    return tmp_path / "site"


@pytest.fixture
def add(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs a package for this process."""

    def adds(name: str, group: str, points: dict[str, str], source: str = "") -> None:
        install(tmp_path / name, name, {group: points}, {f"{name}_code.py": source})
        monkeypatch.syspath_prepend(tmp_path / name)
        monkeypatch.delitem(sys.modules, f"{name}_code", raising=False)  # an earlier test's

    return adds


def python(site: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """Run Python in another process that has the package."""
    path = os.pathsep.join((str(site), str(ROOT)))
    environment = {**os.environ, "PYTHONPATH": path, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    command = [sys.executable, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def command(site: Path, *words: object) -> str:
    ran = python(site, "-c", "from mmad_rag.cli import main; main()", *words)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def build(site: Path, world: World, out: Path) -> Path:
    words = ("--encoder", "grid:4", "--text-encoder", "words", "--references", world.references)
    command(site, "build-index", world.knowledge, *words, "--out", out)
    return out


def test_an_encoder_builds_an_index_and_a_model_answers_through_the_command_line(
    station: Path, world: World, tmp_path: Path
) -> None:
    index = build(station, world, tmp_path / "index")
    assert json.loads((index / "manifest.json").read_text())["encoder"]["spec"] == "grid:4"
    image = world.queries["green_square"]
    words = ("ask", image, "What does it look like?", "--index", index, "--model", "quote:mine", "--json")
    reply = json.loads(command(station, *words))["reply"]
    assert reply["model"] == "quote:mine"
    assert reply["knowledge"]["route"]["products"] == ["green_square"]
    assert reply["text"] == reply["knowledge"]["hits"][0]["passage"]["text"]
    assert command(station, "index", "verify", index, "--encoder", "grid:4").endswith("nothing to mend\n")
    refused = python(station, "-c", "from mmad_rag.cli import main; main()", *words[:-3], "--model", "quote:")
    assert refused.returncode == 1
    assert re.search(r"quote:\.\.\. +by my_station 1\.0", refused.stderr)
    assert "Traceback" not in refused.stderr


def test_who_asks_an_endpoint_imports_no_library_for_models_of_his_own(
    station: Path, world: World, tmp_path: Path, openai_server: OpenAIServer
) -> None:
    """Neither where a light encoder routes by an index of words, nor where the product is given."""
    openai_server.default = replies("A")
    found = build(station, world, tmp_path / "index")
    given = KnowledgeIndex.build(world.knowledge, colour_encoder(), text_encoder="words")
    given.save(tmp_path / "given")  # its encoder cannot be loaded by its spec, and need not be
    image = str(world.queries["red_disc"])
    code = f"""
import sys
from mmad_rag import KnowledgeIndex, ModelOptions, RagWrapper
from mmad_rag.images import data_url, open_image
from mmad_rag.retrieve import FixedProductRetriever
image = {image!r}
options = ModelOptions(base_url={openai_server.url!r}, api_key="sk-test")
rag = RagWrapper("openai:gpt-4o", {str(found)!r}, options=options)
answer = rag.ask(image, "Is there a crack?", {{"A": "Yes.", "B": "No."}})
assert (answer.choice, answer.product) == ("A", "red_disc"), answer
given = FixedProductRetriever(KnowledgeIndex.load({str(tmp_path / "given")!r}), "blue_bar")
told = RagWrapper("openai:gpt-4o", retriever=given, options=options)
assert told.ask(image, "Is there a crack?").product == "blue_bar"
shown = {{"type": "image_url", "image_url": {{"url": data_url(open_image(image))}}}}
asked = {{"role": "user", "content": [{{"type": "text", "text": "Is there a crack?"}}, shown]}}
assert "<reference_material>" in str(RagWrapper(None, retriever=given).augment([asked]))
print("LOADED", *sys.modules)
"""
    ran = python(station, "-c", code)
    assert ran.returncode == 0, ran.stderr
    loaded = set(ran.stdout.rpartition("LOADED ")[2].split())
    assert packages(loaded) & HEAVY_FOR_ENDPOINTS == set()
    assert "openai" in packages(loaded)
    assert "<reference_material>" in " ".join(openai_server.requests[0].texts())


def test_an_unknown_prefix_is_refused_with_what_is_installed(add: Install) -> None:
    add("lamp", "mmad_rag.encoders", {"lamp": "lamp_code:load"})
    add("bulb", "mmad_rag.models", {"bulb": "bulb_code:load"})
    with pytest.raises(SpecError, match=r"unknown provider 'lamb'") as encoder:
        load_encoder("lamb:big")
    assert re.search(r"^  lamp:\.\.\. +by lamp 1\.0$", str(encoder.value), re.MULTILINE)
    assert all(form in str(encoder.value) for form in FORMS)
    with pytest.raises(SpecError, match="there is no model 'bulp:x'") as model:
        load_model("bulp:x")
    assert re.search(r"^  bulb:\.\.\. +by bulb 1\.0$", str(model.value), re.MULTILINE)
    assert all(form in str(model.value) for form in MODEL_FORMS)
    assert "bulb" not in str(encoder.value)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("import a_library_that_is_not_there", "cannot be imported (ModuleNotFoundError: No module named"),
        ("raise RuntimeError", "cannot be imported (RuntimeError)"),
        ("other = 1", "cannot be imported (AttributeError: module"),
        ("load = 1", "could not load lamp:big (TypeError: 'int' object is not callable)"),
        ("def load(*_, **__): raise KeyError('bright')", "could not load lamp:big (KeyError: 'bright')"),
        ("def load(*_, **__): return 'light'", "made str of lamp:big, which is not a"),
        ("class load:\n def __init__(self, *_, **__): self.identity = 'x'", "made load of lamp:big"),
    ],
)
def test_a_package_that_fails_is_named(add: Install, source: str, told: str) -> None:
    """Never passed over, never a bare traceback; and the prefix and the package stand in the message."""
    add("lamp", "mmad_rag.encoders", {"lamp": "lamp_code:load"}, source)
    add("bulb", "mmad_rag.models", {"lamp": "bulb_code:load"}, source)
    with pytest.raises(EncoderError, match=r"lamp 1\.0") as encoder:
        load_encoder("lamp:big")
    assert told in str(encoder.value)
    with pytest.raises(SpecError, match=r"bulb 1\.0") as model:
        load_model("lamp:big")
    assert told in str(model.value)


def test_an_error_of_ours_from_a_package_is_passed_on(add: Install) -> None:
    source = "from mmad_rag.errors import InputError\ndef load(*_, **__): raise InputError('too bright')"
    add("lamp", "mmad_rag.encoders", {"lamp": "lamp_code:load"}, source)
    with pytest.raises(InputError, match=r"^too bright$"):
        load_encoder("lamp:big")


def test_two_packages_with_one_prefix_are_both_named(add: Install) -> None:
    add("lamp", "mmad_rag.encoders", {"light": "lamp_code:load"})
    add("bulb", "mmad_rag.encoders", {"light": "bulb_code:load"})
    with pytest.raises(
        EncoderError, match=r"light: is brought by (lamp 1\.0 and bulb|bulb 1\.0 and lamp) 1\.0"
    ):
        load_encoder("light:big")


def test_no_package_takes_a_built_in_prefix(add: Install) -> None:
    """The built-in one is loaded, the other one not even imported, and not listed either."""
    add("lamp", "mmad_rag.encoders", {"builtin": "lamp_code:load"}, "raise RuntimeError")
    add("bulb", "mmad_rag.models", {"builtin": "bulb_code:load"}, "raise RuntimeError")
    assert load_encoder("builtin:tiny").spec == "builtin:tiny"
    assert isinstance(load_model("builtin:reader"), ReaderModel)
    with pytest.raises(SpecError) as encoder:
        load_encoder("nothing:here")
    assert "lamp" not in str(encoder.value)
    with pytest.raises(SpecError) as model:
        load_model("builtin:nothing")
    assert "bulb" not in str(model.value)
