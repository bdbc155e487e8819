"""Write what a run came to as one HTML page that needs nothing else."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from mmad_rag.benchmark.analysis.summary import RunSummary
from mmad_rag.benchmark.run.records import Run
from mmad_rag.errors import DataError
from mmad_rag.files import atomic_write
from mmad_rag.report.html.content import page_of

_KEPT = frozenset("\n\t\u200c\u200d")
"""Line ends and tabs; the joiners that several scripts and many emoji are written with."""
_HIDDEN = frozenset({"Cc", "Cf", "Cs"})
_PLAIN = re.compile(r"[\n\t -~]*")


def visible(text: str) -> str:
    """The text with every control and format character named; line ends are `\\n`.

    Example:
        >>> visible("a\\x00b")
        'a⟨U+0000⟩b'
    """
    text = text.replace("\r\n", "\n")
    if _PLAIN.fullmatch(text):
        return text
    return "".join(map(_visible, text))


def _visible(character: str) -> str:
    if character in _KEPT or unicodedata.category(character) not in _HIDDEN:
        return character
    return f"⟨U+{ord(character):04X}⟩"


BEGINNING = b"<!doctype html>"
"""The first bytes of every page."""
PAGE_FILE = "report.html"
"""Name of a run's page, beside the run's other files, unless another is given."""
FLIPS = 8
"""Questions that are shown of either kind, by default."""
_LONG = 1_200  # characters of a reply from which on it is folded away, whole
_TEMPLATE = "page.html.jinja"


def render_page(
    run: Run,
    summary: RunSummary,
    *,
    baseline: str = "none",
    arm: str | None = None,
    data: Path | None = None,
    flips: int = FLIPS,
    seed: int = 0,
    notices: Sequence[str] = (),
) -> str:
    """The page as HTML: no script, nothing fetched, everything that was read from files escaped.

    Args:
        run: With an outcome of every question in every arm.
        summary: Of this run and this baseline.
        baseline: The arm that is compared with.
        arm: The arm that the page is about; None takes `rag`, or else the first other arm.
        data: The data folder; None takes the one the run was given.
        flips: Questions to show of either kind, 0 or more.
        seed: Of the draw of these questions.
        notices: What a reader must know before any number.

    Raises:
        DataError: the run has no such arm to compare.
    """
    page = page_of(
        run, summary, baseline=baseline, arm=arm, data=data, flips=flips, seed=seed, notices=notices
    )
    return render(_TEMPLATE, page=page, run=run, long=_LONG)


def render(template: str, **values: object) -> str:
    """Fill a template of this folder; every value that is written is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    def shown(value: object) -> object:
        return value if isinstance(value, Markup) else visible(str(value))

    environment = Environment(
        loader=PackageLoader("mmad_rag", "report/html"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,  # on every value that is written, so that no place can be forgotten
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)


def write_page(html: str, path: Path) -> None:
    """Write a page in one step: whoever reads it sees all of it, or what was there before.

    Raises:
        DataError: something else than a page is there, or it cannot be written.
    """
    try:
        if path.exists():
            with path.open("rb") as file:
                if file.read(len(BEGINNING)).lower() != BEGINNING:
                    raise DataError(f"{path} is not a page and is left as it is; give another --out")
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, html.encode())
    except OSError as error:
        raise DataError(f"{path} cannot be written ({error.strerror}); give another --out") from error
