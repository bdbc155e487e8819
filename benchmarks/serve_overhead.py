"""Time what `mmad-rag serve` adds to a call, at 32 concurrent requests with every image seen before.

    python benchmarks/serve_overhead.py

Three processes on loopback: a scripted upstream, the server in front of it, and the clients here. The
upstream answers after a time that stands in the request, drawn (seeded) between 300 and 900 ms as a model
might take, the same for the direct call and the call through the server; compared is the latency beyond it.
Rounds of both kinds alternate, so that whatever else the machine does falls on both. Every question is new.
Clients begin one after the other within the longest such time, as 32 strangers would.
The last row has an upstream that answers at once: there the clients, upstream and server fill the processor,
and the latency says how long 32 requests queue, not what one costs.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import multiprocessing
import random
import socket
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import aiohttp
from aiohttp import web
from PIL import Image

from mmad_rag.benchmark.sample import draw, image_rng
from mmad_rag.index import KnowledgeIndex
from mmad_rag.knowledge.shipped import shipped_knowledge
from mmad_rag.retrieve import ClipRetriever
from mmad_rag.serve.app import make_app
from mmad_rag.serve.limits import Limits
from mmad_rag.serve.retrieval_pool import warm
from mmad_rag.serve.server import listen, run
from mmad_rag.serve.upstream import Upstream

CONCURRENT = 32
IMAGES = 16
REPLY = {"choices": [{"message": {"role": "assistant", "content": "B"}}]}


def serve_upstream(listener: socket.socket) -> None:
    async def chat(request: web.Request) -> web.Response:
        await request.read()
        await asyncio.sleep(float(request.headers["x-delay"]))
        return web.json_response(REPLY)

    app = web.Application(client_max_size=2**26)
    app.router.add_post("/v1/chat/completions", chat)
    web.run_app(app, sock=listener, print=None, access_log=None)


def serve_knowledge(listener: socket.socket, index: str, upstream: str) -> None:
    retriever = ClipRetriever(KnowledgeIndex.load(index))
    warm(retriever)
    run(make_app(retriever, Upstream(upstream, limits=Limits())), listener, grace_s=1)


def image_urls() -> list[str]:
    """Drawn metal nuts of 512 px as JPEG."""
    urls = []
    for number in range(IMAGES):
        buffer = io.BytesIO()
        image = draw("metal_nut", "good", image_rng(5, "metal_nut", "serve", number), 512).image
        Image.fromarray(image).save(buffer, format="JPEG", quality=95)
        urls.append(f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}")
    return urls


def body(url: str, question: str) -> dict[str, Any]:
    parts = [{"type": "text", "text": question}, {"type": "image_url", "image_url": {"url": url}}]
    return {"model": "m", "messages": [{"role": "user", "content": parts}]}


async def one_round(base: str, urls: list[str], delays: list[float], name: str) -> tuple[list[float], float]:
    """Milliseconds beyond the upstream's own time, one per request; requests per second."""
    spent: list[float] = []
    todo = list(enumerate(delays))
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def client(wait: float) -> None:
            await asyncio.sleep(wait)
            while todo:
                number, delay = todo.pop()
                asked = body(urls[number % len(urls)], f"Is there a defect at place {number} of {name}?")
                start = time.perf_counter()
                async with session.post(
                    f"{base}/chat/completions", json=asked, headers={"x-delay": str(delay)}
                ) as reply:
                    assert await reply.json() == REPLY
                spent.append((time.perf_counter() - start - delay) * 1000)

        start = time.perf_counter()
        await asyncio.gather(*(client(max(delays) * n / CONCURRENT) for n in range(CONCURRENT)))
        return spent, len(delays) / (time.perf_counter() - start)


async def measure(direct: str, through: str, *, requests: int, rounds: int) -> None:
    rng = random.Random(0)  # noqa: S311 - a seeded draw, no secret
    urls = image_urls()
    print(f"images: JPEG, 512 px, {len(urls[0]) // 1000} kB as data URL; {CONCURRENT} requests at a time\n")
    await one_round(direct, urls, [0.0] * 64, "warm")
    await one_round(through, urls, [0.0] * 64, "warm")
    columns = ("requests", "direct p50", "p90", "through p50", "p90", "added p50", "direct /s", "through /s")
    print(f"| upstream takes | {' | '.join(columns)} |")
    print("|---|" + "--:|" * len(columns))
    for label, low, high in (("300-900 ms", 0.3, 0.9), ("nothing", 0.0, 0.0)):
        both: dict[str, list[float]] = {direct: [], through: []}
        rates: dict[str, list[float]] = {direct: [], through: []}
        for number in range(rounds):
            delays = [rng.uniform(low, high) for _ in range(requests)]
            for base in (direct, through):
                spent, rate = await one_round(base, urls, delays, f"{label} {number}")
                both[base] += spent
                rates[base].append(rate)
        cells = [f"{requests * rounds}"]
        for base in (direct, through):
            cells += [f"{median(both[base]):.1f} ms", f"{quantiles(both[base], n=10)[8]:.1f} ms"]
        cells += [f"{median(both[through]) - median(both[direct]):.1f} ms"]
        cells += [f"{median(rates[base]):.0f}" for base in (direct, through)]
        print(f"| {label} | {' | '.join(cells)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--requests", type=int, default=320, help="per round")
    parser.add_argument("--rounds", type=int, default=3)
    wanted = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    with (
        tempfile.TemporaryDirectory() as folder,
        listen("127.0.0.1", 0, token=None) as behind,
        listen("127.0.0.1", 0, token=None) as front,
    ):
        index = Path(folder) / "index"
        KnowledgeIndex.build(shipped_knowledge(), "builtin:tiny").save(index)
        direct, through = (f"http://127.0.0.1:{s.getsockname()[1]}/v1" for s in (behind, front))
        servers = [
            context.Process(target=serve_upstream, args=(behind,), daemon=True),
            context.Process(target=serve_knowledge, args=(front, str(index), direct), daemon=True),
        ]
        for server in servers:
            server.start()
        try:
            asyncio.run(measure(direct, through, requests=wanted.requests, rounds=wanted.rounds))
        finally:
            for server in servers:
                server.terminate()
                server.join()


if __name__ == "__main__":
    main()
