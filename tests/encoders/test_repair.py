"""torchvision beside a torch that it was not built for."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from mmad_rag.encoders.repair import import_torchvision
from mmad_rag.errors import EncoderError

BROKEN = """\
import torch
from torchvision import part

@torch.library.register_fake("torchvision::nms")
def nms(dets, scores, iou_threshold):
    return None

@torch.library.register_fake("torchvision::qnms")
def qnms(dets, scores, iou_threshold):
    return None
"""
REPORT = """
import torch, torchvision
print(torchvision.__file__, *(hasattr(torch.ops.torchvision, name) for name in ("nms", "qnms")))
"""


def in_fresh_python(folder: Path, code: str) -> str:
    """Run code where a torchvision in `folder` hides the installed one."""
    setup = f"import sys; sys.path.insert(0, {str(folder)!r})\n"
    done = subprocess.run([sys.executable, "-c", setup + code], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def write_torchvision(folder: Path, code: str) -> None:
    (folder / "torchvision").mkdir()
    (folder / "torchvision" / "__init__.py").write_text(code)
    (folder / "torchvision" / "part.py").write_text("")


REPAIR = "from mmad_rag.encoders.repair import import_torchvision; import_torchvision()\n"


def test_a_torchvision_that_imports_is_left_alone(tmp_path: Path) -> None:
    write_torchvision(tmp_path, "")
    assert in_fresh_python(tmp_path, REPAIR + REPORT).split()[1:] == ["False", "False"]


def test_missing_operators_are_declared(tmp_path: Path) -> None:
    """The mismatched pair fails by itself with the known message, and imports after the repair, twice."""
    write_torchvision(tmp_path, BROKEN)
    attempt = "try:\n    import torchvision\nexcept RuntimeError as error:\n    print(error, end=';')\n"
    first, _, second = in_fresh_python(tmp_path, attempt + REPAIR + REPAIR + REPORT).partition(";")
    assert first == "operator torchvision::nms does not exist"
    assert second.split() == [str(tmp_path / "torchvision" / "__init__.py"), "True", "True"]


def test_another_failure_is_not_hidden(tmp_path: Path) -> None:
    write_torchvision(tmp_path, "raise RuntimeError('compiled for the moon')")
    output = in_fresh_python(tmp_path, REPAIR)
    assert "EncoderError: torchvision cannot be imported (compiled for the moon)" in output


@pytest.mark.slow
def test_the_installed_torchvision_works_afterwards() -> None:
    """The image transforms and all three encoder libraries import in a fresh process."""
    code = REPAIR + "import open_clip, timm, torchvision.transforms; print('good')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["good"]


def test_failures_become_our_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(error: Exception) -> None:
        def raising(name: str) -> None:
            raise error

        monkeypatch.setattr(importlib, "import_module", raising)

    fail(ModuleNotFoundError("No module named 'torchvision'"))
    with pytest.raises(EncoderError, match="run `pip install torchvision`"):
        import_torchvision()
    fail(RuntimeError("something else"))
    with pytest.raises(EncoderError, match="install the version that belongs to your torch"):
        import_torchvision()
