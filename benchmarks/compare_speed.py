"""Time `mmad-rag compare` on a run as large as MMAD: 39,672 questions, two arms, 10,000 bootstrap draws.

    python benchmarks/compare_speed.py

The run folder is invented: MMAD's counts of questions per dataset and subtask, 38 products, five questions
an image, two arms that are right in 60 and 65 of 100; half of the questions are the hard subset. The command
runs in a process of its own; printed are its wall time, reading the folder included, and its peak memory.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from mmad_rag.benchmark.audit.choose_hard import HARD_VERSION, HardSubset, hard_bytes
from mmad_rag.benchmark.data.mmad import MMAD_COLUMNS
from mmad_rag.benchmark.run.reader import questions_sha256
from mmad_rag.benchmark.run.records import RUN_VERSION, ArmHeader, OutcomeRow, RunHeader
from mmad_rag.benchmark.run.store import RunStore
from mmad_rag.reading.parse import PARSER_VERSION
from mmad_rag.records import Choice, Outcome, Question, RouteOutcome

COUNTS = {  # products; AD on normal and abnormal images, then the six other subtasks (arXiv 2410.09453)
    "DS-MVTec": (15, (465, 1226, 1205, 1193, 1213, 1205, 464, 1367)),
    "MVTec-LOCO": (5, (573, 992, 982, 982, 974, 954, 544, 1623)),
    "VisA": (12, (943, 1198, 1190, 1197, 1190, 1163, 935, 2806)),
    "GoodsAD": (6, (1269, 1631, 1311, 1506, 1333, 1460, 1211, 3367)),
}
NORMAL = (0, 6, 7)
"""The places of `COUNTS` whose questions are about normal images."""
PER_IMAGE = 5
FOUR = tuple(Choice(letter, f"option {letter}") for letter in "ABCD")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--replicates", type=int, default=10_000)
    replicates = parser.parse_args().replicates
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "run"
        print(f"{write_run(folder):,} questions, 2 arms, {replicates:,} draws")
        words = ("compare", folder, "--replicates", replicates, "--json")
        begun = time.perf_counter()
        subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-c", "from mmad_rag.cli import main; main()", *map(str, words)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"{seconds:.1f} s, {peak:.0f} MiB")


def write_run(folder: Path) -> int:
    """Write the run folder; how many questions it has."""
    rng = random.Random(0)  # noqa: S311 - a seeded draw, no secret
    questions = tuple(invented())
    hard = HardSubset(
        HARD_VERSION, "invented", "0" * 64, None, (), len(questions), tuple(q.id for q in questions[::2])
    )
    arms = tuple(ArmHeader(name, name, "invented", None) for name in ("none", "rag"))
    header = RunHeader(
        version=RUN_VERSION, library="0", created="", data="", data_sha256="0" * 64,
        questions=len(questions), questions_sha256=questions_sha256(questions), missing_images=0,
        missing_questions=0, arms=arms, images=True, wording="default", shots=0, templates="random",
        parser_version=PARSER_VERSION, hard_sha256=hashlib.sha256(hard_bytes(hard)).hexdigest(),
    )  # fmt: skip
    with RunStore(folder, header, questions, hard=hard_bytes(hard)) as store:
        for question in questions:
            for arm, right in (("none", 0.60), ("rag", 0.65)):
                outcome = Outcome.CORRECT if rng.random() < right else Outcome.WRONG
                route = RouteOutcome.PRODUCT if arm == "rag" else None
                products = (question.product,) if arm == "rag" else ()
                store.append(
                    OutcomeRow(
                        "k", question.id, arm, outcome, "A", reply="A", prompt="p", route=route,
                        products=products,
                    )
                )  # fmt: skip
    return len(questions)


def invented() -> Iterator[Question]:
    """MMAD's questions by number, not by content."""
    subtasks = ("Anomaly Detection", *MMAD_COLUMNS.names)
    for dataset, (products, counts) in COUNTS.items():
        for place, (subtask, count) in enumerate(zip(subtasks, counts, strict=True)):
            label = "good" if place in NORMAL else "bad"
            for number in range(count):
                product = f"{dataset.lower()}{number % products}"
                image = f"{dataset}/{product}/test/{label}/{number // products // PER_IMAGE:04}.png"
                yield Question(
                    f"{image}#{place}-{number}", image, "?", FOUR, "A", subtask, subtask, dataset,
                    product, label,
                )  # fmt: skip


if __name__ == "__main__":
    main()
