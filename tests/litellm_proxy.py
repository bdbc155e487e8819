"""LiteLLM's proxy on loopback, started from an environment of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import yaml

PROGRAM = Path(__file__).parent.parent / ".venv" / "servers" / "bin" / "litellm"
"""Made by `make test` from tests/servers.txt."""
MASTER_KEY = "sk-of-the-gateway"
_START_S = 90.0


@contextlib.contextmanager
def litellm_proxy(folder: Path, routes: Mapping[str, Mapping[str, object]]) -> Iterator[str]:
    """A proxy while the block lasts; gives its base URL, without `/v1`.

    It has neither database nor callbacks, and its prices come from its own package.

    Args:
        folder: For its configuration, its log and its home.
        routes: `litellm_params` by model name.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config: dict[str, Any] = {
        "model_list": [
            {"model_name": name, "litellm_params": dict(params)} for name, params in routes.items()
        ],
        "general_settings": {"master_key": MASTER_KEY},
        "litellm_settings": {"num_retries": 0},
        "router_settings": {"num_retries": 0, "disable_cooldowns": True},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    environment = {
        "PATH": os.defpath,
        "HOME": str(folder),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "OMP_NUM_THREADS": "1",
    }
    command = [str(PROGRAM), "--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port)]
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--telemetry", "False"],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that its children end with it
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(process, url, log)
        yield url
    finally:
        _stop(process)


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = time.monotonic() + _START_S
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{url}/health/liveliness", trust_env=False, timeout=1).status_code == 200:
                return
        time.sleep(0.2)
    raise AssertionError(f"LiteLLM did not start; its log ends:\n{log.read_text()[-3000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
