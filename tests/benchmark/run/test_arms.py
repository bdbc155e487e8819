"""Arms are models composed from models: what is shown differs in the knowledge and in nothing else."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import pytest

from mmad_rag.benchmark.data.mmad import load_questions
from mmad_rag.benchmark.run import arm_retrievers
from mmad_rag.benchmark.run.arm_retrievers import other_product
from mmad_rag.benchmark.run.arms import ARM_NAMES, INDEXLESS_ARMS, Arm, base_arms, build_arms
from mmad_rag.benchmark.run.arms import __doc__ as arms_doc
from mmad_rag.benchmark.run.reader import read_run
from mmad_rag.benchmark.run.run_arms import run_arms
from mmad_rag.encoders.protocol import Encoder
from mmad_rag.errors import IndexMismatchError, SpecError
from mmad_rag.images import open_image
from mmad_rag.index import KnowledgeIndex
from mmad_rag.models.blind import BlindModel
from mmad_rag.models.builtin.scripted import ScriptedModel
from mmad_rag.prompt import prompt_digest
from mmad_rag.rag import RagWrapper
from mmad_rag.records import Choice, Prompt, RouteOutcome
from mmad_rag.retrieve.config import RetrievalConfig
from tests.support.bench import make_benchmark, question, scripted
from tests.support.world import COLOURS, World, colour_encoder, png


def ask(arm: Arm, prompt: Prompt, product: str = "red_disc") -> Prompt:
    """What the innermost model is shown in an arm."""
    item = question(f"VisA/{product}/test/bad/000.png")
    model = arm.model_for(item)
    asyncio.run(model.answer(prompt))
    while isinstance(model, RagWrapper | BlindModel):
        model = model.model
    assert isinstance(model, ScriptedModel)
    return model.prompts[-1]


PROMPT = Prompt("Where is the crack?", None)
SEEN = Prompt(
    "Where is the crack?",
    open_image(png(COLOURS["red"], shade=99)),
    (Choice("A", "At the rim."), Choice("B", "Nowhere.")),
    (open_image(png(COLOURS["red"], shade=1)),),
)

CHANGED = {
    "none": set(),
    "rag": {"knowledge"},
    "oracle": {"knowledge"},
    "wrong": {"knowledge"},
    "lookalike": {"knowledge"},
    "filler": {"knowledge"},
    "all": {"knowledge"},
    "blind": {"knowledge", "image", "references"},
    "blind-none": {"image", "references"},
}
"""Arm -> the fields in which what its model is shown differs from what it is shown in `none`."""


def test_the_arms_and_their_order_are_documented() -> None:
    assert tuple(CHANGED) == ARM_NAMES
    table = [line.split("`")[1] for line in str(arms_doc).splitlines() if line.startswith("| `")]
    assert table == list(ARM_NAMES[1:])


@pytest.mark.parametrize("name", ARM_NAMES)
def test_an_arm_changes_the_intended_fields_and_nothing_else(
    index: KnowledgeIndex, encoder: Encoder, name: str
) -> None:
    (arm,) = build_arms([name], scripted("A"), index, retrieval=RetrievalConfig(encoder=encoder))
    shown = ask(arm, SEEN)
    fields = [field.name for field in dataclasses.fields(Prompt)]
    assert {field for field in fields if getattr(shown, field) != getattr(SEEN, field)} == CHANGED[name]
    if "image" in CHANGED[name]:
        assert (shown.image, shown.references) == (None, ())
    if "knowledge" in CHANGED[name]:
        assert shown.knowledge is not None
        assert shown.knowledge.hits


def test_arms_come_in_the_order_asked_for(index: KnowledgeIndex, encoder: Encoder) -> None:
    arms = build_arms(
        ["oracle", "none", "rag"], scripted("A"), index, retrieval=RetrievalConfig(encoder=encoder)
    )
    assert [arm.name for arm in arms] == ["oracle", "none", "rag"]
    assert {arm.model for arm in arms} == {"builtin:scripted/test"}
    assert [arm.index for arm in arms] == [index.fingerprint, None, index.fingerprint]
    assert len({arm.identity for arm in arms}) == 3


def test_identities_hold_what_can_change_a_reply(index: KnowledgeIndex, encoder: Encoder) -> None:
    for name in ("rag", "oracle", "wrong", "lookalike", "filler", "blind"):
        identities = {
            build_arms(
                [name], scripted("A", model), index, retrieval=RetrievalConfig(encoder=encoder, budget=budget)
            )[0].identity
            for model in ("m1", "m2")
            for budget in (100, 200)
        }
        assert len(identities) == 4
        assert all(index.fingerprint[:16] in identity for identity in identities)


def test_the_oracle_knows_the_true_product_of_each_question(index: KnowledgeIndex, encoder: Encoder) -> None:
    (arm,) = build_arms(["oracle"], scripted("A"), index, retrieval=RetrievalConfig(encoder=encoder))
    for product in ("red_disc", "blue_bar", "red_disc"):
        knowledge = ask(arm, PROMPT, product).knowledge
        assert knowledge is not None
        assert knowledge.route.products == (product,)
        assert {hit.passage.product for hit in knowledge.hits} == {product}
    one, other = (arm.model_for(question(f"VisA/{name}/test/bad/0.png")) for name in ("red_disc", "blue_bar"))
    assert one is arm.model_for(question("VisA/red_disc/test/good/1.png"))
    assert one.identity != other.identity


def test_the_oracle_has_nothing_on_a_product_that_the_index_does_not_hold(
    index: KnowledgeIndex, encoder: Encoder
) -> None:
    (arm,) = build_arms(["oracle"], scripted("A"), index, retrieval=RetrievalConfig(encoder=encoder))
    knowledge = ask(arm, PROMPT, "zipper").knowledge
    assert knowledge is not None
    assert (knowledge.hits, knowledge.route.products) == ((), ())
    assert knowledge.route.outcome is RouteOutcome.UNKNOWN
    assert knowledge.source == index.fingerprint
    assert "zipper" in arm.model_for(question("VisA/zipper/test/bad/0.png")).identity


@pytest.mark.parametrize("name", [name for name in ARM_NAMES if name not in INDEXLESS_ARMS])
def test_knowledge_without_an_index_says_how_to_build_one(name: str) -> None:
    with pytest.raises(
        SpecError, match=f"the arm '{name}' needs an index; build one with `mmad-rag build-index"
    ):
        build_arms(["none", name], scripted("A"))


@pytest.mark.parametrize("name", sorted(INDEXLESS_ARMS))
def test_arms_without_knowledge_need_no_index_and_load_no_encoder(index: KnowledgeIndex, name: str) -> None:
    """The index names an encoder that nothing can load, which nothing tries."""
    assert [arm.name for arm in build_arms([name], scripted("A"))] == [name]
    assert [(arm.name, arm.index) for arm in build_arms([name], scripted("A"), index)] == [(name, None)]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "a run needs an arm; give some of none, rag, oracle"),
        (["none", "wizard"], "there is no arm 'wizard'; give some of none, rag, oracle"),
        (["none", "none"], "the arm 'none' is given twice"),
    ],
)
def test_wrong_names_are_refused(names: list[str], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        build_arms(names, scripted("A"))


def test_another_encoder_than_the_indexs_is_refused(index: KnowledgeIndex) -> None:
    other = RetrievalConfig(encoder=colour_encoder(name="other"))
    with pytest.raises(IndexMismatchError):
        build_arms(["rag"], scripted("A"), index, retrieval=other)


def test_the_indexs_encoder_is_loaded_once_for_all_arms(
    index: KnowledgeIndex, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []

    def load(spec: str) -> Encoder:
        loaded.append(spec)
        return encoder

    monkeypatch.setattr(arm_retrievers, "load_encoder", load)
    for arm in build_arms(["none", "oracle", "rag"], scripted("A"), index):
        ask(arm, PROMPT, "red_disc")
        ask(arm, PROMPT, "blue_bar")
    assert loaded == [encoder.spec]


def test_an_oracle_over_passages_found_by_words_needs_no_encoder(world: World) -> None:
    """The index names an encoder that nothing can load, and nothing tries."""
    images_only = KnowledgeIndex.build(
        world.knowledge, colour_encoder(texts=False), references=world.references
    )
    (arm,) = build_arms(["oracle"], scripted("A"), images_only)
    knowledge = ask(arm, PROMPT).knowledge
    assert knowledge is not None
    assert knowledge.hits[0].passage.product == "red_disc"


def test_all_arms_in_one_run(index: KnowledgeIndex, encoder: Encoder, tmp_path: Path) -> None:
    """The images are told apart by colour: rag finds the oracle's products; base prompts are the same."""
    benchmark = load_questions(make_benchmark(tmp_path / "data"))
    model = scripted("A")
    arms = build_arms(["none", "rag", "oracle"], model, index, retrieval=RetrievalConfig(encoder=encoder))
    asyncio.run(run_arms(benchmark, arms, out=tmp_path / "out"))
    run = read_run(tmp_path / "out")
    assert len(run.rows) == 108
    assert len(model.prompts) == 108
    for place, item in enumerate(run.questions):
        none, rag, oracle = run.rows[3 * place : 3 * place + 3]
        assert (none.arm, rag.arm, oracle.arm) == ("none", "rag", "oracle")
        assert none.prompt == rag.prompt == oracle.prompt
        assert (none.products, none.passages, none.source) == ((), (), None)
        assert rag.products == oracle.products == (item.product,)
        assert rag.passages
        assert all(passage.startswith(f"{item.product}/") for passage in (*rag.passages, *oracle.passages))
        assert rag.source == oracle.source == index.fingerprint
    bare = {prompt_digest(dataclasses.replace(prompt, knowledge=None)) for prompt in model.prompts}
    assert bare == {row.prompt for row in run.rows}


