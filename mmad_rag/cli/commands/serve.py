"""`mmad-rag serve`: an OpenAI-compatible endpoint that adds knowledge and forwards."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Annotated

import typer

from mmad_rag.cli.console import note
from mmad_rag.cli.options import DEFAULT_INDEX, EncoderOption, IndexOption, TokensOption
from mmad_rag.errors import ExtraError
from mmad_rag.retrieve import DEFAULT_BUDGET

_MEGA = 1024 * 1024


def serve(
    upstream: Annotated[
        str, typer.Option("--upstream", help="Base URL to forward to, e.g. http://localhost:8000/v1.")
    ],
    index_folder: IndexOption = DEFAULT_INDEX,
    encoder: EncoderOption = None,
    tokens: TokensOption = DEFAULT_BUDGET,
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; all but loopback need a token.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = 8080,
    token_file: Annotated[
        Path | None,
        typer.Option("--token-file", help="File with the token for clients (else MMAD_RAG_TOKEN)."),
    ] = None,
    allow_images_from: Annotated[
        list[str] | None,
        typer.Option("--allow-images-from", help="HOST[:PORT] to fetch images from; repeat for each."),
    ] = None,
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.1, help="Seconds of silence of the upstream before 504.")
    ] = 120.0,
    max_body_mb: Annotated[
        int, typer.Option("--max-body-mb", min=1, help="Largest body in MB; larger ones get 413.")
    ] = 32,
    max_image_mb: Annotated[
        int, typer.Option("--max-image-mb", min=1, max=64, help="Largest image in MB; larger ones get 413.")
    ] = 20,
    max_requests: Annotated[
        int, typer.Option("--max-requests", min=1, help="Requests under way at a time; further ones get 503.")
    ] = 128,
    max_connections: Annotated[
        int, typer.Option("--max-connections", min=1, help="Open connections; further ones get 503.")
    ] = 512,
    lookup_timeout: Annotated[
        float, typer.Option("--lookup-timeout", min=0.1, help="Seconds for looking up knowledge before 504.")
    ] = 30.0,
    grace: Annotated[
        float, typer.Option("--grace", min=1, help="Seconds that requests may go on after a stop signal.")
    ] = 30.0,
    quiet: Annotated[bool, typer.Option("--quiet", help="Log no line per request.")] = False,
) -> None:
    """Serve an OpenAI-compatible endpoint that adds knowledge.

    Clients change their base URL and nothing else. MMAD_RAG_UPSTREAM_KEY is sent to the upstream where
    clients send no key of their own.
    """
    try:
        import aiohttp  # noqa: F401 - all four of the extra, so that the message names it
        import httptools  # noqa: F401
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise ExtraError(
            f"serving needs {error.name}, which is not installed; pip install 'mmad-rag[serve]'"
        ) from None
    from mmad_rag.index import KnowledgeIndex
    from mmad_rag.retrieve.config import RequestCounters, RetrievalConfig
    from mmad_rag.serve.app import make_app
    from mmad_rag.serve.limits import Limits
    from mmad_rag.serve.retrieval_pool import warm
    from mmad_rag.serve.server import address_of, listen, run
    from mmad_rag.serve.token import find_token
    from mmad_rag.serve.upstream import Upstream

    limits = Limits(
        body_bytes=max_body_mb * _MEGA,
        image_bytes=max_image_mb * _MEGA,
        in_flight=max_requests,
        connections=max_connections,
        lookup_s=lookup_timeout,
        timeout_s=timeout,
    )
    token = find_token(token_file)
    target = Upstream(upstream, key=os.environ.get("MMAD_RAG_UPSTREAM_KEY"), limits=limits)
    config = RetrievalConfig(budget=tokens, encoder=encoder)
    retriever = config.clip(KnowledgeIndex.load(index_folder))
    warm(retriever)
    app = make_app(
        retriever,
        target,
        token=token,
        image_hosts=allow_images_from or (),
        limits=limits,
        counters=RequestCounters(config.counter),
    )
    with listen(host, port, token=token) as listener:
        logging.basicConfig(format="%(asctime)s %(message)s", level=logging.WARNING)
        logging.getLogger("mmad_rag.serve").setLevel(logging.WARNING if quiet else logging.INFO)
        note(f"listening on {address_of(listener)}, forwarding to {target.place}; Ctrl-C stops")
        run(app, listener, grace_s=grace, limits=limits)
    note("stopped")
