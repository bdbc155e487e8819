"""Load a CLIP-family or text-only model of sentence-transformers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mmad_rag.encoders.fingerprint import fingerprint, text_digest
from mmad_rag.encoders.hub import quick_hub
from mmad_rag.encoders.open_clip_text import refuse_too_long
from mmad_rag.encoders.protocol import Encoder
from mmad_rag.encoders.repair import import_torchvision
from mmad_rag.encoders.spec import EncoderSpec
from mmad_rag.encoders.vectors import unit_vectors
from mmad_rag.errors import EncoderError
from mmad_rag.files import first_line
from mmad_rag.images import to_rgb
from mmad_rag.records import EncodedImage, FloatArray, JsonValue

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

_POOLING = "sentence_transformers/1"
_UNLIMITED = 1_000_000  # tokens; models without a position table take any length


class SentenceTransformerTowers:
    """The towers of one sentence-transformers model."""

    def __init__(self, model: SentenceTransformer, *, dim: int, batch_size: int) -> None:
        self._model = model
        self._dim = dim
        self._batch_size = batch_size
        self.takes_images = "image" in model.modalities
        self._prompt = str(model.prompts.get(model.default_prompt_name) or "")
        longest = model.get_max_seq_length()
        self.context = int(longest) if longest is not None and longest < _UNLIMITED else _UNLIMITED

    def encode_images(self, images: Sequence[EncodedImage]) -> FloatArray:
        """Embed images with the model's own preprocessing: (len(images), dim)."""
        return unit_vectors(
            images,
            lambda batch: self._embed([{"image": to_rgb(image)} for image in batch]),
            dim=self._dim,
            batch_size=self._batch_size,
        )

    def encode_texts(self, texts: Sequence[str]) -> FloatArray:
        """Embed texts: (len(texts), dim).

        Raises:
            EncoderError: a text has more tokens than the context.
        """
        for text in texts:
            refuse_too_long(text, self.count_tokens(text), self.context)
        return unit_vectors(texts, self._text_batch, dim=self._dim, batch_size=self._batch_size)

    def count_tokens(self, text: str) -> int:
        """Tokens with start and end marks and the model's own prompt, before any cutting."""
        tokenizer = self._model.tokenizer
        if not callable(tokenizer):  # a bare tokenizer of the tokenizers library: word vectors
            return len(tokenizer.encode(self._prompt + text, add_special_tokens=False).ids)
        return len(tokenizer(self._prompt + text, truncation=False, verbose=False).input_ids)

    def _text_batch(self, texts: Sequence[str]) -> torch.Tensor:
        # Where images are taken too, a bare string that looks like an address would be fetched as one.
        if self.takes_images:
            return self._embed([{"text": text} for text in texts])
        return self._embed(list(texts))

    def _embed(self, inputs: Sequence[Any]) -> torch.Tensor:
        embedded: torch.Tensor = self._model.encode(
            inputs, batch_size=len(inputs), show_progress_bar=False, convert_to_tensor=True
        )
        return embedded


def load(spec: EncoderSpec, *, device: str, batch_size: int) -> Encoder:
    """Load `NAME` from the hub, or `@FOLDER`; models that take images get both towers.

    Raises:
        EncoderError: the folder is missing or holds no model, or the download failed.
    """
    import_torchvision()
    model = _open(spec, device).float().eval()
    # A text that spells out an end mark would end there for the model; it is taken letter by letter.
    if hasattr(model.tokenizer, "split_special_tokens"):
        model.tokenizer.split_special_tokens = True
    try:
        dim = len(model.encode("a", show_progress_bar=False))
    except Exception as error:  # a broken model fails anywhere inside
        reason = first_line(error)
        raise EncoderError(
            f"the model of {spec.text} cannot embed a text ({reason}); give a text or CLIP-family model"
        ) from error
    towers = SentenceTransformerTowers(model, dim=dim, batch_size=batch_size)
    images = towers if towers.takes_images else None
    return Encoder(spec.text, fingerprint(model, _describe(model)), dim, images, towers, towers.context)


def _open(spec: EncoderSpec, device: str) -> SentenceTransformer:
    """The model, without running any code that lies beside it."""
    if spec.path is not None and not spec.path.is_dir():
        raise EncoderError(f"there is no model folder at {spec.path}; check the path behind the @")
    from sentence_transformers import SentenceTransformer

    try:
        with quick_hub() if spec.path is None else _without_bars():
            return SentenceTransformer(
                spec.name if spec.path is None else str(spec.path),
                device=device,
                trust_remote_code=False,
                local_files_only=spec.path is not None,
            )
    except Exception as error:  # the library and the hub's client raise many kinds
        reason = first_line(error)
        advice = (
            "a download needs a network: connect, or give a local folder as sentence_transformers:@FOLDER"
            if spec.path is None
            else "give a folder that was written by SentenceTransformer.save()"
        )
        raise EncoderError(f"the model of {spec.text} could not be loaded ({reason}); {advice}") from error


@contextmanager
def _without_bars() -> Iterator[None]:
    """Keep transformers from drawing a bar where nothing is downloaded."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _describe(model: SentenceTransformer) -> JsonValue:
    """Everything beside the tensors that can change a vector; nothing that names a path or a version."""
    passing = ("_name_or_path", "transformers_version", "dtype", "torch_dtype")
    inner = model.transformers_model
    config = {} if inner is None else inner.config.to_dict()
    processor = getattr(getattr(model, "processor", None), "image_processor", None)
    backend = getattr(model.tokenizer, "backend_tokenizer", model.tokenizer)
    return {
        "pooling": _POOLING,
        "modules": [f"{type(module).__name__} {_options(module)}" for module in model],
        "architecture": repr(sorted((key, value) for key, value in config.items() if key not in passing)),
        "preprocess": "" if processor is None else processor.to_json_string(),
        "tokenizer": text_digest(backend.to_str() if hasattr(backend, "to_str") else repr(backend)),
        "prompts": dict(model.prompts),
    }


def _options(module: torch.nn.Module) -> str:
    options = module.get_config_dict() if hasattr(module, "get_config_dict") else {}
    return repr(sorted(options.items(), key=lambda item: item[0]))
