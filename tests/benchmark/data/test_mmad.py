"""Reading mmad.json, refusing what is wrong with it, and choosing questions."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmad_rag.benchmark.data.mmad import (
    MMAD_COLUMNS,
    Benchmark,
    TemplateKind,
    load_questions,
    split_path,
    templates_of,
)
from mmad_rag.benchmark.data.selection import select
from mmad_rag.errors import DataError
from mmad_rag.images import open_image
from mmad_rag.records import Choice
from tests.support.bench import YES_NO, entry, make_benchmark, qa
from tests.support.shared import MMAD, needs_shared

IMAGE = "DS-MVTec/bottle/image/broken_large/000.png"


def load(folder: Path, content: object) -> Benchmark:
    folder.mkdir(exist_ok=True)
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / "mmad.json").write_text(text, encoding="utf-8")
    return load_questions(folder)


def record(**changes: object) -> dict[str, Any]:
    return {IMAGE: entry(IMAGE, [qa("Anomaly Detection", "A", YES_NO)]) | changes}


def asked(**changes: object) -> dict[str, Any]:
    return record(conversation=[qa("Defect Analysis"), qa("Defect Analysis") | changes])


# --- reading


def test_a_question_is_read_with_everything_its_path_says(tmp_path: Path) -> None:
    benchmark = load(tmp_path, record())
    (question,) = benchmark.questions
    assert question.id == f"{IMAGE}#0"
    assert question.image_path == IMAGE
    assert (question.dataset, question.product, question.label) == ("DS-MVTec", "bottle", "broken_large")
    assert question.choices == (Choice("A", "Yes."), Choice("B", "No."))
    assert (question.answer, question.type) == ("A", "Anomaly Detection")
    assert question.subtask == "Anomaly Detection"
    assert benchmark.sha256 == hashlib.sha256((tmp_path / "mmad.json").read_bytes()).hexdigest()
    assert benchmark.root == tmp_path


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("DS-MVTec/pill/image/good/001.png", ("DS-MVTec", "pill", "good")),
        (
            "MVTec-LOCO/juice_bottle/test/logical_anomalies/007.png",
            ("MVTec-LOCO", "juice_bottle", "logical_anomalies"),
        ),
        ("VisA/pcb1/test/bad/004.JPG", ("VisA", "pcb1", "bad")),
        ("GoodsAD/food_box/test/surface_damage/x.jpg", ("GoodsAD", "food_box", "surface_damage")),
        ("GoodsAD/goods_rack/test/opened/good.jpg", ("GoodsAD", "goods_rack", "opened")),
    ],
)
def test_the_label_is_a_component_of_the_path_in_all_four_layouts(
    path: str, parts: tuple[str, str, str]
) -> None:
    found = split_path(path)
    assert (found.dataset, found.product, found.label) == parts


@pytest.mark.parametrize("path", ["", "a/b/c/d", "DS-MVTec//image/good/1.png", "DS-MVTec/x/good/1.png"])
def test_another_form_of_path_is_refused(path: str) -> None:
    with pytest.raises(DataError, match="dataset/product/split/label/file"):
        split_path(path)


def test_nine_raw_types_make_seven_subtasks() -> None:
    assert len(MMAD_COLUMNS.folds) == 9
    assert MMAD_COLUMNS.names == (
        "Anomaly Detection",
        "Defect Classification",
        "Defect Localization",
        "Defect Description",
        "Defect Analysis",
        "Object Classification",
        "Object Analysis",
    )
    assert tuple(dict.fromkeys(MMAD_COLUMNS.folds.values())) == MMAD_COLUMNS.names
    merged = [name for name, subtask in MMAD_COLUMNS.folds.items() if subtask == "Object Analysis"]
    assert merged == ["Object Analysis", "Object Structure", "Object Details"]


def test_positions_count_from_zero_and_order_is_kept(tmp_path: Path) -> None:
    benchmark = load(tmp_path, record(conversation=[qa("Object Details"), qa("Object Structure")]))
    assert [question.id for question in benchmark.questions] == [f"{IMAGE}#0", f"{IMAGE}#1"]
    assert [question.type for question in benchmark.questions] == ["Object Details", "Object Structure"]


def test_a_byte_order_mark_is_tolerated(tmp_path: Path) -> None:
    assert len(load(tmp_path, "\ufeff" + json.dumps(record())).questions) == 1


def test_five_options_in_the_files_order(tmp_path: Path) -> None:
    options = {"E": "e", "A": "a", "C": "c", "B": "b", "D": "d"}
    (_, question) = load(tmp_path, asked(Options=options, Answer="E")).questions
    assert [choice.letter for choice in question.choices] == ["E", "A", "C", "B", "D"]


def test_masks_and_templates_are_relative_to_the_data_folder(tmp_path: Path) -> None:
    benchmark = load(
        tmp_path,
        record(
            mask_path="rbg_mask/broken_large/000.png", similar_templates=["MVTec-AD/bottle/train/good/1.png"]
        ),
    )
    image = benchmark.images[IMAGE]
    assert image.mask == "DS-MVTec/bottle/rbg_mask/broken_large/000.png"
    assert image.similar == ("MVTec-AD/bottle/train/good/1.png",)
    assert image.random == ()


def test_missing_pictures_are_listed(tmp_path: Path) -> None:
    root = make_benchmark(tmp_path)
    gone = "DS-MVTec/red_disc/image/bad/001.png"
    (root / gone).unlink()
    assert load_questions(root).missing_images == (gone,)


def test_a_path_too_long_for_the_file_system_is_missing(tmp_path: Path) -> None:
    path = f"VisA/p/test/bad/{'x' * 5000}.png"
    assert load(tmp_path, {path: entry(path, [qa("Defect Analysis")])}).missing_images == (path,)


def test_templates_that_exist_are_found_and_never_the_image_itself(tmp_path: Path) -> None:
    root = make_benchmark(tmp_path, images=1)
    image = "VisA/blue_bar/test/good/000.png"
    records = json.loads((root / "mmad.json").read_text())
    first, second = records[image]["similar_templates"]
    records[image]["similar_templates"] = [image, second, "VisA/blue_bar/train/good/gone.png", second, first]
    (root / "mmad.json").write_text(json.dumps(records))
    benchmark = load_questions(root)
    assert templates_of(benchmark, image, TemplateKind.SIMILAR) == (root / second, root / first)
    assert templates_of(benchmark, image, TemplateKind.RANDOM) == (root / second, root / first)


# --- refusing

WRONG = [
    ("", "not valid JSON"),
    ("{", "not valid JSON"),
    ("[" * 100_000, "not valid JSON"),
    ("[]", "expected an object, found a list"),
    ("null", "found null"),
    ("{}", "holds no questions"),
    ({IMAGE: []}, f"image {IMAGE}: expected an object, found a list"),
    ({IMAGE: {}}, "'conversation' is missing"),
    (record(conversation={}), "conversation: expected a list, found an object"),
    (record(conversation=[]), "holds no questions"),
    (record(conversation=["x"]), "question 0: expected an object, found text"),
    (asked(Question=""), "question 1: 'Question' is empty"),
    (asked(Question="  "), "question 1: 'Question' is empty"),
    (asked(Question=7), "question 1: 'Question' is a number, expected text"),
    (asked(Question="\ud83d"), "not valid Unicode"),
    (asked(Answer="F"), "question 1: the answer 'F' is none of its options A, B, C, D"),
    (asked(Answer=None), "'Answer' is null"),
    (asked(Options={"A": "x"}), "1 options, expected 2 to 5"),
    (asked(Options=dict.fromkeys("ABCDEF", "x")), "6 options, expected 2 to 5"),
    (asked(Options={"A": "x", "B": ""}), "Options: 'B' is empty"),
    (asked(Options={"A": "x", "b": "y"}), "the option 'b' is none of A, B, C, D, E"),
    (asked(Options=["x", "y"]), "Options: expected an object"),
    (asked(type=""), "question 1: 'type' is empty"),
    (asked(type="defect-analysis"), "the type 'defect-analysis' is another spelling of 'Defect Analysis'"),
    (asked(type="Reading\n"), "the type 'Reading\\n' holds a line end or control character"),
    (asked(type="average"), "the type 'average' is called as the average is"),
    ({"Average/p/test/bad/1.png": {}}, "is called as the average over datasets is"),
    (record(similar_templates="x"), "similar_templates: expected a list"),
    (record(similar_templates=["../secret.png"]), "leaves the data folder"),
    (record(random_templates=["/etc/passwd"]), "leaves the data folder"),
    (record(random_templates=[3]), "expected a path, found a number"),
    (record(mask_path="../../x.png"), "mask_path: the path '../../x.png' is empty or leaves"),
    (record(image_path="../x.png"), "image_path: the path '../x.png' is empty or leaves"),
    ({"/abs/p/test/bad/1.png": {}}, "leaves the data folder"),
    ({"VisA/../test/bad/1.png": {}}, "leaves the data folder"),
    ({"VisA\\p\\test\\bad\\1.png": {}}, "leaves the data folder"),
    ({"C:/p/test/bad/1.png": {}}, "leaves the data folder"),
    ({"VisA/p/test/bad/1\x00.png": {}}, "leaves the data folder"),
    ({"VisA/p/1.png": {}}, "dataset/product/split/label/file"),
]


@pytest.mark.parametrize(("content", "message"), WRONG, ids=[row[1][:40] for row in WRONG])
def test_what_is_wrong_is_named(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(DataError) as caught:
        load(tmp_path, content)
    assert message in str(caught.value)
    assert "mmad.json" in str(caught.value)


@pytest.mark.parametrize("key", ["Answer", "Question", "Options", "type"])
def test_a_missing_key_is_named_with_its_question(tmp_path: Path, key: str) -> None:
    talk = qa("Defect Analysis")
    del talk[key]
    with pytest.raises(DataError, match=f"image {IMAGE}, question 0: '{key}' is missing"):
        load(tmp_path, record(conversation=[talk]))


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    text = json.dumps(record())
    with pytest.raises(DataError, match="the key 'A' occurs twice"):
        load(tmp_path, text.replace('"B": "No."', '"A": "No."'))
    with pytest.raises(DataError, match=f"the key '{IMAGE}' occurs twice"):
        load(tmp_path, text[:-1] + ", " + text[1:])


def test_bytes_that_are_no_utf_8(tmp_path: Path) -> None:
    (tmp_path / "mmad.json").write_bytes(b'{"\xff": 1}')
    with pytest.raises(DataError, match="not valid JSON"):
        load_questions(tmp_path)


@pytest.mark.parametrize("folder", ["", "nowhere"])
def test_an_absent_file_says_which_folder_is_wanted(tmp_path: Path, folder: str) -> None:
    with pytest.raises(DataError, match=r"give the folder that holds mmad\.json"):
        load_questions(tmp_path / folder)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_json_is_read_or_refused_by_name(
    tmp_path_factory: pytest.TempPathFactory, content: object
) -> None:
    folder = tmp_path_factory.getbasetemp() / "any"
    with pytest.raises(DataError):
        load(folder, json.dumps(content))


# --- choosing


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    root = make_benchmark(tmp_path_factory.mktemp("choose"), images=4)
    (root / "VisA/blue_bar/test/bad/003.png").unlink()
    return load_questions(root)


def test_without_wishes_all_that_have_a_picture(benchmark: Benchmark) -> None:
    chosen = select(benchmark)
    assert len(chosen.questions) == 3 * 8 * 3 - 3
    assert chosen.missing_images == ("VisA/blue_bar/test/bad/003.png",)
    assert chosen.missing_questions == 3


@pytest.mark.parametrize(
    ("only", "products"),
    [
        ("VisA/*", {"blue_bar"}),
        ("red_disc", {"red_disc"}),
        ("*/good/*", {"red_disc", "green_square", "blue_bar"}),
        (["DS-MVTec/red*", "blue_*"], {"red_disc", "blue_bar"}),
    ],
)
def test_globs_fit_image_paths_and_products(
    benchmark: Benchmark, only: str | list[str], products: set[str]
) -> None:
    assert {question.product for question in select(benchmark, only=only).questions} == products


def test_what_was_not_wanted_is_not_missed(benchmark: Benchmark) -> None:
    assert select(benchmark, only="red_disc").missing_images == ()


def test_a_glob_that_fits_nothing_says_so(benchmark: Benchmark) -> None:
    with pytest.raises(DataError, match="no image path or product fits zebra"):
        select(benchmark, only="zebra")


def test_a_limit_below_one_is_refused(benchmark: Benchmark) -> None:
    with pytest.raises(DataError, match="limit of 0"):
        select(benchmark, limit=0)


def test_no_picture_at_all_is_an_error(tmp_path: Path) -> None:
    bare = load_questions(make_benchmark(tmp_path, pictures=False))
    with pytest.raises(DataError, match="none of the 36 questions has an image"):
        select(bare)


def test_a_sample_spreads_over_products_and_sides(benchmark: Benchmark) -> None:
    """Six images of three questions: one normal and one defective image of each of the three products."""
    chosen = select(benchmark, limit=18, seed=3).questions
    images = {(question.product, question.label) for question in chosen}
    assert len(chosen) == 18
    assert len(images) == 6
    assert {question.subtask for question in chosen} == {
        "Anomaly Detection",
        "Defect Classification",
        "Defect Localization",
        "Object Classification",
        "Object Analysis",
    }


@pytest.mark.parametrize("seed", range(5))
def test_a_sample_is_exact_repeatable_nested_and_in_order(benchmark: Benchmark, seed: int) -> None:
    everything = list(select(benchmark).questions)
    smaller: set[str] = set()
    for limit in (1, 4, 10, 50, 1000):
        chosen = select(benchmark, limit=limit, seed=seed)
        ids = [question.id for question in chosen.questions]
        assert len(ids) == min(limit, len(everything))
        assert chosen == select(benchmark, limit=limit, seed=seed)
        assert smaller <= set(ids)
        assert ids == [question.id for question in everything if question.id in set(ids)]
        cut = [
            count
            for count in Counter(question.image_path for question in chosen.questions).values()
            if count < 3
        ]
        assert len(cut) <= 1
        smaller = set(ids)


def test_another_seed_is_another_sample(benchmark: Benchmark) -> None:
    samples = {select(benchmark, limit=9, seed=seed).questions for seed in range(6)}
    assert len(samples) > 1


# --- real data


@pytest.mark.shared
@needs_shared
def test_the_real_questions_are_read_whole() -> None:
    benchmark = load_questions(MMAD)
    assert len(benchmark.images) == 2356
    assert len(benchmark.questions) == 11656
    assert len(benchmark.missing_images) == 2356 - 125
    assert Counter(question.subtask for question in benchmark.questions) == {
        "Anomaly Detection": 2356,
        "Defect Classification": 1529,
        "Defect Localization": 1527,
        "Defect Description": 1539,
        "Defect Analysis": 1535,
        "Object Classification": 802,
        "Object Analysis": 786 + 786 + 796,
    }
    assert len({question.id for question in benchmark.questions}) == 11656
    assert {question.dataset for question in benchmark.questions} == {"DS-MVTec", "VisA"}
    normal = {question.image_path for question in benchmark.questions if question.label == "good"}
    assert len(normal) == 802


@pytest.mark.shared
@needs_shared
def test_the_real_pictures_and_templates_open() -> None:
    benchmark = load_questions(MMAD)
    chosen = select(benchmark, limit=20, seed=1)
    images = {question.image_path for question in chosen.questions}
    assert all(open_image(MMAD / image).width > 0 for image in images)
    found = templates_of(benchmark, "DS-MVTec/leather/image/good/000.png", TemplateKind.SIMILAR)
    assert all(path.is_file() for path in found)
