"""Remove the reasoning of a reply, whether the marks around it are whole or cut."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

_CORE = (
    r"(?:think(?:ing)?|thoughts?|reason(?:ing|s)?|rationale|reflect(?:ion|ing)?|scratch[ _-]?pad|analysis"
    r"|caption|cot|monologue|deliberat(?:ion|ing)|brainstorm(?:ing)?)"
)
_NAME = (
    r"(?:[a-z]\w{0,19}:)?(?!no[_-]|final[_-])(?:(?:[a-z]{1,12}[_-]){0,3}|ant)"
    rf"{_CORE}(?:[_-][a-z]{{1,12}})?"
)
"""The name of a reasoning block: `think`, `seed:think`, `inner_monologue`, `thinking_process`."""
_GAP = "[ _▁-]"
_FROM, _UPTO = (rf"(?:{words}){_GAP}(?:of{_GAP})?" for words in ("start|begin", "end|stop"))
_LEFT, _RIGHT = r"(?:<\|?|\[)", r"(?:\|?>|\])"
_CHANNEL = r"<\|?channel\|?>\s*"
_CHANNEL_END = r"\b(?:[^<>\n]|<\|constrain\|>){0,200}(?:<\|?message\|?>|\n|\Z)"
_FINAL = (
    rf"{_LEFT}{_FROM}(?:final{_GAP})?(?:response|solution|answer){_RIGHT}|<\|content\|>"
    rf"|{_CHANNEL}(?:final|response|answer|content){_CHANNEL_END}|(?<=assistant)(?-i:final(?=[\W_]|[A-Z]))"
)
_CLOSE = (
    rf"{_LEFT}{_UPTO}{_CORE}{_RIGHT}|{_LEFT}{_CORE}{_GAP}(?:end|stop){_RIGHT}"
    r"|<unused95>|<channel\|>|\.\.\.done thinking\b\.?"
)
_OPEN = (
    rf"{_LEFT}{_FROM}{_CORE}{_RIGHT}|{_LEFT}{_CORE}{_GAP}(?:start|begin){_RIGHT}"
    r"|<unused94>(?:thought\b)?|\A\s*thought\n|\A\s*Thinking\.\.\.[ \t]*\n"
)
_MARK = re.compile(
    rf"(?P<final>{_FINAL})|(?P<close>{_CLOSE})|(?P<open>{_OPEN})"
    rf"|(?P<channel>{_CHANNEL}\w+{_CHANNEL_END}|<\|channel\|?>|\A(?-i:analysis(?=[A-Z])))"
    r"|(?P<turn><\|(?:end|start|return|begin)\|>)"
    r"|(?P<fold><details\b[^<>]{0,200}\breasoning\b[^<>]{0,200}>)|(?P<unfold></details>)"
    r"|(?P<summary><summary>)|(?P<summed></summary>)|(?P<conclusion><conclusion>)"
    rf"|(?:<\|?\s?|\[)(?P<shut>/?)\|?(?P<name>{_NAME})(?:\s[^<>\[\]]{{0,200}})?{_RIGHT}",
    re.IGNORECASE,
)
"""Everything that opens or closes reasoning, or opens the final response."""
_STAGES = re.compile(r"<(?:caption|reasoning|conclusion)>|(?-i:<SUMMARY>)", re.IGNORECASE)
_CLOSED_BRACKET = re.compile(r"\[/(\w{1,40})\]")
_THOUGHT_HEADING = re.compile(r"here(?:'s|\s+is)\s+my\s+thought\s+process\s*:", re.IGNORECASE)
_RESPONSE_HEADING = re.compile(r"here(?:'s|\s+is)\s+my\s+response\s*:", re.IGNORECASE)
_CUT_MARK = re.compile(r"<(?:\||/)[\w:/▁]{0,40}\|?\Z")
_INVISIBLE = re.compile(r"[\u200b-\u200f\u2060\ufeff]")
_KINDS = {"think": re.compile("think|thought"), "reason": re.compile("reason|rationale")}
"""Kinds of tags whose names go with each other: `<think>` may be closed by `</thinking>`."""


@dataclass(frozen=True, slots=True)
class _Mark:
    """One mark of reasoning."""

    does: Literal["open", "close", "close an open block", "answer"]
    """What it does; `answer` ends all reasoning, opened or not."""
    kinds: frozenset[str]
    """The one kind of block that it opens, or the kinds that it closes."""


_MARKS = {
    "final": _Mark("answer", frozenset()),
    "open": _Mark("open", frozenset(("token",))),
    "close": _Mark("close", frozenset(("token", "channel", *_KINDS))),
    "channel": _Mark("open", frozenset(("channel",))),
    "turn": _Mark("close an open block", frozenset(("token", "channel"))),
    "fold": _Mark("open", frozenset(("fold",))),
    "unfold": _Mark("close an open block", frozenset(("fold",))),
    "summary": _Mark("open", frozenset(("summary",))),
    "summed": _Mark("close an open block", frozenset(("summary",))),
    "conclusion": _Mark("close an open block", frozenset(("summary", "caption", "reason"))),
}
"""What each mark without a name does."""


def without_reasoning(text: str) -> str:
    """The reply without its reasoning, in compatibility form (full-width letters become plain ones).

    The marks are those of chat templates and of prompts that ask for reasons: tags (`<think>`,
    `<seed:think>`, `<reflection>`, `◁think▷`, `[THINK]`), tokens (`<|START_THINKING|>`,
    `<|begin_of_thought|>`, `<unused94>thought`), channels (`<|channel|>analysis<|message|>`,
    `<|channel>thought`), the stages of LLaVA-CoT and the headings of Granite. Reasoning that was not closed
    ends with the reply. A mark that only closes says that the chat template opened the reasoning; what opens
    the final response ends all of it.
    """
    text = unicodedata.normalize("NFKC", text).replace("’", "'").replace("‘", "'")
    text = _INVISIBLE.sub("", text).replace("◁", "<").replace("▷", ">")
    text = text.replace("&lt;", "<").replace("&gt;", ">").replace("\r\n", "\n").replace("\r", "\n")
    text = _CUT_MARK.sub("", text)
    if (thought := _THOUGHT_HEADING.search(text)) and (
        after := _RESPONSE_HEADING.search(text, thought.end())
    ):
        text = text[after.end() :]
    staged = _STAGES.search(text) is not None
    bracketed = {"think", *(name.casefold() for name in _CLOSED_BRACKET.findall(text))}
    kept: list[str] = []
    position, within = 0, ""
    for found in _MARK.finditer(text):
        mark = _mark(found, staged=staged, bracketed=bracketed)
        if mark is None:
            continue
        if mark.does == "open":
            if within:
                continue
            kept.append(text[position : found.start()])
            (within,) = mark.kinds
        elif mark.does == "answer" or (not within and mark.does == "close"):
            kept, within = [], ""  # for a close, the chat template opened the block
        elif within in mark.kinds:
            within = ""
        else:
            continue
        position = found.end()
    return "".join(kept) if within else "".join(kept) + text[position:]


def _mark(found: re.Match[str], *, staged: bool, bracketed: set[str]) -> _Mark | None:
    """What a mark does, or None if it belongs to the reply.

    Args:
        found: The mark.
        staged: Whether the reply has the stages of LLaVA-CoT, so that `<summary>` is one of them.
        bracketed: Names that stand for blocks in square brackets; `[Analysis]` is a heading elsewhere.
    """
    if not found["name"]:
        return None if found["summary"] and not staged else _MARKS[found.lastgroup or ""]
    name = found["name"].casefold()
    if found[0].startswith("[") and name not in bracketed:
        return None
    kind = next((kind for kind, words in _KINDS.items() if words.search(name)), name)
    if found["shut"]:
        return _Mark("close", frozenset((kind, "token") if kind == "think" else (kind,)))
    return _Mark("open", frozenset(("token" if "|" in found[0] else kind,)))
