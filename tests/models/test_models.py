"""Specs, options, shortcuts and scripts: everything about models that needs no server."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmad_rag.errors import InputError, ModelActionError, ModelRetryError, SpecError
from mmad_rag.models import MODEL_FORMS, Model, ModelOptions, load_model
from mmad_rag.models.builtin.scripted import ScriptedModel
from mmad_rag.models.builtin.shortcut import Shortcut, ShortcutModel
from mmad_rag.models.event_loops import PerLoop
from mmad_rag.records import Choice, Prompt, Reply

OPEN = Prompt("What is this?", image=None)


def choices(*texts: str) -> tuple[Choice, ...]:
    return tuple(Choice(letter, text) for letter, text in zip("ABCDE", texts, strict=False))


def ask(model: Model, prompt: Prompt = OPEN) -> Reply:
    return asyncio.run(model.answer(prompt))


# Specs


@pytest.mark.parametrize("spec", ["builtin:reader", "builtin:longest", "builtin:shortest", "builtin:first"])
def test_builtin_models_are_identified_by_their_spec(spec: str) -> None:
    model = load_model(spec)
    assert isinstance(model, Model)
    assert model.identity.split("/")[0] == spec


def test_a_scripted_spec_replies_with_everything_behind_the_slash() -> None:
    model = load_model("builtin:scripted/The answer: B/C.")
    assert ask(model) == Reply("The answer: B/C.", model="builtin:scripted/The answer: B/C.")
    assert ask(model).text == "The answer: B/C.", "a second prompt gets the same"


def test_a_scripted_spec_keeps_no_prompts_because_a_long_run_would_keep_every_picture() -> None:
    model = load_model("builtin:scripted/A")
    ask(model)
    assert isinstance(model, ScriptedModel)
    assert model.prompts == []


@pytest.mark.parametrize(
    "spec",
    [
        "",
        ":",
        "openai",
        "openai:",
        "openai:  ",
        "builtin",
        "builtin:",
        "builtin:oracle",
        "builtin:scripted",
        "builtin:scripted/",
        "builtin:Reader",
        "transformers:",
        "llama_index: ",
        "gpt-4o",
    ],
)
def test_an_unknown_or_incomplete_spec_is_refused_with_every_valid_form(spec: str) -> None:
    with pytest.raises(SpecError) as caught:
        load_model(spec)
    assert repr(spec) in str(caught.value)
    assert all(form in str(caught.value) for form in MODEL_FORMS)


def test_every_advertised_form_loads() -> None:
    for form in MODEL_FORMS:
        if form.startswith(("transformers:", "llama_index:")):
            continue  # they need weights or a package, and have tests of their own
        spec = form.replace("NAME", "some-model").replace("TEXT", "A")
        assert isinstance(load_model(spec, ModelOptions(base_url="http://localhost:1/v1")), Model)


def test_loading_the_room_and_its_builtin_models_loads_nothing_heavy() -> None:
    code = (
        "import sys; from mmad_rag.models import ModelOptions, load_model\n"
        "import mmad_rag.models.openai.model\n"
        "load_model('builtin:reader'); load_model('openai:x', ModelOptions(base_url='http://localhost:1/v1'))\n"
        "print(sorted({'openai', 'httpx', 'torch', 'open_clip', 'faiss'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# Options


@pytest.mark.parametrize("value", [-0.1, math.nan])
def test_a_temperature_below_zero_is_refused(value: float) -> None:
    with pytest.raises(InputError, match=r"temperature is .*; give a number of at least 0"):
        load_model("builtin:reader", ModelOptions(temperature=value))


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens", "timeout_s", "deadline_s"])
def test_limits_must_be_above_zero(name: str) -> None:
    values = {name: 0}
    with pytest.raises(InputError, match=f"{name} is 0; give a number above 0"):
        ModelOptions(**values)  # type: ignore[arg-type]  # the field is chosen by the parameter


def test_the_ends_of_the_ranges_are_inside() -> None:
    options = ModelOptions(
        temperature=0.0, max_tokens=1, max_completion_tokens=1, timeout_s=1e-3, deadline_s=1e-3
    )
    assert options.temperature == 0.0
    assert ModelOptions(temperature=None, max_tokens=None).temperature is None


def test_the_key_is_not_in_the_representation_of_the_options() -> None:
    assert "sk-secret" not in repr(ModelOptions(api_key="sk-secret"))


# Shortcuts


@pytest.mark.parametrize(
    ("shortcut", "letter"), [(Shortcut.LONGEST, "B"), (Shortcut.SHORTEST, "C"), (Shortcut.FIRST, "A")]
)
def test_a_shortcut_takes_the_first_of_the_options_that_fit_its_rule(shortcut: Shortcut, letter: str) -> None:
    prompt = Prompt("?", image=None, choices=choices("four", "longest", "two", "seven..", "six"))
    assert ask(ShortcutModel(shortcut), prompt).text == letter


@pytest.mark.parametrize("shortcut", Shortcut)
def test_a_shortcut_has_nothing_to_say_to_an_open_question(shortcut: Shortcut) -> None:
    model = ShortcutModel(shortcut)
    assert ask(model) == Reply("", model=f"builtin:{shortcut.value}")


# Scripts


def test_a_list_of_replies_is_given_in_order_and_the_prompts_are_recorded() -> None:
    model = ScriptedModel(["A", "B"])
    prompts = [dataclasses.replace(OPEN, question=text) for text in ("first", "second")]
    assert [ask(model, prompt).text for prompt in prompts] == ["A", "B"]
    assert model.prompts == prompts


def test_asking_more_often_than_there_are_replies_is_an_error_that_says_so() -> None:
    model = ScriptedModel(["A"])
    ask(model)
    with pytest.raises(ModelActionError, match="has 1 replies and was asked 2 times; write one reply"):
        ask(model)


def test_a_function_sees_the_prompt() -> None:
    model = ScriptedModel(lambda prompt: prompt.question.upper())
    assert ask(model).text == "WHAT IS THIS?"


def test_exceptions_stand_in_for_replies() -> None:
    gone = ModelRetryError("gone")
    model = ScriptedModel(["A", gone, "B"])
    assert ask(model).text == "A"
    with pytest.raises(ModelRetryError, match="gone"):
        ask(model)
    assert ask(model).text == "B"
    always = ScriptedModel(gone)
    for _ in range(2):
        with pytest.raises(ModelRetryError, match="gone"):
            ask(always)
    assert len(always.prompts) == 2, "what failed was shown all the same"


def reply_a(_prompt: Prompt) -> str:
    return "A"


class Echo:
    def __call__(self, prompt: Prompt) -> str:
        return prompt.question


def test_the_identity_names_the_script() -> None:
    assert ScriptedModel("A").identity == "builtin:scripted/A"
    assert ScriptedModel(reply_a).identity == "builtin:scripted/reply_a"
    assert ScriptedModel(Echo()).identity == "builtin:scripted/Echo"
    assert ScriptedModel(ModelRetryError("x")).identity == "builtin:scripted/ModelRetryError('x')"
    assert ScriptedModel(reply_a, name="always A").identity == "builtin:scripted/always A"


def test_sequences_that_differ_have_different_identities() -> None:
    scripts: list[list[str | Exception]] = [["A", "B"], ["B", "A"], ["A", ModelRetryError("B")], ["AB"]]
    assert len({ScriptedModel(script).identity for script in scripts}) == len(scripts)
    assert ScriptedModel(["A", "B"]).identity == ScriptedModel(("A", "B")).identity


@given(st.text(), st.text())
def test_an_identity_is_one_line_and_differs_where_the_reply_does(one: str, other: str) -> None:
    identity = ScriptedModel(one).identity
    assert len(identity.splitlines()) == 1
    assert (identity == ScriptedModel(other).identity) == (one == other)


# One resource for each loop


class Resource:
    def __init__(self) -> None:
        self.closed_in: asyncio.AbstractEventLoop | None = None

    async def close(self) -> None:
        self.closed_in = asyncio.get_running_loop()


async def use(per_loop: PerLoop[Resource]) -> tuple[Resource, Resource, asyncio.AbstractEventLoop]:
    one, other = await asyncio.gather(per_loop.get(), per_loop.get())
    return one, other, asyncio.get_running_loop()


def test_every_loop_has_one_resource_which_is_closed_in_that_loop() -> None:
    per_loop = PerLoop(Resource, Resource.close)
    first, same, first_loop = asyncio.run(use(per_loop))
    second, _, second_loop = asyncio.run(use(per_loop))
    assert first is same
    assert first is not second
    assert (first.closed_in, second.closed_in) == (first_loop, second_loop)


def test_a_loop_that_was_closed_without_ceremony_is_forgotten() -> None:
    made: list[Resource] = []

    def make() -> Resource:
        made.append(Resource())
        return made[-1]

    per_loop = PerLoop(make, Resource.close)
    loop = asyncio.new_event_loop()
    abandoned = loop.run_until_complete(per_loop.get())
    loop.close()
    fresh, _, _ = asyncio.run(use(per_loop))
    gc.collect()
    assert made == [abandoned, fresh]
    assert abandoned.closed_in is None, "there is no loop left to close it in"
