"""What the options of a model make of a request: fields, headers, and the images as they are sent."""

from __future__ import annotations

import asyncio
import base64
import io
import math
from typing import Any

import openai
import pytest
from PIL import Image

from mmad_rag import ClipRetriever, KnowledgeIndex, RagWrapper
from mmad_rag.encoders.protocol import Encoder
from mmad_rag.errors import ImageError, InputError, ModelActionError
from mmad_rag.fields import Field
from mmad_rag.images import open_image
from mmad_rag.models import ModelOptions, load_model
from mmad_rag.models.openai.client import ClientModel
from mmad_rag.models.openai.request import SentImages
from mmad_rag.records import Hit, Knowledge, MediaType, Passage, Prompt, Route, RouteOutcome
from tests.support.servers.openai_asking import KEY, picture, prompt
from tests.support.servers.openai_server import OpenAIServer, Request, fails, replies


def encoded(kind: str, size: tuple[int, int] = (60, 30), mode: str = "RGB", **more: Any) -> bytes:  # noqa: ANN401
    buffer = io.BytesIO()
    Image.new(mode, size, **more).save(buffer, format=kind)
    return buffer.getvalue()


def sent(server: OpenAIServer, picture: bytes | None = None, **options: Any) -> Request:  # noqa: ANN401
    """The request that a question with these options makes."""
    shown = prompt() if picture is None else Prompt("What is this?", image=open_image(picture))
    model = load_model("openai:m", ModelOptions(base_url=server.url, api_key=KEY, **options))
    asyncio.run(model.answer(shown))
    return server.requests[-1]


def image_of(request: Request) -> tuple[str, bytes, Image.Image]:
    """Media type as it is named, bytes, and the image that they hold."""
    (url,) = request.image_urls()
    head, _, data = url.partition(",")
    raw = base64.b64decode(data)
    return head.removeprefix("data:").removesuffix(";base64"), raw, Image.open(io.BytesIO(raw))


# Fields


def test_a_reasoning_model_is_sent_what_it_wants_and_nothing_it_refuses(openai_server: OpenAIServer) -> None:
    request = sent(openai_server, temperature=None, max_completion_tokens=4096, reasoning_effort="low")
    assert {name: value for name, value in request.body.items() if name != "messages"} == {
        "model": "m",
        "max_completion_tokens": 4096,
        "reasoning_effort": "low",
    }


def test_fields_that_one_endpoint_knows_are_laid_into_the_body(openai_server: OpenAIServer) -> None:
    extra = {"top_k": 1, "chat_template_kwargs": {"enable_thinking": False}}
    body = sent(openai_server, extra_body=extra).body
    assert (body["top_k"], body["chat_template_kwargs"]) == (1, {"enable_thinking": False})
    assert body["temperature"] == 0.0


@pytest.mark.parametrize("name", ["model", "messages", "stream", "n"])
def test_what_is_asked_cannot_be_changed_by_a_further_field(name: str) -> None:
    with pytest.raises(InputError, match=f"extra_body sets {name}, which the question decides"):
        ModelOptions(extra_body={name: 1, "top_k": 1})


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"api_key": "sk-1"}, "extra_body holds api_key, and it is written into runs"),
        ({"deep": [{"X-Authorization": "Bearer"}]}, "extra_body holds X-Authorization"),
        ({"x": float("nan")}, "extra_body holds what JSON cannot"),
        ({"x": object()}, "extra_body holds what JSON cannot"),
        ([1], "extra_body is a list"),
    ],
)
def test_further_fields_hold_neither_keys_nor_what_no_json_can_hold(extra: Any, message: str) -> None:  # noqa: ANN401
    with pytest.raises(InputError, match=message):
        ModelOptions(extra_body=extra)
    assert ModelOptions(extra_body={"prompt_cache_key": "line 7", "max_tokens_to_think": 3}).extra_body


def test_organization_and_project_are_headers(openai_server: OpenAIServer) -> None:
    headers = sent(openai_server, organization="org-1", project="proj-2").headers
    assert (headers["openai-organization"], headers["openai-project"]) == ("org-1", "proj-2")
    assert "openai-organization" not in sent(openai_server).headers


def test_headers_of_a_gateway_come_from_the_environment_and_are_hidden(
    openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "api-key: Bearer secret-of-azure\nx-line: 7")
    headers = sent(openai_server).headers
    assert (headers["api-key"], headers["x-line"]) == ("Bearer secret-of-azure", "7")
    openai_server.script(fails(401, "wrong secret-of-azure on line 7"))
    with pytest.raises(ModelActionError, match=r"wrong \[hidden\] on line 7"):
        sent(openai_server)


