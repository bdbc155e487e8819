"""References: views of an image, images of defects, and where they are found."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmad_rag.encoders.protocol import Encoder
from mmad_rag.errors import InputError
from mmad_rag.images import open_image
from mmad_rag.index import KnowledgeIndex
from mmad_rag.index.build.defect_references import find_defect_references
from mmad_rag.index.views import VIEWS, checked_views
from mmad_rag.knowledge import load_knowledge
from mmad_rag.knowledge.schema import Product
from mmad_rag.records import EncodedImage, FloatArray
from tests.index.framed import framed
from tests.support.paths import ROOT
from tests.support.shared import MMAD, needs_shared
from tests.support.world import COLOURS, ColourTower, World, colour_encoder, png


def test_views_are_chosen_by_name() -> None:
    assert checked_views(["whole", "nearer"]) == ("nearer", "whole")
    with pytest.raises(
        InputError, match="there is no view called 'half'; choose of whole, nearer, unfocused"
    ):
        checked_views(["half"])
    with pytest.raises(InputError, match="a view is given twice: nearer, nearer"):
        checked_views(["nearer", "nearer"])
    with pytest.raises(InputError, match="no view of the reference images is given"):
        checked_views([])


class SizeTower(ColourTower):
    """Notes the sizes of what it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[tuple[int, int]] = []

    def encode_images(self, pictures: Sequence[EncodedImage]) -> FloatArray:
        self.sizes += [(image.width, image.height) for image in pictures]
        return super().encode_images(pictures)


def test_every_reference_has_one_vector_per_view(world: World, tmp_path: Path) -> None:
    """Known by the bytes of the file, and never embedded again."""
    (tmp_path / "red_disc").mkdir()
    for number in range(2):
        (tmp_path / "red_disc" / f"{number}.png").write_bytes(framed(40 + number, 20).data)
    tower = SizeTower()
    encoder = Encoder("test:size", "0" * 64, 3, tower, tower, 32)
    index = KnowledgeIndex.build(
        world.knowledge, encoder, text_encoder="words", references=tmp_path, views=["whole", "nearer"]
    )
    assert index.manifest.recipe.views == ("nearer", "whole")
    assert index.manifest.counts.references == 4
    assert [(item.name, item.view) for item in index.references] == [
        (f"{number}.png", view) for number in range(2) for view in ("nearer", "whole")
    ]
    assert [item.digest for item in index.references] == [
        open_image(tmp_path / "red_disc" / f"{number}.png").digest for number in (0, 0, 1, 1)
    ]
    assert tower.sizes == [(24, 12), (40, 20), (24, 12), (41, 20)]
    blue = np.array(COLOURS["blue"], np.float32)
    assert index.reference_vectors[0] == pytest.approx(blue / np.linalg.norm(blue), abs=1e-6)
    more = KnowledgeIndex.build(
        world.knowledge,
        encoder,
        text_encoder="words",
        references=tmp_path,
        reuse=index,
    )
    four = [[(width, 20), (20, width), (width, 20), (width, 20)] for width in (40, 41)]
    assert tower.sizes[4:] == four[0] + four[1]  # compressed, quarter_turn, turned, unfocused
    assert more.manifest.recipe.views == tuple(sorted(VIEWS))
    assert more.manifest.counts.references == 12
    (tmp_path / "new.png").write_bytes(framed(60, 20).data)
    added = index.add_references("red_disc", [tmp_path / "new.png"], encoder)
    assert [item.view for item in added.references] == ["nearer", "whole"] * 3
    added.save(tmp_path / "i")
    assert KnowledgeIndex.load(tmp_path / "i").references == added.references


def test_another_choice_of_views_is_another_index(world: World, encoder: Encoder, tmp_path: Path) -> None:
    def fingerprint(view: str) -> str:
        return KnowledgeIndex.build(
            world.knowledge, encoder, text_encoder="words", references=world.references, views=[view]
        ).fingerprint

    assert len({fingerprint(view) for view in VIEWS}) == len(VIEWS)


@pytest.fixture
def products(world: World) -> tuple[Product, ...]:
    """Red disc: `crack` has the folder `broken` too, and `bad` stands for both of its defects."""
    first, second, third = load_knowledge(world.knowledge).products
    crack, stain = third.defects
    crack = crack.model_copy(update={"folders": ("broken", "bad", "crack")})
    stain = stain.model_copy(update={"folders": ("bad",)})
    return first, second, third.model_copy(update={"defects": (crack, stain)})


