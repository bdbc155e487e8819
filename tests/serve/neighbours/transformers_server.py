"""The server of transformers on loopback."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.support.servers.server_process import server_process

_LAUNCHER = Path(__file__).with_name("transformers_launcher.py")


@contextlib.contextmanager
def transformers_server(folder: Path) -> Iterator[str]:
    """`transformers serve` while the block lasts; gives its base URL, without `/v1`.

    It loads the checkpoint that a request names by its folder, and keeps it for five minutes. Its cache of
    the model hub is empty, and it asks no hub.

    Args:
        folder: For its log, its home and an empty cache.
    """
    (folder / "hub").mkdir()  # `/v1/models` answers 500 where there is none
    command = [sys.executable, "-P", str(_LAUNCHER), "serve", "--device", "cpu"]
    environment = {"HF_HOME": str(folder), "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    with server_process(command, folder, health="/health", environment=environment) as url:
        yield url
