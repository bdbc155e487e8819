"""LiteLLM's proxy on loopback, started from an environment of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.support.paths import ROOT
from tests.support.servers.server_process import server_process

PROGRAM = ROOT / ".venv" / "servers" / "bin" / "litellm"
"""Made by `make test` from tests/servers.txt."""
MASTER_KEY = "sk-of-the-gateway"


@contextlib.contextmanager
def litellm_proxy(folder: Path, routes: Mapping[str, Mapping[str, object]]) -> Iterator[str]:
    """A proxy while the block lasts; gives its base URL, without `/v1`.

    It has neither database nor callbacks, and its prices come from its own package.

    Args:
        folder: For its configuration, its log and its home.
        routes: `litellm_params` by model name.
    """
    config: dict[str, Any] = {
        "model_list": [
            {"model_name": name, "litellm_params": dict(params)} for name, params in routes.items()
        ],
        "general_settings": {"master_key": MASTER_KEY},
        "litellm_settings": {"num_retries": 0},
        "router_settings": {"num_retries": 0, "disable_cooldowns": True},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    command = [str(PROGRAM), "--config", "config.yaml", "--telemetry", "False"]
    prices = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    with server_process(command, folder, health="/health/liveliness", environment=prices) as url:
        yield url
