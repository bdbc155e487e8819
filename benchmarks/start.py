"""Time what a process costs before it does anything: `--help`, `import mmad_rag`, and one retrieval.

    python benchmarks/start.py [--pairs 15]

Each is run in processes of its own beside what it is compared with, in turns, so that both meet the same load
of the machine; byte code is written beforehand. Compared are the CPU seconds, user and system:

- `mmad-rag --help` with a `typer` application of two commands whose help rich draws;
- `import mmad_rag` with `import typing`;
- `mmad-rag retrieve` on an index by builtin:tiny with importing what that encoder is made of, torch,
  torchvision and open_clip (with what open_clip imports itself).
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
COMMAND = "from mmad_rag.cli import main; main()"
BARE = """
import typer
app = typer.Typer(rich_markup_mode="rich")
@app.command()
def first(name: str = "x") -> None:
    "Say it once."
@app.command()
def second(name: str = "x") -> None:
    "Say it twice."
app()
"""
ENCODER = """
from mmad_rag.encoders.repair import import_torchvision
import_torchvision()
import open_clip
"""
INDEX = """
import sys
from pathlib import Path
from mmad_rag.benchmark.sample import render_sample
from mmad_rag.index import KnowledgeIndex
from mmad_rag.knowledge import load_knowledge
from mmad_rag.knowledge.shipped import shipped_knowledge
data, index = map(Path, sys.argv[1:])
render_sample(data, products=("bottle", "metal_nut", "capsule"), per_defect=1, templates=3, unknown=1)
knowledge = load_knowledge(shipped_knowledge())
KnowledgeIndex.build(knowledge, "builtin:tiny", references=data).save(index)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pairs", type=int, default=15, help="Runs of each, one beside the other.")
    pairs = parser.parse_args().pairs
    with tempfile.TemporaryDirectory() as scratch:
        data, index = Path(scratch) / "data", Path(scratch) / "index"
        run(["-c", INDEX, str(data), str(index)])
        image = min(data.glob("*/metal_nut/image/good/*.png"))
        asked = ["retrieve", str(image), "--index", str(index)]
        compare("mmad-rag --help / bare typer", ["-c", COMMAND, "--help"], ["-c", BARE, "--help"], pairs)
        compare("import mmad_rag / import typing", ["-c", "import mmad_rag"], ["-c", "import typing"], pairs)
        compare("mmad-rag retrieve / its encoder's imports", ["-c", COMMAND, *asked], ["-c", ENCODER], pairs)


def compare(title: str, ours: Sequence[str], theirs: Sequence[str], pairs: int) -> None:
    """Print the ratio of two commands, run in turns."""
    for words in (ours, theirs):
        run(words)  # writes the byte code
    seconds = [(run(ours), run(theirs)) for _ in range(pairs)]
    ratios = [mine / other for mine, other in seconds]
    mine, other = zip(*seconds, strict=True)
    print(
        f"{title}: {statistics.median(ratios):.2f} x (median of {pairs}), {min(mine) / min(other):.2f} x "
        f"(least against least); {min(mine):.2f} against {min(other):.2f} s of CPU"
    )


def run(words: Sequence[str]) -> float:
    """CPU seconds of a Python process."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(  # noqa: S603 - our own commands
        [sys.executable, *words], check=True, env=environment, stdout=subprocess.DEVNULL
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)


if __name__ == "__main__":
    main()
