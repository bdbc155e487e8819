"""Product files: what is loaded, and what is said of one that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmad_rag.errors import KnowledgeError
from mmad_rag.fields import Field
from mmad_rag.knowledge import load_knowledge, passages_of, read_product, visual_keys
from mmad_rag.knowledge.source import MAX_FILE_BYTES, read_yaml
from tests.support.world import PRODUCT, World

GOOD = PRODUCT.format(product="red_disc", colour="red", shape="disc")


def problems_of(tmp_path: Path, text: str | bytes, name: str = "red_disc") -> list[str]:
    """What reading one file says, without the folder in front."""
    path = tmp_path / f"{name}.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return [str(problem).removeprefix(f"{tmp_path}/") for problem in read_product(path)[1]]


def test_a_folder_loads_sorted_by_product(world: World) -> None:
    base = load_knowledge(world.knowledge)
    assert [product.product for product in base.products] == ["blue_bar", "green_square", "red_disc"]
    assert base.root == world.knowledge
    assert base.files[0].path == world.knowledge / "blue_bar.yaml"


def test_a_product_becomes_passages_in_the_order_of_reading(world: World) -> None:
    product = load_knowledge(world.knowledge).products[2]
    passages = passages_of(product)
    assert passages[0].id == "red_disc/normal/identity/1"
    assert (
        passages[0].text == "The product is: red disc (also: plain red disc, red test disc, small red disc)."
    )
    assert [passage.field for passage in passages[:7]] == [
        Field.IDENTITY,
        Field.IDENTITY,
        Field.APPEARANCE,
        Field.STRUCTURE,
        Field.FUNCTION,
        Field.VARIATION,
        Field.VIEW,
    ]
    crack = [passage for passage in passages if passage.entry == "crack"]
    assert [passage.id for passage in crack][-1] == "red_disc/crack/look_alike/1"
    assert crack[-1].text == "Unlike stain on the disc: A crack is narrow and has sharp ends."
    assert crack[0].title == "Crack in the disc"
    assert len({passage.id for passage in passages}) == len(passages) == 17


def test_a_long_text_is_cut_into_its_sentences_and_no_word_is_lost(tmp_path: Path) -> None:
    prose = (
        "Description: " + " ".join(f"Sentence number {n} speaks of the disc." for n in range(8)) + " The end."
    )
    text = GOOD.replace("[The disc is evenly red and smooth.]", f'["{prose}"]')
    path = tmp_path / "red_disc.yaml"
    path.write_text(text)
    loaded, _ = read_product(path)
    assert loaded is not None
    pieces = [p for p in passages_of(loaded.product) if p.entry == "normal" and p.field is Field.APPEARANCE]
    assert pieces[0].text == "Description: Sentence number 0 speaks of the disc."
    assert pieces[-1].text == "The end."
    assert [piece.id.rpartition("/")[2] for piece in pieces] == [str(n) for n in range(1, 10)]
    assert " ".join(piece.text for piece in pieces) == prose


def test_a_product_without_aliases_says_only_its_name(tmp_path: Path) -> None:
    text = GOOD.replace("  aliases: [plain red disc, red test disc, small red disc]\n", "")
    path = tmp_path / "red_disc.yaml"
    path.write_text(text)
    loaded, problems = read_product(path)
    assert problems == []
    assert loaded is not None
    assert passages_of(loaded.product)[0].text == "The product is: red disc."
    assert visual_keys(loaded.product) == ("red disc",)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            ("dataset: Tiny world", "dataset: 7"),
            "red_disc.yaml:3: dataset is '7', which YAML reads as a number, not as text; put it into quotes",
        ),
        (("dataset:", "databse:"), "red_disc.yaml:3: databse is not a field of a product file"),
        (("  name: red disc\n", ""), "red_disc.yaml:4: visual.name is missing; add it"),
        (("id: stain", "id: crack"), "red_disc.yaml:25: defects.1.id 'crack' is used twice"),
        (
            ("id: stain", "id: normal"),
            "red_disc.yaml:25: defects.1.id 'normal' is the id of the normal state; give the defect another",
        ),
        (
            ("defect: stain", "defect: rust"),
            "red_disc.yaml:23: defects.0.look_alikes.0.defect 'rust' is not a defect",
        ),
        (
            ("product: red_disc", "product: red_disk"),
            "red_disc.yaml:2: product is 'red_disk' but the file is",
        ),
        (("product: red_disc", "product: Red Disc"), "red_disc.yaml:2: product string should match pattern"),
        (
            ("schema_version: 1", "schema_version: 9"),
            "red_disc.yaml:1: schema_version input should be less than",
        ),
        (("date: 2026-01-31", "date: yesterday"), "provenance.date input should be a valid date"),
        (("status: checked", "status: perfect"), "provenance.status input should be 'draft', 'checked'"),
        (
            ("view: [The disc lies alone on a table.]", "view: A table."),
            "red_disc.yaml:8: view input should be a list",
        ),
        (("normal:", "normal: 3\nnormale:"), "red_disc.yaml:9: normal "),
        (("view:", "product: red_disc\nview:"), "red_disc.yaml:8: the field 'product' stands here twice"),
        (("view: [The", "view: [[The"), "this is not valid YAML"),
        (("schema_version: 1", "schema_version: !!python/object:os.system 1"), "this is not valid YAML"),
    ],
)
def test_a_wrong_field_is_named_with_file_line_and_advice(
    tmp_path: Path, change: tuple[str, str], expected: str
) -> None:
    assert change[0] in GOOD
    found = problems_of(tmp_path, GOOD.replace(*change))
    assert any(expected in problem for problem in found), found


def test_a_byte_that_is_not_utf8_is_named_by_its_line(tmp_path: Path) -> None:
    found = problems_of(tmp_path, GOOD.encode().replace(b"evenly", b"even\xffly"))
    assert found == ["red_disc.yaml:10: byte 0xff is not UTF-8; save the file as UTF-8"]


def test_a_file_of_ten_megabytes_is_refused_unread(tmp_path: Path) -> None:
    found = problems_of(tmp_path, GOOD + "# " + "x" * 10_000_000)
    assert len(found) == 1
    assert f"more than {MAX_FILE_BYTES:,}" in found[0]


@pytest.mark.parametrize("text", ["", "- a list\n", "just words\n", "---\n--- \n"])
def test_a_file_without_fields_is_refused(tmp_path: Path, text: str) -> None:
    assert problems_of(tmp_path, text) != []


def test_anchors_that_blow_up_are_refused(tmp_path: Path) -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    for number in range(1, 9):
        before, now = chr(96 + number), chr(97 + number)
        lines.append(f"{now}: &{now} [{', '.join([f'*{before}'] * 10)}]")
    found = problems_of(tmp_path, "\n".join(lines))
    assert len(found) == 1
    assert "expands to more than" in found[0]


@pytest.mark.slow
def test_a_file_that_holds_itself_or_nests_without_end_is_refused(tmp_path: Path) -> None:
    assert problems_of(tmp_path, "a: &a [*a]\n") != []
    assert "nested too deeply" in problems_of(tmp_path, "[" * 3000 + "]" * 3000)[0]


def test_reference_pictures_must_exist_inside_the_folder(tmp_path: Path) -> None:
    inside = tmp_path / "base"
    inside.mkdir()
    (tmp_path / "outside.png").write_bytes(b"x")
    (inside / "good.png").write_bytes(b"x")
    listed = "references: [good.png, ../outside.png, absent.png]\nprovenance:"
    found = problems_of(inside, GOOD.replace("provenance:", listed))
    assert found == [
        "red_disc.yaml:35: references.1 '../outside.png' leaves the knowledge folder; keep images in it",
        "red_disc.yaml:35: references.2 'absent.png' does not exist; correct the path or remove it",
    ]
    (inside / "red_disc.yaml").write_text(GOOD.replace("provenance:", "references: [good.png]\nprovenance:"))
    assert load_knowledge(inside).files[0].reference_paths() == (inside / "good.png",)


@pytest.mark.parametrize("name", ["notes.md", "data.bin", "picture", "screw.yaml"])
def test_a_reference_must_be_named_like_a_picture(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    (tmp_path / "UPPER.JPG").write_bytes(b"x")
    found = problems_of(
        tmp_path, GOOD.replace("provenance:", f"references: [UPPER.JPG, {name}]\nprovenance:")
    )
    assert len(found) == 1
    assert found[0].startswith(f"red_disc.yaml:35: references.1 '{name}' is not named like an image (.bmp,")


@pytest.mark.parametrize(
    "change", [("id: stain", "id: crack"), ("id: stain", "id: normal"), ("defect: stain", "defect: rust")]
)
def test_a_file_whose_ids_do_not_fit_is_no_product(tmp_path: Path, change: tuple[str, str]) -> None:
    """Its passages could not be named, so nothing that needs them is given it."""
    path = tmp_path / "red_disc.yaml"
    path.write_text(GOOD.replace(*change))
    loaded, problems = read_product(path)
    assert loaded is None
    assert problems


def test_one_message_names_the_problems_of_every_file(tmp_path: Path) -> None:
    for number in range(25):
        (tmp_path / f"thing{number}.yaml").write_text("dataset: 1\n")
    with pytest.raises(KnowledgeError) as caught:
        load_knowledge(tmp_path)
    message = str(caught.value)
    assert f"the knowledge in {tmp_path} has" in message
    assert f"{tmp_path}/thing0.yaml:1: dataset is '1', which YAML reads as a number" in message
    assert "... and " in message
    assert message.count("\n") == 21


@pytest.mark.parametrize("missing", [True, False])
def test_an_absent_or_empty_folder_is_refused(tmp_path: Path, missing: bool) -> None:
    folder = tmp_path / "none" if missing else tmp_path
    with pytest.raises(
        KnowledgeError, match="there is no knowledge folder" if missing else "holds no <product>"
    ):
        load_knowledge(folder)


def test_an_unreadable_file_is_a_problem_not_a_crash(tmp_path: Path) -> None:
    loaded, problems = read_product(tmp_path / "absent.yaml")
    assert loaded is None
    assert "cannot be read" in str(problems[0])


def test_lines_are_known_for_every_value_and_its_ancestors(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("a:\n  - one\n  - b: two\n    c: three\n")
    source = read_yaml(path)
    assert source.line(("a", 1, "c")) == 4
    assert source.line(("a", 0)) == 2
    assert source.line(("a", 1, "c", "deeper")) == 4
    assert source.line(("nowhere",)) == 1


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_never_anything_else(text: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.yaml"
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        loaded, problems = read_product(path)
        assert loaded is None
        assert problems
