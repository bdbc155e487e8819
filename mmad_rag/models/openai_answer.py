"""Turn the body of an endpoint's answer into a completion, or into the failure that it is."""

from __future__ import annotations

from mmad_rag.models.openai.endpoint import Endpoint
from mmad_rag.models.openai.errors import garbled_failure, reported_failure, tool_failure
from mmad_rag.models.openai.response import Completion, read_completion
from mmad_rag.models.openai.retry import Failure, Patience

_QUOTED_BYTES = 1000


def read_answer(
    content: bytes, content_type: str, *, endpoint: Endpoint, patience: Patience
) -> Completion | Failure:
    """Read what came with status 200: no JSON, an error, or a tool called in place of text is a failure."""
    completion = read_completion(content)
    if completion is None:
        says_json = "json" in content_type.lower()
        quoted = content[:_QUOTED_BYTES].decode("utf-8", "replace")
        return garbled_failure(quoted, says_json=says_json, endpoint=endpoint, patience=patience)
    if completion.error is not None:
        return reported_failure(completion.error, endpoint=endpoint, patience=patience)
    if completion.tools and not completion.text:
        return tool_failure(completion.tools, endpoint=endpoint)
    return completion
