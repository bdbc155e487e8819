"""What can be read in a reply that ended in the middle of a sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping

from mmad_rag.reading.answer_markers import LETTER
from mmad_rag.reading.letter_forms import CLOSE, OPEN

_SET_OFF_LETTER = re.compile(rf"{OPEN}((?i:{LETTER})){CLOSE}\s*(?:[.:)\],;|!。、–—-]|\n)+\s*")
_BARE_LETTER = re.compile(rf"{OPEN}({LETTER}){CLOSE}\s+")
_CUT_END = " \t\r\n.…,;:'\ufffd"
_SENTENCE_END = re.compile(r"[.!?][)'\]]*(?=\s|\Z)|[。！？；\n]")
_REASON = re.compile(
    r"[\s)\]}>'.]*(?:[,;:(–—-]\s*)?(?:because|since|as|due|given|which|where|with|for|in\s+which|that\s+is|and\s+not|not"
    r"|因|由于|由於|weil|da|denn|parce|car|porque|perché|ya\s+que|так\s+как)(?!\w)",
    re.IGNORECASE,
)
_DOUBT = re.compile(
    r"[\s)\]}>'.,;:–—-]*(?:but|however|though|although|yet|still|hmm|wait|or|unless|if|maybe|let(?:'s|\s+me|\s+us)"
    r"|但|不过|然而|aber|mais|pero|mas|ma|но)(?!\w)",
    re.IGNORECASE,
)
_GOES_ON = re.compile(
    r"(?:\b(?:the|an?|this|that|these|those|its?|my|of|in|on|at|by|to|for|from|with|as|than|and|or|but|if|so|not"
    r"|is|are|was|were|be|been|has|have|had|does|do|can|could|would|should|will|may|might|must|also|let|me|(?-i:I)|which"
    r"|whether|because|since|there|more|most|very|check|consider|see|look)|,)\s*\Z",
    re.IGNORECASE,
)
_SHORT = 2  # letters that are more than the letter of another option
_MOSTLY = 3  # words of another option's text that a letter cannot stand before


def prefix_claims(text: str, words: Mapping[str, str]) -> set[str] | None:
    """The options named by a letter and the start of an option's text, which the end of the reply cut.

    Args:
        text: The whole text, without markup.
        words: Letter -> the option's own words, see `own_words`.

    Returns:
        The letter, if what follows it begins its own option's text and that of no other; the letter and the
        others, if it begins only theirs, because such a reply contradicts itself; None for all else.
    """
    found = _SET_OFF_LETTER.match(text)
    exact = found is None and (found := _BARE_LETTER.match(text)) is not None
    if found is None or found[1].upper() not in words:
        return None
    letter, rest = found[1].upper(), " ".join(text[found.end() :].split()).strip(_CUT_END)
    if len(rest) < (_SHORT if rest.isascii() else 1) or len(rest) > max(map(len, words.values())):
        return None
    begun = {
        other
        for other, own in words.items()
        if own.casefold().startswith(rest.casefold()) and (other != letter or len(own) > len(rest))
    }
    if begun == {letter}:
        return begun if not exact or words[letter].startswith(rest) else None
    if letter in begun or exact or len(rest.split()) < _MOSTLY:
        return None
    return {letter, *begun} if begun else None


def own_words(text: str) -> str:
    """The words of an option's text, to compare a cut reply with."""
    return " ".join(text.split()).strip(_CUT_END)


def unfinished_from(text: str) -> int:
    """Position at which the unfinished last sentence starts; the length of the text if it is finished."""
    ends = [found.end() for found in _SENTENCE_END.finditer(text)]
    return ends[-1] if ends else 0


def stands(text: str, end: int, *, opens: bool, cut: bool | None) -> bool:
    """Whether a claim in the last, unfinished sentence stands, though the sentence goes on after it.

    Args:
        text: The text of the reply.
        end: Position at which the claim ends.
        opens: Whether the claim is the first word of the reply.
        cut: Whether the reply is known to have ended at the token limit; None if that is unknown.

    A claim stands at the very end of the reply and before its reason (`the answer is B because the`); one
    that opens the reply stands before anything but doubt. Other words may take it back (`the answer is A,
    but let me check the`), unless the reply is known to be whole.
    """
    rest = text[end:]
    if cut is False or not rest.strip(_CUT_END + ")]}>") or _REASON.match(rest):
        return True
    if _DOUBT.match(rest):
        return not (cut or _GOES_ON.search(rest[-40:]))
    return opens or not cut
