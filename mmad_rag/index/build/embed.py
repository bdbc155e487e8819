"""Turn keys, passages and reference images into unit vectors."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import numpy as np

from mmad_rag.encoders.protocol import Encoder, ImageTower, TextTower
from mmad_rag.errors import EncoderError
from mmad_rag.records import EncodedImage, FloatArray
from mmad_rag.words import is_foreign

Progress: TypeAlias = Callable[[str, int, int], None]
"""A function that is called with (stage, steps done, total steps)."""

KEY_TEMPLATES = (
    "a photo of a {}.",
    "a close-up photo of a {}.",
    "an industrial inspection photo of a {}.",
    "a photo of one {} seen by a machine vision camera.",
    "a photo of a normal {} without defects.",
)
"""The prompt ensemble of a key (Radford et al. 2021, section 3.1.4): one vector per key, their mean."""

LINE_TEMPLATES = ("{}",)
"""The template of one-line descriptions, which are embedded as they are."""

TEXTS_VERSION = 1
"""Version of splitting texts and joining their vectors; vectors of another version are not reused."""

_IMAGES_AT_ONCE = 32
_TEXTS_AT_ONCE = 256


def embed_keys(texts: Sequence[str], templates: Sequence[str], encoder: Encoder) -> FloatArray:
    """One vector per key, the mean over the templates: shape (n, d), unit length.

    Raises:
        EncoderError: a key with its template is longer than the encoder's context. A key beyond the Latin
            alphabet, of which an encoder makes a token per letter or more, is split instead.
    """
    tower = _text_tower(encoder)
    filled = [template.format(text) for text in texts for template in templates]
    split = False
    for text in filled:
        if encoder.context is not None and tower.count_tokens(text) > encoder.context:
            if not is_foreign(text):
                raise EncoderError(
                    f"the visual key {text!r} is longer than {encoder.context} tokens; shorten it"
                )
            split = True
    vectors = embed_texts(filled, encoder) if split else tower.encode_texts(filled)
    return unit(vectors.reshape(len(texts), len(templates), encoder.dim).mean(axis=1))


def embed_texts(texts: Sequence[str], encoder: Encoder, progress: Progress | None = None) -> FloatArray:
    """One vector per text of any length: the mean of the vectors of pieces that fit the context.

    Returns:
        Vectors of shape (n, d), unit length. No text is truncated: its pieces hold all its words.
    """
    tower = _text_tower(encoder)
    split = [fitting_pieces(text, tower, encoder.context) for text in texts]
    pieces = [piece for parts_of_text in split for piece in parts_of_text]
    parts: list[FloatArray] = []
    for start in range(0, len(pieces), _TEXTS_AT_ONCE):
        parts.append(tower.encode_texts(pieces[start : start + _TEXTS_AT_ONCE]))
        if progress:
            progress("embedding passages", min(start + _TEXTS_AT_ONCE, len(pieces)), len(pieces))
    if not parts:
        return np.empty((0, encoder.dim), np.float32)
    owner = np.repeat(np.arange(len(texts)), [len(parts_of_text) for parts_of_text in split])
    sums = np.zeros((len(texts), encoder.dim), np.float32)
    np.add.at(sums, owner, np.concatenate(parts))
    return unit(sums)


def embed_images(
    images: Iterator[EncodedImage], count: int, tower: ImageTower, dim: int, progress: Progress | None = None
) -> FloatArray:
    """One vector per image, shape (count, d), unit length; a few images are opened at a time."""
    vectors = np.empty((count, dim), np.float32)
    done = 0
    while done < count:
        batch = [next(images) for _ in range(min(_IMAGES_AT_ONCE, count - done))]
        vectors[done : done + len(batch)] = tower.encode_images(batch)
        done += len(batch)
        if progress:
            progress("embedding references", done, count)
    return vectors


def fitting_pieces(text: str, tower: TextTower, context: int | None) -> list[str]:
    """Split `text` at word boundaries into pieces of at most `context` tokens that together hold every word.

    A run of letters beyond ASCII, which may be a whole paragraph where a script has no spaces, is split
    between letters.

    Raises:
        EncoderError: a single word is longer than the context.
    """
    if context is None or tower.count_tokens(text) <= context:
        return [text]
    words = text.split()
    if len(words) >= 2:
        middle = len(words) // 2
        halves = " ".join(words[:middle]), " ".join(words[middle:])
    elif words and (place := _between_letters(words[0])):
        halves = words[0][:place], words[0][place:]
    else:
        raise EncoderError(f"the word {text[:40]!r} alone is longer than {context} tokens; shorten it")
    return [piece for half in halves for piece in fitting_pieces(half, tower, context)]


def _between_letters(word: str) -> int:
    """A place near the middle of a word where no letter is parted from its marks; 0 if there is none, or if
    the word is of plain letters."""
    places = range(1, len(word)) if not word.isascii() else ()
    free = [place for place in places if not unicodedata.category(word[place]).startswith("M")]
    return min(free, key=lambda place: abs(2 * place - len(word)), default=0)


def unit(vectors: FloatArray) -> FloatArray:
    """Scale rows to unit length; a zero row stays zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: FloatArray = (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)
    return scaled


def _text_tower(encoder: Encoder) -> TextTower:
    if encoder.texts is None:
        raise EncoderError(f"the encoder {encoder.spec} has no text tower; use it for reference images only")
    return encoder.texts