@pytest.mark.parametrize("detail", ["auto", "low", "high"])
def test_detail_stands_beside_every_picture(openai_server: OpenAIServer, detail: str) -> None:
    content = sent(openai_server, detail=detail).body["messages"][-1]["content"]
    pictures = [part["image_url"] for part in content if part["type"] == "image_url"]
    assert [picture["detail"] for picture in pictures] == [detail]
    content = sent(openai_server).body["messages"][-1]["content"]
    assert [list(part["image_url"]) for part in content if part["type"] == "image_url"] == [["url"]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"detail": "huge"}, "detail is huge; give one of auto, low, high"),
        ({"image_format": "gif"}, "image_format is gif; give one of jpeg, png, webp"),
        ({"image_format": "image/tiff"}, "image_format is image/tiff; give one of jpeg, png, webp"),
        ({"image_size": 0}, "image_size is 0; give a number of at least 1"),
        ({"image_quality": 0}, "image_quality is 0; give a number from 1 to 100"),
        ({"image_quality": 101}, "image_quality is 101; give a number from 1 to 100"),
        ({"temperature": math.inf}, "temperature is inf"),
        ({"organization": "Müller"}, "organization is 'Müller', which no header can hold"),
    ],
)
def test_options_outside_their_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ModelOptions(**options)


def test_texts_in_a_row_are_one_part_with_an_empty_line_between(openai_server: OpenAIServer) -> None:
    """Most chat templates put nothing between parts: the question would begin inside the knowledge's line."""
    passage = Passage("nut/normal/appearance/0", "nut", "normal", Field.APPEARANCE, "Normal state", "Round.")
    route = Route(RouteOutcome.PRODUCT, (), ("nut",), 1.0)
    knowledge = Knowledge(route, (Hit(passage, 1.0),), "index")
    shown = Prompt("What is this?", image=None, knowledge=knowledge)
    model = load_model("openai:m", ModelOptions(base_url=openai_server.url, api_key=KEY))
    asyncio.run(model.answer(shown))
    (text,) = openai_server.requests[-1].texts()
    assert text.startswith("<reference_material>\n")
    assert text.count("\n</reference_material>\n\n") == 1
    assert "\n\nQuestion: What is this?\n" in text


def test_without_a_system_role_the_instruction_comes_first(openai_server: OpenAIServer) -> None:
    system, with_role = sent(openai_server).body["messages"]
    (without,) = sent(openai_server, system_role=False).body["messages"]
    assert without["role"] == "user"
    first, *rest = with_role["content"]
    joined = {"type": "text", "text": f"{system['content']}\n\n{first['text']}"}
    assert without["content"] == [joined, *rest]


# Images


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_without_options_a_picture_is_sent_byte_for_byte(openai_server: OpenAIServer, kind: str) -> None:
    data = encoded(kind)
    media_type, raw, _ = image_of(sent(openai_server, data))
    assert (media_type, raw) == (f"image/{kind.lower()}", data)


@pytest.mark.parametrize("source", ["PNG", "JPEG", "WEBP", "GIF"])
@pytest.mark.parametrize("wanted", ["png", "jpeg", "webp"])
def test_a_format_is_what_the_bytes_are_and_what_they_are_called(
    openai_server: OpenAIServer, source: str, wanted: str
) -> None:
    data = encoded(source)
    media_type, raw, image = image_of(sent(openai_server, data, image_format=wanted))
    assert media_type == f"image/{wanted}"
    assert image.format == wanted.upper()
    assert image.size == (60, 30)
    assert (raw == data) == (source.lower() == wanted), "what is in that format already is not encoded anew"


@pytest.mark.parametrize(
    ("size", "shown"), [(30, (30, 15)), (59, (59, 30)), (60, (60, 30)), (4000, (60, 30))]
)
def test_a_picture_is_scaled_down_and_never_up(
    openai_server: OpenAIServer, size: int, shown: tuple[int, int]
) -> None:
    data = encoded("PNG")
    media_type, raw, image = image_of(sent(openai_server, data, image_size=size))
    assert (media_type, image.size) == ("image/png", shown)
    assert (raw == data) == (size >= 60)


@pytest.mark.parametrize(
    ("source", "kept"), [("JPEG", "JPEG"), ("WEBP", "WEBP"), ("PNG", "PNG"), ("GIF", "PNG")]
)
def test_a_scaled_picture_keeps_its_format_where_that_can_be_written(
    openai_server: OpenAIServer, source: str, kept: str
) -> None:
    media_type, _, image = image_of(sent(openai_server, encoded(source), image_size=20))
    assert (media_type, image.format, image.size) == (f"image/{kept.lower()}", kept, (20, 10))


def test_what_is_transparent_is_white_in_a_jpeg(openai_server: OpenAIServer) -> None:
    shown = Image.new("RGBA", (60, 30), (255, 0, 0, 255))
    shown.paste((255, 0, 0, 0), (0, 0, 16, 16))
    buffer = io.BytesIO()
    shown.save(buffer, format="PNG")
    _, _, image = image_of(sent(openai_server, buffer.getvalue(), image_format="jpeg"))
    assert image.getpixel((5, 5)) == (255, 255, 255)


