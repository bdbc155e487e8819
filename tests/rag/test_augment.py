"""Knowledge is added to messages of OpenAI's kind, or the messages stay as they are."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from pydantic import BaseModel

from mmad_rag import RagWrapper
from mmad_rag.errors import ImageError, InputError
from tests.rag.conversations import BLUE, QUESTION, RED, Watched, block_of, image, text, url_of, user


def test_knowledge_stands_first_in_the_message_with_the_picture(rag: RagWrapper) -> None:
    messages = [{"role": "system", "content": "Be brief."}, user(text(QUESTION), image(RED))]
    before = copy.deepcopy(messages)
    augmented = rag.augment(messages)
    block = block_of(rag, QUESTION, RED)
    assert augmented == [before[0], user(text(f"{block}\n\n"), text(QUESTION), image(RED))]
    assert "red disc" in augmented[1]["content"][0]["text"]
    assert messages == before


def test_what_was_looked_up_is_told(rag: RagWrapper) -> None:
    addition = rag.consult([user(image(RED), text(QUESTION))])
    assert (addition.added, addition.note) == (True, "")
    assert addition.knowledge is not None
    assert addition.knowledge.route.products == ("red_disc",)


def test_of_several_pictures_the_last_of_the_last_message_with_one_counts(
    rag: RagWrapper, watched: Watched
) -> None:
    messages = [
        user(image(RED), image(RED)),
        {"role": "assistant", "content": "Two red discs."},
        user(text("Normal ones:"), image(RED), image(RED), text("The query:"), image(BLUE)),
    ]
    augmented = rag.augment(messages)
    assert watched.asked == [("Normal ones:\nThe query:", "blue_bar")]
    assert augmented[:2] == messages[:2]
    assert augmented[2]["content"][1:] == messages[2]["content"]
    assert "blue bar" in augmented[2]["content"][0]["text"]


def test_a_later_question_selects_but_the_knowledge_stays_with_the_picture(
    rag: RagWrapper, watched: Watched
) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "zoom", "arguments": "{}"}}
    messages = [
        user(image(RED), text(QUESTION)),
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "done"},
        {"role": "user", "content": "Why did it happen?"},
    ]
    augmented = rag.augment(messages)
    assert watched.asked == [("Why did it happen?", "red_disc")]
    assert augmented[1:] == messages[1:]
    assert augmented[0]["content"][0]["type"] == "text"


def test_options_are_not_shown_to_the_retriever(rag: RagWrapper, watched: Watched) -> None:
    rag.augment(
        [user(image(RED), text("Which defect?\nA. Crack.\n(B) Stain.\nC: None.\nAnswer with a letter."))]
    )
    rag.augment([user(image(RED), text("A. Miller asks: which defect?"))])
    assert [question for question, _ in watched.asked] == [
        "Which defect?\nAnswer with a letter.",
        "A. Miller asks: which defect?",
    ]


def test_a_picture_without_any_words_is_looked_up_too(rag: RagWrapper, watched: Watched) -> None:
    assert rag.consult([user(image(RED))]).added
    assert watched.asked == [("", "red_disc")]


def test_knowledge_is_not_added_twice(rag: RagWrapper, watched: Watched) -> None:
    once = rag.augment([user(image(RED), text(QUESTION))])
    twice = rag.consult(once)
    assert twice.messages == once
    assert twice.note == "the message with the image holds reference material already"
    assert len(watched.asked) == 1


class Message(BaseModel):
    role: str = "assistant"
    content: str = "An object that is not a mapping."


@pytest.mark.parametrize(
    ("messages", "note"),
    [
        ([], "no message of the user shows an image"),
        ([{"role": "user", "content": QUESTION}], "no message of the user shows an image"),
        ([{"role": "user", "content": None}, {"role": "user"}], "no message of the user shows an image"),
        ([Message(), user(text(QUESTION)), 7], "no message of the user shows an image"),
        ([{"role": "assistant", "content": [image(RED)]}], "no message of the user shows an image"),
        ([user(image("https://127.0.0.1/x.png"))], "the image at 'https://127.0.0.1/x.png' is not fetched"),
        ([user(image("/etc/hostname"))], "the image at '/etc/hostname' is not fetched"),
        ([user(image(RED), image("file:///x.png"))], "the image at 'file:///x.png' is not fetched"),
        ([user({"type": "input_image", "file_id": "f-1"})], "the image is a file at the provider"),
        ([user({"type": "image_url"})], "the image is a file at the provider"),
        ([user(image(url_of((200, 190, 30))), text("x"))], "nothing is known about what the image shows"),
    ],
)
def test_what_stays_as_it_came_says_why(rag: RagWrapper, messages: list[Any], note: str) -> None:
    addition = rag.consult(messages)
    assert addition.messages == messages
    assert addition.note.startswith(note)
    assert not addition.added
    assert (addition.knowledge is not None) == note.startswith("nothing is known")


@pytest.mark.parametrize("url", ["data:image/png;base64,@@@", "data:image/png,x", "DATA:;base64,aGVsbG8="])
def test_a_broken_data_url_is_an_error(rag: RagWrapper, url: str) -> None:
    with pytest.raises(ImageError):
        rag.augment([user(image(url), text(QUESTION))])


def test_a_picture_part_may_hold_its_url_itself(rag: RagWrapper) -> None:
    """Some servers take it so in chat completions."""
    assert rag.consult([user({"type": "image_url", "image_url": RED})]).added


@pytest.mark.parametrize("messages", ["hello", {"role": "user"}, None])
def test_what_is_no_list_of_messages_is_refused(rag: RagWrapper, messages: Any) -> None:  # noqa: ANN401
    with pytest.raises(InputError, match="is not a list of messages"):
        rag.augment(messages)
