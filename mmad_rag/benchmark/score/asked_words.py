"""Take apart what an answers file keeps of a question: its words and, where it has them, its options.

MMAD's scripts keep the words alone, or what was sent: `Question: Is there ...? \\nA. Yes.\\nB. No.\\n` in an
object's `text`, with or without the options as an object beside it. Some scripts shuffle the options of every
question, so that a letter means something in its own file only; the options' texts tell what.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmad_rag.benchmark.data.mmad import LETTERS
from mmad_rag.records import Choice, Question

_OPTION = re.compile(r"\(?([A-E])\)?\s*[.:)]\s*(\S.*)")
_PREFIX = re.compile(r"Question\s*:")


@dataclass(frozen=True, slots=True)
class AskedWords:
    """What is known of a question."""

    text: str
    """The question's words, without its options where these are told apart."""
    choices: tuple[Choice, ...]
    """The options in their order; empty where the file does not keep them."""


def asked_words(kept: str) -> AskedWords:
    """The words and options of a question as `AnswerRecord.question` has it.

    Example:
        >>> asked_words("Question: Any defect? \\nA. Yes.\\nB. No.\\n").choices
        (Choice(letter='A', text='Yes.'), Choice(letter='B', text='No.'))
    """
    entry = _object(kept)
    text = next((value for name in ("text", "Question", "question") if (value := entry.get(name))), kept)
    options = next((value for name in ("options", "Options") if (value := entry.get(name))), None)
    words, listed = _apart(text if isinstance(text, str) else kept)
    return AskedWords(words, _from_object(options) or listed)


def _object(kept: str) -> Mapping[str, Any]:
    try:
        found = json.loads(kept) if kept.startswith("{") else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _from_object(options: object) -> tuple[Choice, ...]:
    if not isinstance(options, dict) or not 2 <= len(options) <= len(LETTERS):
        return ()
    known = all(letter in LETTERS and isinstance(text, str) for letter, text in options.items())
    return tuple(Choice(letter, text) for letter, text in options.items()) if known else ()


def _apart(text: str) -> tuple[str, tuple[Choice, ...]]:
    """The words before the first run of lines that begin with A, B and so on, and the options in it."""
    lines = text.split("\n")
    for start in range(1, len(lines)):
        found: list[Choice] = []
        for line, letter in zip(lines[start:], LETTERS, strict=False):
            option = _OPTION.fullmatch(line.strip())
            if option is None or option[1] != letter:
                break
            found.append(Choice(letter, option[2]))
        if len(found) > 1:
            return _words("\n".join(lines[:start])), tuple(found)
    return _words(text), ()


def _words(text: str) -> str:
    prefix = _PREFIX.match(text.lstrip())
    return (text.lstrip()[prefix.end() :] if prefix else text).strip() or text


@functools.lru_cache(maxsize=1 << 16)  # options and questions repeat, over images and over files
def plain(text: str) -> str:
    """The text in one case, with single spaces: what is compared when two files are held together."""
    return " ".join(text.split()).casefold()


def asked_among(
    about_image: Mapping[str, list[Question]], kept: str, choices: Sequence[Choice] = ()
) -> list[Question] | None:
    """The questions about an image that have these words; None if there is no such question.

    A kept text that is longer belongs to the one question whose words it contains. Of several questions with
    the same words, those with the same options come first.

    Args:
        about_image: Words, as `plain` gives them -> the questions with these words.
        kept: The words, as the file keeps them.
        choices: The options, where they are known.
    """
    words = whole = plain(kept)
    if words not in about_image:
        words = plain(asked_words(kept).text)
    if words not in about_image:
        held = [text for text in about_image if text in whole or plain(json.dumps(text)[1:-1]) in whole]
        longest = [text for text in held if not any(text != other and text in other for other in held)]
        if len(longest) != 1:
            return None
        words = longest[0]
    found = about_image[words]
    if len(found) > 1 and (texts := _texts(choices)):
        found.sort(key=lambda question: _texts(question.choices) != texts)
    return found


def letters_among(shown: Sequence[Choice], own: Sequence[Choice]) -> Mapping[str, str] | None:
    """Letter as it was shown -> letter of the question's own options with the same text.

    None where the options are not known, are others, or two of them are alike.

    Example:
        >>> letters_among([Choice("A", "No"), Choice("B", "Yes")], [Choice("A", "Yes"), Choice("B", "No")])
        {'A': 'B', 'B': 'A'}
    """
    letters = {plain(choice.text): choice.letter for choice in own}
    if not shown or len(shown) != len(own) or len(letters) != len(own) or _texts(shown) != _texts(own):
        return None
    return {choice.letter: letters[plain(choice.text)] for choice in shown}


def _texts(choices: Sequence[Choice]) -> list[str]:
    return sorted(text for choice in choices if (text := plain(choice.text)))
