"""The protocol of a run: which questions are asked, and how they are presented.

It holds everything that can change an outcome and is not the model, the knowledge or the data. The run
folder, the concurrency and the budget are not here: they may differ when a run is continued.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmad_rag.benchmark.data.errata import apply_errata, erratum
from mmad_rag.benchmark.data.mmad import Benchmark, TemplateKind
from mmad_rag.benchmark.data.selection import Selection, check_limit, select
from mmad_rag.errors import DataError, SpecError
from mmad_rag.prompt import WORDINGS


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """The protocol of a run.

    Raises:
        DataError: a number is out of range, an erratum is unknown, or examples are wanted without images.
        SpecError: a wording or a kind of templates is unknown.

    Example:
        >>> RunSettings(limit=400, shots=2).templates
        <TemplateKind.RANDOM: 'random'>
    """

    only: Sequence[str] = ()
    """Globs; a question is asked if one of them matches its image path or equals its product. An
    empty sequence asks all; a string is one glob."""
    limit: int | None = None
    """Largest number of questions, a seeded sample of images (see `select`); None asks all."""
    seed: int = 0
    """Seed for question sampling, circular evaluation, wrong-product draws and bootstrap."""
    errata: Sequence[str] = ()
    """Names of known errata whose questions are left out."""
    images: bool = True
    """Whether the query image is shown; False also asks questions whose image has no file."""
    wording: str = "default"
    """The prompt's wording, one of `mmad_rag.prompt.WORDINGS`."""
    shots: int = 0
    """Largest number of normal example images shown with each question.

    Examples without a file, or with the bytes of the query image, are skipped.
    """
    templates: TemplateKind = TemplateKind.RANDOM
    """Which of an image's lists supplies the example images."""
    shuffle_options: int | None = None
    """Seed for the order in which options are shown, see `shown_choices`; None keeps the file's order.

    Rows hold the file's letters in either case.
    """
    image_size: int | None = None
    """Longest side in pixels that images are scaled down to, at least 1; None leaves them as they are."""
    circular: int = 0
    """Number of questions that are also asked in every other rotation of their options, see `circular`."""

    def __post_init__(self) -> None:
        for name in ("only", "errata"):
            given = getattr(self, name)
            object.__setattr__(self, name, (given,) if isinstance(given, str) else tuple(given))
        object.__setattr__(self, "templates", _template_kind(self.templates))
        if self.shots < 0 or self.circular < 0:
            raise DataError(
                f"a run cannot have {self.shots} shots and {self.circular} circular questions; "
                "give 0 or more of each"
            )
        if self.shots and not self.images:
            raise DataError(f"a run without images cannot show {self.shots} example images; leave them out")
        if self.wording not in WORDINGS:
            raise SpecError(f"there is no wording {self.wording!r}; choose one of {', '.join(WORDINGS)}")
        if self.image_size is not None and self.image_size < 1:
            raise DataError(f"an image cannot be scaled down to {self.image_size} pixels; give 1 or more")
        check_limit(self.limit)
        for name in self.errata:
            erratum(name)

    @property
    def sample_seed(self) -> int | None:
        """Seed for question sampling; None if all questions are asked."""
        return None if self.limit is None else self.seed

    @property
    def circular_seed(self) -> int:
        """Seed for choosing the questions of circular evaluation; 0 in a run without it."""
        return self.seed if self.circular else 0

    def select(self, benchmark: Benchmark) -> Selection:
        """The questions that a run with these settings asks; errata are applied unless they already were.

        Raises:
            DataError: no question is left.
        """
        left = [name for name in self.errata if name not in benchmark.errata]
        without = apply_errata(benchmark, left) if left else benchmark
        return select(without, only=self.only, limit=self.limit, seed=self.seed, images=self.images)


def _template_kind(name: str) -> TemplateKind:
    try:
        return TemplateKind(name)
    except ValueError:
        raise SpecError(f"there are no templates {name!r}; choose one of {', '.join(TemplateKind)}") from None


DEFAULT_SETTINGS = RunSettings()
"""Settings that ask every question that has an image, as it stands in the file."""
