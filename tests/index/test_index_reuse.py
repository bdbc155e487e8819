"""Nothing that is known is embedded again, and nothing of another recipe is taken over."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from mmad_rag.errors import IndexMismatchError
from mmad_rag.index import KnowledgeIndex
from mmad_rag.index.build.embed import KEY_TEMPLATES
from mmad_rag.index.build.reuse import Reuse, reuse_of
from mmad_rag.knowledge import KnowledgeBase, load_knowledge
from tests.index.changing import TEXTS, base_of, counting_encoder, product_file
from tests.support.world import World, colour_encoder


def test_nothing_is_embedded_twice(pictures: tuple[Path, ...]) -> None:
    """Of a change only what is new; of equal texts and images one."""
    encoder, tower = counting_encoder()
    index = KnowledgeIndex.build(
        base_of({"ant": 0, "bee": 1}), encoder, text_encoder=encoder, views=("whole",)
    )
    index = index.add_references("ant", pictures, encoder)
    index = index.add_references("bee", pictures, encoder, entry="crack")
    index = index.add(base_of({"ant": 0, "cat": 2}), encoder)
    index = index.rename("cat", "dog")
    both = {f"One {text} in the middle of the picture." for text in TEXTS}
    assert {text for text, times in tower.seen.items() if times > 1} <= both  # a key and a passage each
    assert max(tower.seen.values()) == 2
    assert tower.images_seen == 7
    assert len(index.references) == 14
    seen = tower.seen.total()
    changed = product_file("bee", 1)
    text = changed.product.normal.model_copy(update={"variation": ("Scratches are tolerated.",)})
    product = changed.product.model_copy(update={"normal": text})
    index = index.add(KnowledgeBase(Path(), (dataclasses.replace(changed, product=product),)), encoder)
    assert tower.seen.total() == seen + 1
    assert tower.seen["Scratches are tolerated."] == 1


def test_a_build_takes_over_what_an_older_index_knows(world: World, tmp_path: Path) -> None:
    """The older index decides nothing else; another encoder takes over nothing."""
    encoder, tower = counting_encoder()
    old = KnowledgeIndex.build(world.knowledge, encoder, text_encoder=encoder, references=world.references)
    seen = tower.seen.total()
    again = KnowledgeIndex.build(
        world.knowledge, encoder, text_encoder=encoder, references=world.references, reuse=old
    )
    assert tower.seen.total() == seen
    assert again.manifest == old.manifest
    assert reuse_of(again, old) == Reuse(taken_over=102, embedded=0)
    assert reuse_of(again, None) == Reuse(taken_over=0, embedded=102)
    assert reuse_of(again.remove("red_disc"), old) == Reuse(taken_over=68, embedded=0)
    (tmp_path / "red_ring.yaml").write_text(
        (world.knowledge / "red_disc.yaml").read_text().replace("product: red_disc", "product: red_ring")
    )
    renamed = KnowledgeIndex.build(tmp_path, encoder, text_encoder=encoder, reuse=old)
    assert tower.seen.total() == seen
    assert (
        renamed.fingerprint
        == (
            old.remove("green_square", "blue_bar")
            .remove_references("red_disc")
            .rename("red_disc", "red_ring")
        ).fingerprint
    )
    other = colour_encoder(name="other")
    anew = KnowledgeIndex.build(world.knowledge, other, text_encoder=encoder, reuse=old)
    assert tower.seen.total() == seen
    assert reuse_of(anew, old) == Reuse(taken_over=51, embedded=15)


def test_vectors_of_another_recipe_are_not_taken_over(world: World) -> None:
    """Other templates, another way to split texts or another table of views give other vectors."""
    encoder, tower = counting_encoder()
    old = KnowledgeIndex.build(world.knowledge, encoder, text_encoder=encoder, references=world.references)
    for change, embedded in (
        ({"key_templates": ("{}",)}, 12),
        ({"texts_version": 0}, 51 + 15),
        ({"views_version": 0}, 36),
    ):
        recipe = old.manifest.recipe.model_copy(update=change)
        odd = dataclasses.replace(old, manifest=old.manifest.model_copy(update={"recipe": recipe}))
        built = KnowledgeIndex.build(
            world.knowledge, encoder, text_encoder=encoder, references=world.references, reuse=odd
        )
        assert built.fingerprint == old.fingerprint
        assert reuse_of(built, odd) == Reuse(taken_over=102 - embedded, embedded=embedded)
        assert odd.remove("red_disc").manifest.recipe == recipe
    base = load_knowledge(world.knowledge)
    with pytest.raises(IndexMismatchError, match=r"6 reference image\(s\) must be embedded again"):
        odd.add(base, encoder)
    assert tower.texts_seen.count(KEY_TEMPLATES[0].format("red disc")) == 3
