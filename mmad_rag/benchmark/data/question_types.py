"""Find the column of every type in a file, and refuse types that are one by mistake."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from mmad_rag.benchmark.data.columns import AVERAGE
from mmad_rag.benchmark.data.strict_json import MEND
from mmad_rag.errors import DataError

MOST_TYPES = 100
"""Types of its own that a question set may have: more are not types, and no table can show them."""

_BETWEEN = re.compile(r"[\s_-]+")
_UNSHOWABLE = {"Cc", "Zl", "Zp"}  # control characters, separators of lines and paragraphs


class TypeReader:
    """Takes the types of one file one by one, and remembers which there were."""

    def __init__(self, folds: Mapping[str, str]) -> None:
        """Begin a file.

        Args:
            folds: Type -> name of its column, of the types that are known beforehand.
        """
        self._folds = folds
        self._spelled = {_plain(raw): raw for raw in (*self._folds, AVERAGE)}
        self._room = len(self._spelled) + MOST_TYPES

    def column_of(self, raw_type: str, where: str) -> str:
        """The column that a type is reported in: the one that it folds into, else one of its own name.

        Args:
            raw_type: As in the file.
            where: For messages.

        Raises:
            DataError: the type is another spelling of one that is known or came before, is called `Average`,
                cannot be shown on one line, or is one too many.
        """
        if raw_type in self._folds:
            return self._folds[raw_type]
        if any(unicodedata.category(letter) in _UNSHOWABLE for letter in raw_type):
            raise DataError(f"{where}: the type {raw_type!r} holds a line end or control character; {MEND}")
        known = self._spelled.get(_plain(raw_type), raw_type)
        if known == AVERAGE:
            raise DataError(f"{where}: the type {raw_type!r} is called as the average is; rename it")
        if known != raw_type:
            raise DataError(
                f"{where}: the type {raw_type!r} is another spelling of {known!r}; spell them alike"
            )
        if _plain(raw_type) not in self._spelled and len(self._spelled) == self._room:
            raise DataError(
                f"{where}: {raw_type!r} is one type too many, a question set has at most {MOST_TYPES} of its "
                "own; give questions that are reported together the same type"
            )
        self._spelled[_plain(raw_type)] = raw_type
        return raw_type


def _plain(raw_type: str) -> str:
    """Without case, spaces, hyphens and underscores."""
    return _BETWEEN.sub("", raw_type.casefold()) or raw_type
