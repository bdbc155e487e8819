"""The phrases that announce an answer, in several languages."""

from __future__ import annotations

import re

LETTER = "[A-H]"
"""A letter in the place of an answer: beyond the legal A-E, so that an answer F contradicts, unlike a gap."""

NOUN = r"(?:answer|choice|option|letter|selection|response)"
"""What a choice is called."""

_NAMED = rf"(?:(?:the\s+)?{NOUN}\s*:?\s*)?"
_BE = (
    r"(?:is|was|would\s+be|should\s+be|must\s+be)"
    r"(?:\s+(?:most\s+likely|likely|probably|clearly|definitely|therefore|thus)"
    rf"(?=\W+(?:the\s+)?(?:{NOUN}\s+)?{LETTER}\b))?"
)
_ARROW = r"(?:->|=>|→)"

_ANSWER_IS = (
    r"\bans(?:wer)?\b\.?(?:\s+(?:choice|letter|option))?(?:\s+to\s+(?:the|this|your)\s+question)?"
    rf"(?:\s+{_BE}\s*:?|\s*(?:{_ARROW}|[:=|–—-])|[ \t]*\n)\s*{_NAMED}"
)
_CORRECT_ONE_IS = (
    r"\b(?:final|correct|right|best|chosen|selected|my|most\s+(?:likely|accurate|appropriate))\s+"
    rf"(?:{NOUN}|one|description|statement|classification|class|type)"
    rf"\s*(?:\s{_BE}\s*:?|[:=]|{_ARROW})\s*{_NAMED}"
)
_CHOICE_IS = (
    r"\b(?:choice|selection|prediction|response|conclusion|verdict|decision|judge?ment|result|classification"
    r"|option|letter|selected|chosen|choose|correct|final)"
    rf"\s*(?:\sis\b|[:=])\s*{_NAMED}"
)
_I_CHOOSE = (
    r"\bI(?:'d|'ll|'m|\s+would|\s+will|\s+am)?(?:\s+(?!not\b|never\b|cannot\b)\w+)?\s+"
    rf"(?:choose|chose|pick|select|selected|say|go(?:ing)?\s+with|opt\s+for)\s+{_NAMED}"
)
_IT_IS = rf"\A\W*(?:it|this|that)(?:'s|\s+is|\s+(?:would|must)\s+be)\s+{_NAMED}"
_I_THINK = (
    rf"\A\W*I(?:'d|\s+would)?\s+(?:think|believe|say)(?:\s+that)?(?:\s+it(?:'s|\s+is))?[,:]?\s+{_NAMED}"
)
_LIKELY = rf"\A\W*(?:most\s+)?(?:likely|probably|definitely|clearly|certainly|obviously)[,:]?\s+{_NAMED}"
_OPTION = rf"^\W*(?:answer|option|choice|opción|opção|opzione)\s+(?=\W*{LETTER}\W*(?:[.:)]|$))"

_CHINESE = r"(?:答案|选项|選項)(?:应该|應該|应|應)?(?:是|为|為|:)+\s*(?:选项|選項)?\s*"
_CHINESE_CHOOSE = rf"[选選](?:择|擇)?(?:是|为|為|:)*\s*(?=[('\[]*{LETTER})"
_JAPANESE = r"(?:正解|答え|回答|解答)\s*(?:は|:)+\s*"
_KOREAN = r"(?:정답|답)\s*(?:은|는|:)+\s*"
_GERMANIC = r"\b(?:antwort|antwoord)(?:\s+(?:lautet|ist|is))?\s*:?\s+"
_FRENCH = r"\br[ée]ponse(?:\s+(?:correcte|finale))?(?:\s+est|\s*:)+\s+(?:la\s+)?"
_ROMANCE = (
    r"\b(?:respuesta|resposta|risposta)(?:\s+(?:correcta|correta|corretta|final))?(?:\s+(?:es|é|è)|\s*:)+\s+"
    r"(?:l?a\s+)?"
)
_OTHERS = r"\b(?:ответ|odpowied[zź]|cevap|đáp\s+án)(?:\s+(?:это|to|đúng|là))*(?:\s*[:–—-])?\s+"

ANSWER_MARKERS = tuple(
    re.compile(pattern, re.IGNORECASE | re.MULTILINE)
    for pattern in (
        _ANSWER_IS,
        _CORRECT_ONE_IS,
        _CHOICE_IS,
        _I_CHOOSE,
        _IT_IS,
        _I_THINK,
        _LIKELY,
        _OPTION,
        _CHINESE,
        _CHINESE_CHOOSE,
        _JAPANESE,
        _KOREAN,
        _GERMANIC,
        _FRENCH,
        _ROMANCE,
        _OTHERS,
    )
)
"""Each ends right before the letter or text that it announces."""