def test_quality_is_that_of_the_bytes(openai_server: OpenAIServer) -> None:
    noise = Image.effect_noise((200, 200), 80)
    buffer = io.BytesIO()
    noise.save(buffer, format="PNG")
    sizes = [
        len(image_of(sent(openai_server, buffer.getvalue(), image_format="jpeg", image_quality=quality))[1])
        for quality in (30, 90)
    ]
    assert sizes[0] < sizes[1] / 2


@pytest.mark.parametrize(("size", "wanted"), [((16_384, 1), "webp"), ((65_536, 1), "jpeg")])
def test_a_picture_larger_than_its_new_format_can_hold_is_told(size: tuple[int, int], wanted: str) -> None:
    pictures = SentImages(ModelOptions(image_format=wanted))
    with pytest.raises(ImageError, match=rf"of {size[0]}x1 pixels cannot be written as image/{wanted}"):
        pictures.prepared(open_image(encoded("PNG", size=size)))
    smaller = SentImages(ModelOptions(image_format=wanted, image_size=1000))
    assert smaller.prepared(open_image(encoded("PNG", size=size))).width == 1000


def test_a_picture_that_is_shown_again_is_encoded_once() -> None:
    pictures = SentImages(ModelOptions(image_size=10))
    first = pictures.prepared(open_image(encoded("PNG")))
    assert pictures.prepared(open_image(encoded("PNG"))) is first
    assert (first.width, first.height, first.media_type) == (10, 5, MediaType.PNG)


# Identity


def test_everything_that_can_change_a_reply_is_in_the_identity() -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"temperature": 0.5},
        {"max_tokens": 9},
        {"max_completion_tokens": 9},
        {"reasoning_effort": "low"},
        {"seed": 1},
        {"logprobs": 5},
        {"detail": "low"},
        {"image_size": 512},
        {"image_format": "jpeg"},
        {"image_format": "jpeg", "image_quality": 50},
        {"extra_body": {"top_k": 1}},
        {"system_role": False},
    ]

    def identity(**options: Any) -> str:  # noqa: ANN401
        return load_model("openai:m", ModelOptions(base_url="http://host/v1", **options)).identity

    assert len({identity(**change) for change in changes}) == len(changes)
    same: list[dict[str, Any]] = [
        {"organization": "o", "project": "p", "api_key": "k", "timeout_s": 1.0, "deadline_s": 2.0},
        {"image_quality": 50},
        {"temperature": 0},
        {"extra_body": {}},
    ]
    assert {identity(**change) for change in same} == {identity()}
    assert identity() == "openai:m at host/v1, temperature=0.0, max_tokens=256"
    assert identity(extra_body={"b": 1, "a": [2]}).endswith(', extra_body={"a":[2],"b":1}')
    assert identity(image_format="png", image_quality=5) == identity(image_format="png")
    assert identity(image_format="image/jpeg") == identity(image_format="jpeg")


# Clients


def test_a_client_is_told_the_same_and_keeps_its_own_address(openai_server: OpenAIServer) -> None:
    openai_server.default = replies("B")
    options = ModelOptions(
        base_url="http://elsewhere/v1", api_key="other", temperature=None, max_tokens=5, detail="low", seed=4
    )
    with openai.OpenAI(api_key=KEY, base_url=openai_server.url) as client:
        model = ClientModel(client, "m", options)
        asyncio.run(model.answer(Prompt("What is this?", image=picture(b"x", MediaType.PNG))))
    body = openai_server.requests[-1].body
    assert (body["max_tokens"], body["seed"], "temperature" in body) == (5, 4, False)
    shown = [part["image_url"] for part in body["messages"][-1]["content"] if part["type"] == "image_url"]
    assert [part["detail"] for part in shown] == ["low"]
    assert openai_server.requests[-1].headers["authorization"] == f"Bearer {KEY}"
    place = openai_server.url.removeprefix("http://")
    assert model.identity == f"openai:m at {place}, max_tokens=5, seed=4, detail=low"


def test_options_reach_the_model_of_a_wrapper_and_go_with_specs_and_clients_only(
    openai_server: OpenAIServer, index: KnowledgeIndex, encoder: Encoder
) -> None:
    retriever = ClipRetriever(index, encoder=encoder)
    options = ModelOptions(base_url=openai_server.url, reasoning_effort="high", temperature=None)
    rag = RagWrapper("openai:m", retriever=retriever, options=options)
    assert rag.model.identity.endswith("/v1, max_tokens=256, reasoning_effort=high")
    with pytest.raises(InputError, match="options go with a spec or an OpenAI client, and an object of type"):
        RagWrapper(lambda messages: "A", retriever=retriever, options=options)
