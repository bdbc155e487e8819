"""Bodies that are written anew: the same JSON as by the standard library, whatever they hold."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmad_rag.serve.body import encode
from mmad_rag.serve.errors import RefusalError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
URLS = st.builds(
    lambda head, data: f"data:{head};base64,{base64.b64encode(data).decode()}",
    st.text(max_size=20)
    | st.sampled_from(["image/png", 'image/"x', "image/\\u0041", "image/x\n", "x" * 300]),
    st.binary(max_size=200),
)


def body_with(url: str, before: object, after: object) -> dict[str, Any]:
    shown = {"type": "image_url", "image_url": {"url": url, "detail": "low"}}
    again = {"type": "input_image", "image_url": url}
    content = [before, {"type": "text", "text": "?"}, shown, again, after]
    return {
        "model": after,
        "messages": [{"role": "user", "content": url}, {"role": "user", "content": content, "more": before}],
    }


@given(URLS | st.text(), JSON, JSON)
def test_the_json_is_that_of_the_standard_library(url: str, before: object, after: object) -> None:
    body = body_with(url, before, after)
    plain = json.dumps(body, separators=(",", ":"), allow_nan=False).encode("ascii")
    assert encode(body, message=1, url=url) == plain


def test_nothing_of_the_clients_body_is_changed() -> None:
    url = "data:image/png;base64,AAAA"
    body = body_with(url, 1, 2)
    encode(body, message=1, url=url)
    assert body == body_with(url, 1, 2)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_no_json_can_hold_is_refused(value: float) -> None:
    with pytest.raises(RefusalError, match="not strict JSON"):
        encode(body_with("data:image/png;base64,AAAA", value, 1), message=1, url="data:image/png;base64,AAAA")
