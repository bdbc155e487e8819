"""Knowledge and questions without Latin letters: passages, sizes, ranking, and encoders' limits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from mmad_rag.encoders import load_encoder
from mmad_rag.index import KnowledgeIndex
from mmad_rag.index.build.embed import fitting_pieces
from mmad_rag.knowledge import load_knowledge, passages_of
from mmad_rag.knowledge.lint import MAX_PASSAGE_TOKENS, lint
from mmad_rag.models.builtin.reader import choice_scores
from mmad_rag.records import Choice, Hit, Knowledge, Route, RouteOutcome
from mmad_rag.retrieve.clip import passage_similarity
from mmad_rag.retrieve.selection.select import DEFAULT_BUDGET, Similarity, select
from mmad_rag.words import size_in_words
from tests.support.shared import SHARED

CASE = SHARED / "cases" / "12_non_latin_text"
HEAD = """schema_version: 1
product: gasket
dataset: own
visual:
  name: {name}
  aliases: [{name} 1, {name} 2, {name} 3]
  descriptions: [{name}]
view: ["{view}"]
normal:
  appearance: ["{normal}"]
  structure: ["{view} 1"]
  function: ["{view} 2"]
  variation: ["{view} 3"]
defects:
"""
DEFECT = """  - id: {id}
    name: "{name}"
    appearance: ["{text}"]
    location: ["{view} 4{id}"]
    cause: ["{view} 5{id}"]
    effect: ["{view} 6{id}"]
"""
TAIL = """provenance:
  {sources: [own], author: engineer, licence: proprietary, date: 2026-01-02, status: checked}
