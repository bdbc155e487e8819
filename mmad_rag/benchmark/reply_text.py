"""See through the markup and the reasoning blocks of a reply."""

from __future__ import annotations

import re
import unicodedata

_THINK = "think|thinking|thought|reasoning|reflection|scratchpad|analysis"
_REASONING = (
    re.compile(rf"<({_THINK})>.*?</\1>", re.IGNORECASE | re.DOTALL),
    re.compile(rf"<(?:{_THINK})>.*", re.IGNORECASE | re.DOTALL),  # cut off before it was closed
    re.compile(rf"\A.*</(?:{_THINK})>", re.IGNORECASE | re.DOTALL),  # opened by the chat template
    re.compile(r"\A.*<\|channel\|>final<\|message\|>", re.DOTALL),
)
_ANSWER_TAGS = (
    re.compile(r"<(?:final_)?answer>(.*?)</(?:final_)?answer>", re.IGNORECASE | re.DOTALL),
    re.compile(r"\[answer\](.*?)\[/answer\]", re.IGNORECASE | re.DOTALL),
    re.compile(r"<\|begin_of_box\|>(.*?)<\|end_of_box\|>", re.DOTALL),
    re.compile(r"\\f?boxed\s*\{((?:[^{}]|\{[^{}]*\})*)\}"),
)
_STRESSED_LETTER = re.compile(r"(\*\*|__|\$|`)\s*\(?([A-H])[.):]?\)?\s*\1")
_LATEX_FONT = re.compile(r"\\(?:text|textbf|textit|mathbf|mathrm|mathit|mathsf|boldsymbol)\s*\{([^{}]*)\}")
_MARKUP = (
    re.compile(r"<\|[^|<>]{1,40}\|>|</?s>|<(?:end_of_turn|eos)>"),  # special tokens of chat templates
    re.compile(r"^[ \t]*```\w*[ \t]*$", re.MULTILINE),
    re.compile(r"<([ab])>(?=.*</\1>)|</[ab]>", re.IGNORECASE),  # `<B>` alone is a letter in brackets
    re.compile(r"</?(?:[a-z][a-z0-9]+|[a-z](?=\s)|[i-z])(?:\s[^<>]{0,200})?/?>", re.IGNORECASE),
    re.compile(r"\\[()\[\]]|[*`$~\"“”„«»「」『』【】]"),
    re.compile(r"^[ \t]*[#>][#> \t]*", re.MULTILINE),
    re.compile(r"(?<![a-zA-Z0-9])_+|_+(?![a-zA-Z0-9])"),
    re.compile(r"[\u2300-\u2bff\ufe0f\U0001f000-\U0001faff]"),  # emoji and other signs
)
_INVISIBLE = re.compile(r"[\u200b-\u200f\u2060\ufeff]")


def without_reasoning(text: str) -> str:
    """The reply after its reasoning blocks, in compatibility form (full-width letters become plain ones)."""
    text = unicodedata.normalize("NFKC", text).replace("’", "'").replace("‘", "'")
    text = _INVISIBLE.sub("", text).replace("◁", "<").replace("▷", ">")
    for pattern in _REASONING:
        text = pattern.sub("", text)
    return text


def without_markup(text: str) -> str:
    """The reply's words: no Markdown, LaTeX, HTML or quotation marks; what is tagged as answer says so."""
    for pattern in _ANSWER_TAGS:
        text = pattern.sub(r"\nAnswer: \1\n", text)
    text = _STRESSED_LETTER.sub(r"(\2) ", _LATEX_FONT.sub(r"\1", text))
    for pattern in _MARKUP:
        text = pattern.sub("", text)
    return text.strip()
