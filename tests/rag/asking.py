"""A question, and short ways to ask it."""

from __future__ import annotations

from typing import Any

import openai

from mmad_rag.prompt import knowledge_text
from mmad_rag.records import Knowledge
from tests.support.servers.openai_server import OpenAIServer
from tests.support.world import COLOURS, png

QUESTION = "Is there any defect in the object?"


CHOICES = {"A": "Yes.", "B": "No."}


RED = png(COLOURS["red"], shade=99)


def client_for(server: OpenAIServer, **options: Any) -> openai.OpenAI:  # noqa: ANN401 - the SDK's own
    return openai.OpenAI(base_url=server.url, api_key="sk-secret", max_retries=0, **options)


def first_text(knowledge: Knowledge) -> str:
    """What stands before the image: texts in a row are sent as one."""
    return f"{knowledge_text(knowledge)}\n\nThe picture to inspect:"