def test_pictures_of_defects_are_found_by_their_folders(
    products: tuple[Product, ...], tmp_path: Path
) -> None:
    for path in (
        "red_disc/crack/1.png",
        "red_disc/stain/1.png",
        "DS-X/red_disc/image/broken/1.png",
        "DS-X/red_disc/image/broken/stain/2.png",
        "DS-X/red_disc/image/bad/1.png",
        "DS-X/red_disc/image/bad/2.png",
        "DS-X/red_disc/image/good/1.png",
        "DS-X/red_disc/rbg_mask/broken/1.png",
        "red_disc/ground_truth/crack/1.png",
        "red_disc/1.png",
        "green_square/broken/1.png",
        "green_square/crack/1.png",
        "unknown/crack/1.png",
        "crack/1.png",
        "red_disc/crack/notes.txt",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"x")
    found = find_defect_references(tmp_path, products)
    assert [
        (item.product, item.entry, item.path.relative_to(tmp_path).as_posix()) for item in found.references
    ] == [
        ("red_disc", "crack", "DS-X/red_disc/image/broken/1.png"),
        ("red_disc", "stain", "DS-X/red_disc/image/broken/stain/2.png"),
        ("green_square", "crack", "green_square/crack/1.png"),
        ("red_disc", "crack", "red_disc/crack/1.png"),
        ("red_disc", "stain", "red_disc/stain/1.png"),
    ]
    assert (found.ambiguous, found.skipped) == (2, 7)


def test_a_folder_without_pictures_of_known_defects_is_refused(
    products: tuple[Product, ...], tmp_path: Path
) -> None:
    (tmp_path / "red_disc" / "bad").mkdir(parents=True)
    (tmp_path / "red_disc" / "bad" / "1.png").write_bytes(b"x")
    with pytest.raises(InputError, match=r"no image of a known defect .* \(1 image\(s\) lie in a folder"):
        find_defect_references(tmp_path, products)
    with pytest.raises(InputError, match="there is no folder of reference images"):
        find_defect_references(tmp_path / "none", products)


def test_normal_and_defect_pictures_stand_side_by_side(world: World, tmp_path: Path) -> None:
    """Each under its entry; images of defects change nothing about the normal ones."""
    (tmp_path / "red_disc" / "crack").mkdir(parents=True)
    (tmp_path / "red_disc" / "crack" / "c.png").write_bytes(png((90, 0, 0)))
    plain, both = (
        KnowledgeIndex.build(
            world.knowledge,
            colour_encoder(),
            text_encoder="words",
            references=world.references,
            defect_references=defects,
            views=("whole",),
        )
        for defects in (None, tmp_path)
    )
    assert [(item.entry, item.name) for item in both.references if item.product == "red_disc"] == [
        ("crack", "c.png"),
        ("normal", "1.png"),
        ("normal", "2.png"),
    ]
    assert tuple(item for item in both.references if item.entry == "normal") == plain.references
    assert len(plain.references) == 6


def test_a_name_that_is_no_text_does_not_stop_a_build(world: World, tmp_path: Path) -> None:
    """A file system may hold names in another encoding; a name is for messages only."""
    folder = tmp_path / "red_disc"
    folder.mkdir()
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), "red").save(buffer, format="PNG")
    (folder / "caf\udce9.png").write_bytes(buffer.getvalue())
    index = KnowledgeIndex.build(world.knowledge, colour_encoder(), text_encoder="words", references=tmp_path)
    index.save(tmp_path / "i")
    assert KnowledgeIndex.load(tmp_path / "i").references[0].name == "caf?.png"


@needs_shared
@pytest.mark.slow
def test_the_defects_of_the_real_benchmark_are_found() -> None:
    """Every defect image of a product of MVTec AD; VisA's `bad` is ambiguous."""
    found = find_defect_references(MMAD, load_knowledge(ROOT / "knowledge").products)
    assert len({item.product for item in found.references}) >= 14
    assert all(item.path.parent.name not in ("good", "bad") for item in found.references)
    assert found.ambiguous == 5
