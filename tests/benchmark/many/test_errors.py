"""Questions that all or most models get wrong are counted beside what chance would give."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from scipy.stats import binom

from mmad_rag.benchmark import error_patterns, same_questions
from mmad_rag.benchmark.data.mmad import load_questions
from mmad_rag.benchmark.many.errors import NO_SHORTCUT, spread_over_subtasks
from mmad_rag.errors import DataError
from mmad_rag.records import Question
from mmad_rag.report.html.errors_page import render_errors
from tests.benchmark.many.answers_files import choice_question, write_answers
from tests.report.page_reader import PageReader
from tests.support.bench import make_benchmark

AD, CLS = "Anomaly Detection", "Defect Classification"


@pytest.fixture
def asked() -> list[Question]:
    """Four questions of one subtask about bolts, two of another about nuts; the longest is right in one."""
    yes_no = ("Yes.", "Not.")
    return [
        *(choice_question(f"X/bolt/test/bad/{number}.png", AD, yes_no) for number in range(4)),
        choice_question("X/nut/test/bad/4.png", CLS, ("a long scratch", "a dent")),
        choice_question("X/nut/test/bad/5.png", CLS, ("a dent", "a long scratch")),
    ]


def two(root: Path, asked: list[Question], *, form: str = "sent") -> list[Path]:
    """The first and the fifth are wrong in both; the second and the third in one."""
    return [
        write_answers(root / "x.json", asked, [0, 1, 4], form=form),
        write_answers(root / "y.json", asked, [0, 2, 4], form=form),
    ]


def test_by_hand(asked: list[Question], tmp_path: Path) -> None:
    """Each model errs on half of either subtask, so that a quarter of all is expected to be wrong twice."""
    found = error_patterns(two(tmp_path, asked))
    assert [(item.models, item.questions, item.expected) for item in found.counts] == [
        (0, 2, 1.5), (1, 2, 3.0), (2, 2, 1.5),
    ]  # fmt: skip
    total = found.total
    assert (total.questions, total.found, total.expected) == (6, 2, 1.5)
    assert total.deviations == pytest.approx(0.5 / math.sqrt(6 * 0.25 * 0.75))
    assert [(g.name, g.questions, g.found, g.expected) for g in found.by_subtask] == [
        (AD, 4, 1, 1.0), (CLS, 2, 1, 0.5),
    ]  # fmt: skip
    assert [(g.name, g.found, g.expected) for g in found.by_product] == [
        ("X/nut", 1, 0.5),
        ("X/bolt", 1, 1.0),
    ]
    assert [item.question.image_path[-5:] for item in found.found] == ["0.png", "4.png"]
    assert found.found[0].wrong == ("x", "y")
    assert found.found[0].chosen == {"x": "B", "y": "B"}
    assert found.found[0].agreed == "B"
    assert found.accuracies[0] == {AD: 0.5, CLS: 0.5}
    flags = {group.name: group for group in found.by_shortcut}
    assert (flags["longest"].questions, flags["longest"].found) == (1, 1)
    assert found.found[1].shortcuts is not None
    assert "longest" in found.found[1].shortcuts
    assert NO_SHORTCUT not in flags  # the right option always stands first


def test_most_is_at_least_so_many(asked: list[Question], tmp_path: Path) -> None:
    paths = two(tmp_path, asked)
    found = error_patterns(paths, at_least=1)
    assert (found.total.found, found.total.expected) == (4, 4.5)
    assert [len(item.wrong) for item in found.found] == [2, 2, 1, 1]
    assert found.found[-1].agreed is None
    for wrong in (0, 3):
        with pytest.raises(DataError, match=f"{wrong} is not a number of models out of 2; give 1 to 2"):
            error_patterns(paths, at_least=wrong)


def test_the_expectation_is_the_binomial_where_models_err_alike(tmp_path: Path) -> None:
    """Five models, each wrong on 4 of 10: the number of those that err on a question is binomial."""
    asked = [choice_question(f"X/p/test/bad/{n}.png", "Counting", ("one", "two")) for n in range(10)]
    paths = [write_answers(tmp_path / f"{m}.json", asked, [(m + k) % 10 for k in range(4)]) for m in range(5)]
    found = error_patterns(paths, at_least=3)
    assert [item.expected for item in found.counts] == pytest.approx(
        [10 * binom.pmf(k, 5, 0.4) for k in range(6)]
    )
    assert found.total.expected == pytest.approx(10 * binom.sf(2, 5, 0.4))
    assert sum(item.questions for item in found.counts) == 10


def test_unreadable_and_missing_answers_are_wrong_and_nobodys_questions_are_left_out(tmp_path: Path) -> None:
    questions = load_questions(make_benchmark(tmp_path / "data", pictures=False)).questions
    a = write_answers(tmp_path / "a.json", questions[:10], letters={0: "?"})
    b = write_answers(tmp_path / "b.json", questions[1:12])
    found = error_patterns([a, b], data=tmp_path / "data")
    assert (found.questions, found.unanswered) == (12, 24)
    assert [(rates.invalid, rates.failed) for rates in found.models] == [(1, 2), (0, 1)]
    assert [item.question.id for item in found.found] == [questions[0].id]
    assert found.found[0].chosen == {"a": None, "b": None}
    assert found.found[0].agreed is None


def test_without_options_no_shortcut_is_told(asked: list[Question], tmp_path: Path) -> None:
    found = error_patterns(two(tmp_path, asked, form="plain"))
    assert found.by_shortcut == ()
    assert found.found[0].shortcuts is None
    page = PageReader(render_errors(found, found.found))
    assert "give --data" in page.text


def test_the_page_is_self_contained_and_escaped(tmp_path: Path) -> None:
    data = make_benchmark(tmp_path / "data")
    records = json.loads((data / "mmad.json").read_text())
    for entry in records.values():
        entry["conversation"][0]["Question"] = "<script>alert(1)</script> any \u202e defect?"
    (data / "mmad.json").write_text(json.dumps(records))
    questions = load_questions(data).questions
    paths = [write_answers(tmp_path / f"{name}.json", questions, range(0, 36, 3)) for name in ("<b>x", "y")]
    same = same_questions(paths, data=data)
    found = error_patterns(same)
    assert found.total.found == 12
    listed = spread_over_subtasks(found, same.run.columns.names, 5, seed=1)
    assert spread_over_subtasks(found, same.run.columns.names, 5, seed=1) == listed
    html = render_errors(found, listed, data=data)
    page = PageReader(html)
    assert "<script>" not in html
    assert "<b>x" not in html.replace("&lt;b&gt;x", "")
    assert "⟨U+202E⟩" in page.text
    images = [image for article in page.articles["questions"] for image in article.images]
    assert len(images) == 5
    assert all(image["src"].startswith("data:image/") for image in images)
    assert "http" not in html.replace("http-equiv", "")
    assert "12 of 36 questions; independent errors would give" in page.text
    away = PageReader(render_errors(found, listed, data=tmp_path / "nowhere"))
    assert "is not here, so the images are left out" in away.text
