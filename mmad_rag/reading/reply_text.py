"""Remove the markup of a reply."""

from __future__ import annotations

import re

from mmad_rag.reading.answer_markers import LETTER

_ANSWER_TAGS = (  # a second opening tag ends the first, so that each is examined once
    re.compile(
        r"<((?:final_)?answer)>((?:(?!</?(?:final_)?answer>).)*)(?:</\1>|\Z)", re.IGNORECASE | re.DOTALL
    ),
    re.compile(r"\[(answer)\]((?:(?!\[/?answer\]).)*)\[/answer\]", re.IGNORECASE | re.DOTALL),
    re.compile(r"<\|(begin)_of_box\|>((?:(?!<\|(?:begin|end)_of_box\|>).)*)<\|end_of_box\|>", re.DOTALL),
    re.compile(r"\\(f?boxed)\s*\{((?:[^{}]|\{[^{}]*\})*)\}"),
)
_STRESSED_LETTER = re.compile(rf"(\*\*|__|\$|`)\s*\(?({LETTER})[.):]?\)?\s*\1")
_LATEX_FONT = re.compile(r"\\(?:text|textbf|textit|mathbf|mathrm|mathit|mathsf|boldsymbol)\s*\{([^{}]*)\}")
_MARKUP = (
    re.compile(r"<\|[^|<>]{1,40}\|>|</?s>|<(?:end_of_turn|eos)>"),  # special tokens of chat templates
    re.compile(r"^[ \t]*```\w*[ \t]*$", re.MULTILINE),
    re.compile(r"</?(?:[a-z][a-z0-9]+|[a-z](?=\s)|[i-z])(?:\s[^<>]{0,200})?/?>", re.IGNORECASE),
    re.compile(r"\\[()\[\]]|[*`$~\"“”„«»「」『』【】]"),
    re.compile(r"^[ \t]*[#>][#> \t]*", re.MULTILINE),
    re.compile(r"(?<![a-zA-Z0-9])_+|_+(?![a-zA-Z0-9])"),
    re.compile(r"[\u2300-\u2bff\ufe0f\U0001f000-\U0001faff]"),  # emoji and other signs
)
_LINE_END_TAG = re.compile(r"<br\s*/?>|</(?:p|div|li|tr|h[1-6])>", re.IGNORECASE)
_LATEX_SPACE = re.compile(r"\\(?:[ ,;:!]|q?quad\b)")
_CROSS = re.compile("[❌❎✖✗✘☒🚫👎]")
_STRUCK_OUT = re.compile(r"~~[^~\n]+~~")
_BOX_SIGNS = ((re.compile(r"\[[xX✓✔]\]|☑"), "[x]"), (re.compile("☐"), "[ ]"))
_TICKED_BOX = re.compile(r"^[ \t]*(?:[-+•][ \t]*)?\[x\][ \t]+", re.MULTILINE)
_EMPTY_BOX = re.compile(r"^[ \t]*(?:[-+•][ \t]*)?\[ ?\][ \t].*$", re.MULTILINE)
_CITATION = re.compile(r"(?<=[^\s:=\[])[ \t]*\[\d{1,3}(?:[ \t]*[,;–-][ \t]*\d{1,3})*\](?!\()")


def without_markup(text: str) -> str:
    """The reply's words without Markdown, LaTeX, HTML, quotation marks and numbers of cited passages.

    An answer that is tagged or ticked is announced in words, a cross becomes `not`, and struck-out text is
    removed.
    """
    for pattern in _ANSWER_TAGS:
        text = pattern.sub(r"\nAnswer: \2\n", text)
    text = _CROSS.sub(" not ", _STRUCK_OUT.sub("", text))
    for sign, box in _BOX_SIGNS:
        text = sign.sub(box, text)
    text = _CITATION.sub("", text)
    text = _LATEX_SPACE.sub(" ", _LINE_END_TAG.sub("\n", text))
    text = _STRESSED_LETTER.sub(r"(\2) ", _LATEX_FONT.sub(r"\1", text))
    for letter in "ab":
        if re.search(f"</{letter}>", text, re.IGNORECASE):  # without it, `<B>` is a letter in brackets
            text = re.sub(f"</?{letter}>", "", text, flags=re.IGNORECASE)
    for pattern in _MARKUP:
        text = pattern.sub("", text)
    return _TICKED_BOX.sub("Answer: ", _EMPTY_BOX.sub("", text)).strip()
