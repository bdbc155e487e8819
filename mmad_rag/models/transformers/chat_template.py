"""A prompt written out by a checkpoint's own chat template."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from mmad_rag.errors import ModelActionError
from mmad_rag.files import first_line
from mmad_rag.prompt import RenderedPrompt, TextPart, joined_texts
from mmad_rag.records import EncodedImage, MediaType

_Message: TypeAlias = dict[str, Any]
_PROBE_SYSTEM = "Instruction seven"
_PROBE_USER = "Question eleven"
_PROBE_IMAGE = EncodedImage(b"", MediaType.PNG, 1, 1, "", "probe")
_REPRESENTATION = re.compile(r"['\"]type['\"]:")
"""A template that expects a string writes a list of parts down as Python shows it."""


class SystemForm(StrEnum):
    """How the instruction reaches a template."""

    PARTS = "parts"
    """A system message whose content is a list, as the user's is."""
    TEXT = "text"
    """A system message whose content is a string."""
    FOLDED = "folded"
    """At the head of the user's turn: the template refuses a system message, or drops it."""


@dataclass(frozen=True, slots=True)
class ChatLayout:
    """Turns prompts to text; get one with `find_layout`."""

    processor: Any
    """The checkpoint's processor, or its tokenizer where only that has a template."""
    form: SystemForm
    """How the instruction is handed over."""
    marks: re.Pattern[str]
    """The tokenizer's special tokens, which a text must not contain."""

    def write(self, rendered: RenderedPrompt) -> str:
        """The whole prompt as text, with the template's mark in the place of every image.

        Special tokens inside the texts get a space after their first character: notes cannot end the user's
        turn, and no text can pose as an image. Templates decide where images stand; some put them first.
        """
        return _apply(self.processor, self._messages(rendered))

    def _messages(self, rendered: RenderedPrompt) -> list[_Message]:
        return _messages(rendered, self.form, self.marks)


def find_layout(processor: Any, name: str) -> ChatLayout:  # noqa: ANN401 - transformers has a class per model
    """The first form of the instruction that the template writes out in full.

    Args:
        processor: of a checkpoint, with its tokenizer.
        name: of the checkpoint, for messages.

    Raises:
        ModelActionError: there is no template, or it leaves out texts or images.
    """
    tokenizer = processor.tokenizer
    speaker = processor if getattr(processor, "chat_template", None) else tokenizer
    if not getattr(speaker, "chat_template", None):
        raise ModelActionError(
            f"{name} has no chat template, so it does not say how questions are put to it; "
            "take an instruction-tuned checkpoint (often named -Instruct, -it or -chat), or add its "
            "chat_template.jinja"
        )
    marks = special_marks(tokenizer)
    problem = ""
    for form in SystemForm:
        try:
            text, blind = (_probe(speaker, form, marks, images=images) for images in (True, False))
        except Exception as error:  # templates are programs: they raise what they like
            problem = first_line(error)
            continue
        whole = all(_PROBE_SYSTEM in one and _PROBE_USER in one for one in (text, blind))
        if not whole or _REPRESENTATION.search(text):
            problem = "it leaves out texts"
        elif text == blind:
            problem = "it has no place for images"
        else:
            return ChatLayout(speaker, form, marks)
    raise ModelActionError(
        f"the chat template of {name} cannot be used ({problem}); take a checkpoint that is tuned for chats "
        "with images, or mend its chat_template.jinja"
    )


def special_marks(tokenizer: Any) -> re.Pattern[str]:  # noqa: ANN401 - as above
    """Finds every special token of two characters or more."""
    added = getattr(tokenizer, "added_tokens_decoder", {})
    special = {str(token) for token in added.values() if getattr(token, "special", False)}
    special.update(str(token) for token in tokenizer.all_special_tokens)
    longest_first = sorted((mark for mark in special if len(mark) > 1), key=lambda mark: (-len(mark), mark))
    return re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")


def _probe(speaker: Any, form: SystemForm, marks: re.Pattern[str], *, images: bool) -> str:  # noqa: ANN401
    """Both probes with an image between them, or with the same two texts and none."""
    messages = _messages(RenderedPrompt(_PROBE_SYSTEM, (_PROBE_IMAGE, TextPart(_PROBE_USER))), form, marks)
    if not images:
        messages[-1]["content"] = [part for part in messages[-1]["content"] if part["type"] == "text"]
    return _apply(speaker, messages)


def _messages(rendered: RenderedPrompt, form: SystemForm, marks: re.Pattern[str]) -> list[_Message]:
    """Texts in a row are one part, see `joined_texts`."""
    system = _tame(rendered.system, marks)
    parts = rendered.parts
    if form is SystemForm.FOLDED:
        parts = (TextPart(rendered.system), *parts)
    content: list[_Message] = [
        {"type": "text", "text": _tame(part.text, marks)} if isinstance(part, TextPart) else {"type": "image"}
        for part in joined_texts(parts)
    ]
    user = {"role": "user", "content": content}
    if form is SystemForm.FOLDED:
        return [user]
    said = system if form is SystemForm.TEXT else [{"type": "text", "text": system}]
    return [{"role": "system", "content": said}, user]


def _tame(text: str, marks: re.Pattern[str]) -> str:
    return marks.sub(lambda found: f"{found[0][0]} {found[0][1:]}", text)


def _apply(speaker: Any, messages: list[_Message]) -> str:  # noqa: ANN401 - as above
    return str(speaker.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
