"""A measurement of retrieval as files: every figure, every image's route, and the confusion matrices."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from mmad_rag.errors import DataError
from mmad_rag.records import RouteOutcome
from mmad_rag.retrieval_eval import RetrievalEvaluation
from mmad_rag.retrieval_eval.confusion import Confusion
from mmad_rag.retrieval_eval.decide import Measured, known_of
from mmad_rag.retrieval_eval.decisions import NONE
from mmad_rag.retrieval_eval.figures import RoutingMethod

_IMAGE_COLUMNS = (
    "picture",
    "change",
    "shows",
    "outcome",
    "first",
    "second",
    "confidence",
    "known",
    "nearest",
    "nearest cosine",
)


def write_retrieval(evaluation: RetrievalEvaluation, folder: Path, result_json: str) -> tuple[Path, ...]:
    """Write `result.json`, `pictures.csv`, `left_out.csv` and `confusion-<router>.csv`; makes the folder.

    Args:
        evaluation: What was measured.
        folder: Files of these names in it are replaced.
        result_json: The figures as the command line prints them.

    Raises:
        DataError: the folder cannot be written to.
    """
    texts = {
        "result.json": result_json,
        "pictures.csv": _csv(_IMAGE_COLUMNS, _image_rows(evaluation.measured)),
        "left_out.csv": _csv(
            ("picture", "reason"),
            ((name, reason.value) for reason, names in evaluation.found.left_out.items() for name in names),
        ),
        **{f"confusion-{item.router.value}.csv": _matrix(item) for item in evaluation.result.confusion},
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise DataError(f"{folder} cannot be written to ({error}); name another folder") from error
    return tuple(folder / name for name in texts)


def _image_rows(measured: Measured) -> Iterable[Sequence[str]]:
    """One row per image and change."""
    floor = measured.decisions.get(RoutingMethod.NEAREST)
    for change, routes in measured.routes.items():
        for place, (image, route) in enumerate(zip(measured.images, routes, strict=True)):
            ranked = [candidate.product for candidate in route.candidates[:2]] + ["", ""]
            nearest, cosine = "", ""
            if floor is not None and floor[change].first[place] != NONE:
                nearest = measured.products[floor[change].first[place]]
                cosine = f"{floor[change].known[place]:.6f}"
            yield (
                image.name,
                change,
                image.product or RouteOutcome.UNKNOWN.value,
                route.outcome.value,
                ranked[0],
                ranked[1],
                f"{route.confidence:.6f}",
                f"{known_of(route):.6f}",
                nearest,
                cosine,
            )


def _matrix(confusion: Confusion) -> str:
    rows = (
        (label, *map(str, counts)) for label, counts in zip(confusion.labels, confusion.counts, strict=True)
    )
    return _csv(("shown / named", *confusion.labels), rows)


def _csv(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue()