def test_bases_are_compared_by_words_at_each_budget_beside_wrong_products(index: KnowledgeIndex) -> None:
    """No encoder is loaded: the bases differ in their texts and in nothing else."""
    other = dataclasses.replace(index, manifest=index.manifest.model_copy(update={"library": "other"}))
    datasets = dict.fromkeys(index.products, "VisA") | {"blue_bar": "DS-MVTec"}
    arms = base_arms(scripted("A"), {"this": index, "other": other}, [40, 1000], datasets=datasets)
    assert [arm.name for arm in arms] == [
        f"{base}@{budget}{control}"
        for budget in (40, 1000)
        for base in ("this", "other")
        for control in ("", "/wrong", "/alike")
    ]
    assert len({arm.identity for arm in arms}) == 12
    found = [ask(arm, PROMPT).knowledge for arm in arms]
    products = [knowledge.route.products for knowledge in found if knowledge is not None]
    assert products == [("red_disc",), products[1], ("green_square",)] * 4
    assert products[1] != ("red_disc",)
    sizes = [len(knowledge.hits) for knowledge in found if knowledge is not None]
    assert 0 < sizes[0] == sizes[3] < 6
    assert sizes[6:] == [17] * 6


def test_the_wrong_product_is_drawn_by_the_picture_and_never_the_true_one() -> None:
    known = ["blue_bar", "green_square", "red_disc"]
    asked = [question(f"VisA/red_disc/test/bad/{number}.png") for number in range(60)]
    drawn = [other_product(item, known) for item in asked]
    assert set(drawn) == {"blue_bar", "green_square"}
    assert 15 < drawn.count("blue_bar") < 45
    first = question("VisA/red_disc/test/bad/7.png")
    assert other_product(first, ["blue_bar", "green_square"]) == drawn[7]
    with pytest.raises(SpecError, match="needs a second one"):
        other_product(first, ["red_disc"])


