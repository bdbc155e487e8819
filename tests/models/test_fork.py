"""A forked process answers, although it inherits none of the threads of the one that it was forked from."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

WAIT_S = 60
"""For a process that would hang for ever; the right ones end in seconds."""

CHILD_ENDS = """
import os, sys, time

def in_a_child(call):
    pid = os.fork()
    if pid == 0:
        try:
            call()
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    for _ in range(400):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            assert status == 0, status
            return
        time.sleep(0.05)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    raise SystemExit("the child hangs")
"""

CALLABLE = """
import asyncio
from mmad_rag.models.callable import CallableModel
from mmad_rag.records import Prompt
model = CallableModel(lambda messages: "B")
ask = lambda: asyncio.run(model.answer(Prompt("Is there a defect?", None)))
assert ask().text == "B"
in_a_child(ask)
in_a_child(lambda: in_a_child(ask))
assert ask().text == "B"
"""

POOLS = """
import asyncio, threading
from mmad_rag.models.event_loops import BACKGROUND, WaitingThreads, in_thread
from mmad_rag.models.transformers.batching import Batches

threads = WaitingThreads(1, "one")
batches = Batches(lambda items: [item * 2 for item in items])

async def soon():
    return 3

async def use():
    assert await in_thread(lambda: 1) == 1
    assert await threads.run(lambda: 2) == 2
    assert await BACKGROUND.run(soon) == 3
    assert await batches.ask(2, group=0, size=1) == 4

asyncio.run(use())
in_a_child(lambda: asyncio.run(use()))

# also where every thread is busy, and a lock held, at the moment of the fork
held = threading.Event()
busy = threading.Thread(target=lambda: asyncio.run(threads.run(lambda: held.wait(60))))
busy.start()
with BACKGROUND._lock, batches._lock:
    in_a_child(lambda: asyncio.run(use()))
held.set()
busy.join()
asyncio.run(use())
"""

ENCODER = """
import io
import numpy as np
from PIL import Image
from mmad_rag.encoders import load_encoder
from mmad_rag.images import open_image

def image(seed):
    pixels = np.random.default_rng(seed).integers(0, 255, (300, 300, 3), dtype=np.uint8)
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG")
    return open_image(data.getvalue(), name="noise")

images = [image(seed) for seed in range(16)]
encoder = load_encoder("builtin:tiny")
before = encoder.images.encode_images(images)

def again():
    assert np.abs(encoder.images.encode_images(images) - before).max() < 1e-5

in_a_child(again)
again()
"""

LOOKUP = """
import asyncio
from pathlib import Path
from mmad_rag.index import KnowledgeIndex
from mmad_rag.retrieve import ClipRetriever
from mmad_rag.serve.limits import Limits
from mmad_rag.serve.metrics import Metrics
from mmad_rag.serve.retrieval_pool import Lookup

folder = Path(sys.argv[1])
index = KnowledgeIndex.load(folder / "index")
lookup = Lookup(ClipRetriever(index), Limits(), Metrics())

def use(name):
    found = asyncio.run(lookup.find((folder / name).read_bytes(), "x" * 5000))
    assert found.knowledge.route is not None

use("0.png")
in_a_child(lambda: use("1.png"))
"""


def passes(script: str, *arguments: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CHILD_ENDS + script, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr


pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


@pytest.mark.parametrize("script", [CALLABLE, POOLS, ENCODER], ids=["a callable", "every pool", "an encoder"])
def test_a_forked_process_goes_on(script: str) -> None:
    passes(script)


def test_the_lookups_of_serve_go_on_in_a_forked_process(tmp_path: Path) -> None:
    from mmad_rag.benchmark.sample import render_sample
    from mmad_rag.index import KnowledgeIndex

    render_sample(tmp_path / "data", products=("bottle",), per_defect=1, templates=2, unknown=0)
    knowledge = ROOT / "knowledge"
    KnowledgeIndex.build(knowledge, "builtin:tiny", text_encoder="words", references=tmp_path / "data").save(
        tmp_path / "index"
    )
    for number, path in enumerate(sorted((tmp_path / "data").rglob("*.png"))[:2]):
        (tmp_path / f"{number}.png").write_bytes(path.read_bytes())
    passes(LOOKUP, str(tmp_path))