"""
WORLDS = {
    "chinese": (
        ("黑色橡胶垫圈", "相机从正上方拍摄。", "表面光滑，没有裂纹。边缘没有毛刺。厚度均匀，没有划痕。"),
        {"crack": ("裂纹", "表面出现细长的裂纹，从内圈向外圈延伸。颜色比周围更深，边缘不规则。"),
         "burr": ("毛刺", "外圈边缘有多余的薄片状突起。沿合模线分布，用手触摸有刺感。"),
         "scratch": ("划痕", "表面有一条浅而直的线状痕迹。颜色发亮，不深，方向不同。")},
        {"crack": "图中的裂纹有什么影响？", "burr": "边缘上的毛刺从哪里来？", "scratch": "有划痕吗"},
    ),
    "russian": (
        ("чёрная прокладка", "Камера смотрит сверху.", "Поверхность гладкая. Край ровный."),
        {"crack": ("Трещина", "По поверхности идёт тонкая трещина. Трещина темнее, чем резина вокруг неё."),
         "burr": ("Заусенец", "На краю виден тонкий заусенец. Он идёт вдоль линии разъёма формы.")},
        {"crack": "Чем опасна ТРЕЩИНА?", "burr": "Откуда заусенец на краю?"},
    ),
    "hindi": (
        ("काली रबर गैसकेट", "कैमरा ऊपर से देखता है।", "सतह चिकनी है। किनारा साफ़ है।"),
        {"crack": ("दरार", "सतह पर एक पतली दरार है। दरार गहरी और काली है।"),
         "burr": ("खुरदरा किनारा", "बाहरी किनारा खुरदरा है। उस पर पतली परत है।")},
        {"crack": "दरार कहाँ है?", "burr": "किनारा खुरदरा क्यों है?"},
    ),
    "arabic": (
        ("حلقة مطاطية سوداء", "تنظر الكاميرا من الأعلى.", "السطح أملس. هل فيه شق؟ لا. الحافة نظيفة."),
        {"crack": ("شق", "يمتد شق رفيع على السطح. لون الشق أغمق؛ وحوافه حادة."),
         "burr": ("زائدة", "تظهر زائدة رقيقة على الحافة. تمتد مع خط القالب.")},
        {"crack": "ما تأثير شق على الحلقة؟", "burr": "من أين تأتي زائدة الحافة؟"},
    ),
    "thai": (
        ("ปะเก็นยางสีดำ", "กล้องมองจากด้านบน", "ผิวเรียบ ขอบเรียบร้อย สีดำสม่ำเสมอ"),
        {"crack": ("รอยแตก", "มีรอยแตกบาง ๆ บนผิว สีเข้มกว่าบริเวณรอบ ๆ"),
         "burr": ("ครีบ", "มีครีบบาง ๆ ที่ขอบนอก ตามแนวแม่พิมพ์")},
        {"crack": "รอยแตกมีผลอย่างไร", "burr": "ครีบมาจากไหน"},
    ),
    "japanese": (
        ("黒いゴムのガスケット", "カメラは真上から見る。", "表面にひび割れはない。縁にバリはない。"),
        {"crack": ("ひび割れ", "表面に細いひび割れが走る。まわりより色が濃く、縁は不規則で。"),
         "burr": ("バリ", "外周に薄いバリが残る。型の合わせ目に沿っていて、手で触るとざらざらする。")},
        {"crack": "ひび割れの影響は何ですか？", "burr": "バリはどこから来ますか？"},
    ),
    "korean": (
        ("검은 고무 가스켓", "카메라가 위에서 본다.", "표면이 매끄럽고 균열이 없다. 가장자리가 깨끗하다."),
        {"crack": ("균열", "표면에 가는 균열이 있다. 균열은 주변보다 어둡다."),
         "burr": ("버", "바깥 가장자리에 얇은 버가 남아 있다. 금형선을 따라 있다.")},
        {"crack": "균열은 어떤 영향을 주나요?", "burr": "가장자리의 버를 설명하세요"},
    ),
}  # fmt: skip


def write(folder: Path, script: str) -> Path:
    (name, view, normal), defects, _ = WORLDS[script]
    text = HEAD.format(name=name, view=view, normal=normal)
    for key, (title, words) in defects.items():
        text += DEFECT.format(id=key, name=title, text=words, view=view)
    (folder / "gasket.yaml").write_text(text + TAIL, encoding="utf-8")
    return folder


def ranked(index: KnowledgeIndex, question: str) -> Sequence[Hit]:
    encoder = load_encoder("builtin:tiny")
    found = select(
        index, ("gasket",), question, passage_similarity(index, encoder, None), budget=DEFAULT_BUDGET
    )
    return sorted(found, key=lambda hit: -hit.score)


def wanting(wanted: Sequence[int]) -> Similarity:
    """A similarity to which these rows are like the question and the others are not."""
    return lambda _question, rows: [float(row in wanted) for row in rows]


@pytest.mark.parametrize("by", ["words", "builtin:tiny"])
@pytest.mark.parametrize("script", WORLDS)
def test_the_defect_that_a_question_names_comes_first(tmp_path: Path, script: str, by: str) -> None:
    index = KnowledgeIndex.build(write(tmp_path, script), "builtin:tiny", text_encoder=by)
    for entry, question in WORLDS[script][2].items():
        hits = [hit for hit in ranked(index, question) if hit.passage.entry != "normal"]
        assert hits[0].passage.entry == entry, (question, [(hit.passage.id, hit.score) for hit in hits])


@pytest.mark.parametrize("script", WORLDS)
def test_a_good_file_of_any_script_is_clean_but_for_what_is_long(tmp_path: Path, script: str) -> None:
    assert lint(write(tmp_path, script)).problems == ()


@pytest.mark.parametrize("script", WORLDS)
def test_a_long_paragraph_is_cut_into_what_fits_and_loses_no_letter(tmp_path: Path, script: str) -> None:
    normal = WORLDS[script][0][2]
    write(tmp_path, script)
    path = tmp_path / "gasket.yaml"
    # variants of the paragraph, so that none repeats another
    paragraph = " ".join(normal.replace(" ", f" {number} ", 1) for number in range(8))
    path.write_text(path.read_text(encoding="utf-8").replace(normal, paragraph, 1), encoding="utf-8")
    product = load_knowledge(tmp_path).products[0]
    texts = [passage.text for passage in passages_of(product) if "normal/appearance" in passage.id]
    assert len(texts) >= 8
    assert max(map(size_in_words, texts)) <= 100
    assert "".join("".join(texts).split()) == "".join(paragraph.split())
    assert not any("never shown" in problem.message for problem in lint(tmp_path).problems)


def test_what_can_never_fit_is_told(tmp_path: Path) -> None:
    assert MAX_PASSAGE_TOKENS == DEFAULT_BUDGET
    write(tmp_path, "chinese")
    path = tmp_path / "gasket.yaml"
    whole = path.read_text(encoding="utf-8")
    for letters in range(120, 161):
        path.write_text(whole.replace("表面光滑，", "滑" * letters + "，", 1), encoding="utf-8")
        told = [problem for problem in lint(tmp_path).problems if "never shown" in problem.message]
        index = KnowledgeIndex.build(tmp_path, "builtin:tiny", text_encoder="words")
        long = [row for row, passage in enumerate(index.passages) if "滑" * letters in passage.text]
        alone = select(index, ("gasket",), "What is its appearance?", wanting(long), budget=DEFAULT_BUDGET)
        shown = any(hit.passage is index.passages[long[0]] for hit in alone)
        assert shown != bool(told), letters
        if told:
            assert told[0].field == "normal.appearance"


def test_signs_make_a_difference_and_punctuation_makes_none(tmp_path: Path) -> None:
    write(tmp_path, "chinese")
    path = tmp_path / "gasket.yaml"
    whole = path.read_text(encoding="utf-8")
    for one, other, same in (
        ("厚度大于五毫米为正常", "厚度小于五毫米为正常", False),
        ("厚度为五毫米，为正常", "厚度为五毫米为正常。", True),
        ("The width is > 5 mm", "The width is < 5 mm", False),
        ("The drift is -5 K at most", "The drift is 5 K at most", False),
        ("Ｔｈｅ ｄｒｉｆｔ ｉｓ small", "the drift is SMALL!", True),
        ("Край совсем не ровный", "Край совсем не рваный", False),
        ("ma má mà mả năm", "ma ma mà mả năm", False),
    ):
        changed = whole.replace("相机从正上方拍摄。 1", one, 1).replace("相机从正上方拍摄。 2", other, 1)
        path.write_text(changed, encoding="utf-8")
        assert any("says the same" in problem.message for problem in lint(tmp_path).problems) == same, one


def test_the_reader_reads_any_script() -> None:
    from mmad_rag.fields import Field
    from mmad_rag.records import Passage

    passage = Passage("g/crack/appearance/1", "g", "crack", Field.APPEARANCE, "裂纹", "表面出现细长的裂纹。")
    knowledge = Knowledge(Route(RouteOutcome.PRODUCT, (), ("g",), 1.0), (Hit(passage, 1.0),), "")
    choices = (Choice("A", "细长裂纹"), Choice("B", "油污"), Choice("C", "трещина"))
    first, *others = choice_scores(choices, knowledge)
    assert first > max(others) == 0.0


class _Letters:
    """A text tower with a token per byte."""

    def count_tokens(self, text: str) -> int:
        return len(text.encode())


@pytest.mark.parametrize("text", ["裂纹" * 40, "ที่นี่มีรอยแตก" * 9, "трещина" * 20, "दरारें" * 30, "裂纹 " * 40])
def test_a_run_of_letters_longer_than_an_encoder_takes_is_split_between_them(text: str) -> None:
    pieces = fitting_pieces(text, _Letters(), 77)  # type: ignore[arg-type]
    assert all(len(piece.encode()) <= 77 for piece in pieces)
    assert "".join(pieces).replace(" ", "") == text.replace(" ", "")


@pytest.mark.skipif(not CASE.is_dir(), reason=f"the inputs that failed are not at {CASE}")
@pytest.mark.shared
@pytest.mark.parametrize("by", ["words", "builtin:tiny"])
def test_the_file_that_failed_is_linted_cut_indexed_and_searched(by: str) -> None:
    assert lint(CASE).problems == ()
    index = KnowledgeIndex.build(CASE, "builtin:tiny", text_encoder=by)
    assert max(size_in_words(passage.text) for passage in index.passages) <= 41
    best = ranked(index, "图中的裂纹有什么影响？")[0].passage
    assert (best.entry, best.title) == ("crack", "裂纹")
