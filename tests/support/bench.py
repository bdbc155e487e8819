"""Small benchmarks for tests: records made by hand, and a folder of the tiny world in MMAD's layout."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mmad_rag.benchmark.data.mmad import TemplateKind, load_questions
from mmad_rag.benchmark.run.arms import Arm
from mmad_rag.benchmark.run.reader import read_run
from mmad_rag.benchmark.run.records import OutcomeRow
from mmad_rag.benchmark.run.run_arms import RunResult, run_arms
from mmad_rag.benchmark.run.settings import RunSettings
from mmad_rag.benchmark.run.worker import RunProgress
from mmad_rag.benchmark.stats.estimate import Estimate
from mmad_rag.models import Model
from mmad_rag.models.builtin.scripted import ScriptedModel
from mmad_rag.records import (
    Choice,
    Outcome,
    Prompt,
    Question,
    Reply,
)
from tests.support.world import COLOURS, SHAPES, png

YES_NO = {"A": "Yes.", "B": "No."}


def qa(
    raw_type: str, answer: str = "A", options: dict[str, str] | None = None, text: str | None = None
) -> dict[str, Any]:
    """One entry of a conversation."""
    return {
        "Question": text or f"What about {raw_type.lower()}?",
        "Answer": answer,
        "Options": options or {"A": "This.", "B": "That.", "C": "Both.", "D": "None."},
        "type": raw_type,
        "annotation": True,
    }


NORMAL_TALK = (
    qa("Anomaly Detection", "B", YES_NO, "Is there any defect in the object?"),
    qa("Object Classification", "C"),
    qa("Object Structure", "D"),
)
DEFECT_TALK = (
    qa("Anomaly Detection", "A", YES_NO, "Is there any defect in the object?"),
    qa("Defect Classification", "B"),
    qa("Defect Localization", "A"),
)


def entry(
    path: str, conversation: Sequence[dict[str, Any]], *, templates: Sequence[str] = ()
) -> dict[str, Any]:
    """One record of mmad.json."""
    return {
        "image_path": "/".join(path.split("/")[2:]),
        "conversation": list(conversation),
        "mask_path": None if "/good/" in path else "ground_truth/bad/000.png",
        "similar_templates": list(templates),
        "random_templates": list(reversed(templates)),
    }


def make_benchmark(root: Path, *, images: int = 2, pictures: bool = True) -> Path:
    """The tiny world: each product with `images` normal and as many defective images, and two templates."""
    records: dict[str, Any] = {}
    for number, (product, (colour, _)) in enumerate(SHAPES.items()):
        dataset = "VisA" if number == 2 else "DS-MVTec"
        split = "test" if number == 2 else "image"
        templates = [f"MVTec-AD/{product}/train/good/{place:03}.png" for place in range(2)]
        for place, template in enumerate(templates):
            _write(root / template, png(COLOURS[colour], shade=200 + place))
        for label, talk in (("good", NORMAL_TALK), ("bad", DEFECT_TALK)):
            for place in range(images):
                path = f"{dataset}/{product}/{split}/{label}/{place:03}.png"
                records[path] = entry(path, talk, templates=templates)
                if pictures:
                    _write(root / path, png(COLOURS[colour], shade=place + (100 if label == "bad" else 0)))
    root.mkdir(parents=True, exist_ok=True)
    (root / "mmad.json").write_text(json.dumps(records))
    return root


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def question(
    image: str, subtask: str = "Anomaly Detection", *, answer: str = "A", position: int = 0
) -> Question:
    """A question about an image of the form dataset/product/split/label/file."""
    dataset, product, _, label, _ = image.split("/")
    choices = (Choice("A", "Yes."), Choice("B", "No."))
    return Question(
        id=f"{image}#{position}",
        image_path=image,
        text=f"Question {position}?",
        choices=choices,
        answer=answer,
        type=subtask,
        subtask=subtask,
        dataset=dataset,
        product=product,
        label=label,
    )


def row(item: Question, outcome: Outcome = Outcome.CORRECT, arm: str = "none", **changes: Any) -> OutcomeRow:  # noqa: ANN401
    """An outcome of a question."""
    letters = {Outcome.CORRECT: item.answer, Outcome.WRONG: "B" if item.answer == "A" else "A"}
    return OutcomeRow(f"key of {item.id} in {arm}", item.id, arm, outcome, letters.get(outcome), **changes)


def arm_of(model: Model, name: str = "none") -> Arm:
    """An arm that asks a model."""
    return Arm(name, f"{name}/{model.identity}", model.identity, None, lambda _question: model)


def scripted(reply: Callable[[Prompt], str] | str, name: str = "test") -> ScriptedModel:
    """A model that replies by a function of the prompt."""
    return ScriptedModel(reply, name=name)


def ends(found: Estimate) -> tuple[float, float]:
    """Both ends of an interval that must be there."""
    assert found.low is not None
    assert found.high is not None
    return found.low, found.high


def run_into(
    data: Path,
    out: Path,
    arms: Sequence[Arm],
    *,
    only: str | Sequence[str] = (),
    concurrency: int = 3,
    shots: int = 0,
    wording: str = "default",
    templates: TemplateKind = TemplateKind.RANDOM,
    shuffle_options: int | None = None,
    image_size: int | None = None,
    progress: Callable[[RunProgress], None] | None = None,
) -> RunResult:
    benchmark = load_questions(data)
    return asyncio.run(
        run_arms(
            benchmark,
            arms,
            out=out,
            settings=RunSettings(
                only=only,
                wording=wording,
                shots=shots,
                templates=templates,
                shuffle_options=shuffle_options,
                image_size=image_size,
            ),
            concurrency=concurrency,
            progress=progress,
        )
    )


def rows(out: Path) -> tuple[OutcomeRow, ...]:
    return read_run(out).rows


class CountingModel:
    """Counts how many prompts are under way together."""

    identity = "counting"

    def __init__(self) -> None:
        self.now = 0
        self.most = 0

    async def answer(self, prompt: Prompt) -> Reply:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.002)
        self.now -= 1
        return Reply("A", "counting")