def test_a_wrong_product_of_the_same_dataset_is_drawn_among_its_products() -> None:
    """Texts of one source are alike in style; where the dataset has no other product, all are drawn from."""
    known = ["blue_bar", "green_square", "pcb1", "red_disc"]
    datasets = {"blue_bar": "DS-MVTec", "green_square": "VisA", "pcb1": "VisA", "red_disc": "VisA"}
    asked = [question(f"VisA/red_disc/test/bad/{number}.png") for number in range(60)]
    drawn = [other_product(item, known, datasets=datasets) for item in asked]
    assert set(drawn) == {"green_square", "pcb1"}
    assert 15 < drawn.count("pcb1") < 45
    alone = [question(f"DS-MVTec/blue_bar/image/bad/{number}.png") for number in range(60)]
    assert {other_product(item, known, datasets=datasets) for item in alone} == set(known) - {"blue_bar"}


def test_a_seed_draws_other_wrong_products() -> None:
    known = [f"p{number}" for number in range(10)]
    asked = [question(f"VisA/p0/test/bad/{number}.png") for number in range(40)]
    drawn = [[other_product(item, known, seed=seed) for item in asked] for seed in (0, 1, 1)]
    assert drawn[0] != drawn[1] == drawn[2]
    assert "p0" not in {*drawn[0], *drawn[1]}
