"""A server of another package, as a process on loopback."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import httpx

_START_S = 600.0
_STOP_S = 60.0


@contextlib.contextmanager
def server_process(
    command: Sequence[str], folder: Path, *, health: str, environment: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Run it while the block lasts; gives its base URL, without `/v1`.

    It starts in `folder`, which is its home too and gets its log, with no variable of the person who runs
    the tests. `--host` and `--port` are put after the command.

    Args:
        command: Program with its arguments.
        folder: Empty, or with the files that the server reads.
        health: Path that answers 200 once it is ready.
        environment: Variables beside `PATH`, `HOME` and one thread for OpenMP.

    Raises:
        AssertionError: it ended, or was not ready within ten minutes; says how its log ends.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            cwd=folder,
            env={"PATH": os.defpath, "HOME": str(folder), "OMP_NUM_THREADS": "1", **(environment or {})},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that its children end with it
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(process, url + health, log)
        yield url
    finally:
        _stop(process)


def answers(url: str) -> bool:
    """Say whether a server answers there with 200."""
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(url, trust_env=False, timeout=60).status_code == 200
    return False


def _wait(process: subprocess.Popen[bytes], health: str, log: Path) -> None:
    end = time.monotonic() + _START_S
    while time.monotonic() < end and process.poll() is None:
        if answers(health):
            return
        time.sleep(0.2)
    ended = "did not start in time" if process.poll() is None else f"ended with {process.returncode}"
    raise AssertionError(f"the server {ended}; its log ends:\n{log.read_text(errors='replace')[-3000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(_STOP_S)
