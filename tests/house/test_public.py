"""The public face: what `mmad_rag` and its rooms export, and that nothing more is imported for it."""

from __future__ import annotations

import dataclasses
import importlib
import typing

import pytest

import mmad_rag
from mmad_rag.lazy import lazy_names
from tests.house.test_architecture import FILES, PACKAGE, imports_of

ROOM_NAMES = sorted(
    ".".join(path.relative_to(PACKAGE.parent).parent.parts) for path in FILES if path.name == "__init__.py"
)


def test_the_public_names() -> None:
    """Pinned: a name that is added, renamed or taken away is a decision, and SemVer counts it."""
    assert mmad_rag.__all__ == [
        "Answer",
        "Candidate",
        "Choice",
        "ClipRetriever",
        "EncodedImage",
        "Evaluation",
        "Hit",
        "Inquiry",
        "Knowledge",
        "KnowledgeIndex",
        "MmadRagError",
        "ModelOptions",
        "Passage",
        "Prompt",
        "RagWrapper",
        "Reply",
        "Route",
        "RouteOutcome",
        "RunSettings",
        "SecondLook",
        "Timings",
        "Usage",
        "__version__",
        "evaluate",
        "open_image",
    ]


@pytest.mark.parametrize("room", ROOM_NAMES)
def test_a_room_exports_what_it_lists(room: str) -> None:
    """Every listed name is there, shows in `dir`, and is found by type checkers under the same name."""
    module = importlib.import_module(room)
    listed = set(getattr(module, "__all__", ()))
    for name in listed:
        assert getattr(module, name) is not None
        assert name in dir(module)
    if hasattr(module, "__getattr__"):
        path = PACKAGE.parent.joinpath(*room.split("."), "__init__.py")
        homes = {home for home in imports_of(path) if home not in {"__future__", "typing", "mmad_rag.lazy"}}
        found = {name for home in homes for name in vars(importlib.import_module(home)) if name in listed}
        assert found == listed, "what TYPE_CHECKING imports and what is imported on use differ"
        with pytest.raises(AttributeError, match="has no attribute 'no_such_name'"):
            _ = module.no_such_name


def test_a_lazy_name_is_looked_up_once_and_is_the_thing_itself() -> None:
    get, _ = lazy_names("mmad_rag.rag", {"mmad_rag.rag.wrapper": ("RagWrapper",)})
    from mmad_rag.rag.wrapper import RagWrapper

    assert get("RagWrapper") is RagWrapper
    assert vars(importlib.import_module("mmad_rag.rag"))["RagWrapper"] is RagWrapper


def test_every_record_of_an_answer_is_public() -> None:
    """Whatever an answer holds, however deep, can be named without looking for its module."""
    from mmad_rag.records import Prompt

    seen: set[type] = set()

    def visit(kind: object) -> None:
        for inner in typing.get_args(kind):
            visit(inner)
        if isinstance(kind, type) and dataclasses.is_dataclass(kind) and kind not in seen:
            seen.add(kind)
            for hint in typing.get_type_hints(kind).values():
                visit(hint)

    visit(mmad_rag.Answer)
    visit(Prompt)
    assert {kind.__name__ for kind in seen} <= set(mmad_rag.__all__)
    assert {"Answer", "Route", "SecondLook", "Passage", "EncodedImage"} <= {kind.__name__ for kind in seen}
