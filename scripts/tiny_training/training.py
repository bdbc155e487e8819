"""The training loop."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import open_clip
import torch
import typer
from torch.nn import functional

from mmad_rag.knowledge import load_knowledge
from tiny_training.augment import augment
from tiny_training.captions import Caption, Captions
from tiny_training.images import Rendered
from tiny_training.losses import group_loss, image_text_loss

_PER_PRODUCT = 3  # images of one product in a batch
_DISTRACTORS = 12  # in a batch, each seen twice
_TEXT_ONLY = 10  # products that are not drawn, each with two captions
_ASKED_PRODUCTS, _ASKED_DEFECTS = 8, 4  # products whose defects are asked for, and how many of each
_RATE, _DECAY, _WARM_UP = 2.5e-3, 0.05, 40
_TEMPERATURE = 0.1
_MAX_SCALE = 100.0


@dataclass(frozen=True, slots=True)
class _Batch:
    pixels: torch.Tensor
    groups: torch.Tensor
    """A number per image: its product, or its distractor."""
    labels: list[str]
    tokens: torch.Tensor
    text_groups: torch.Tensor
    text_labels: list[str | None]
    entry_tokens: torch.Tensor
    """Questions for defects, then a sentence about each in the same order."""
    entry_groups: torch.Tensor


class _Batches:
    """Draws balanced batches with fresh augmentation and captions."""

    def __init__(
        self,
        rendered: Rendered,
        captions: Captions,
        tokenizer: open_clip.SimpleTokenizer,
        size: int,
        rng: np.random.Generator,
    ) -> None:
        self._rendered = rendered
        self._captions = captions
        self._tokenizer = tokenizer
        self._size = size
        self._rng = rng
        names = np.array(rendered.products)
        drawn = [name for name in captions.products if name in set(rendered.products)]
        self._by_product = {name: np.flatnonzero(names == name) for name in drawn}
        self._distractors = np.flatnonzero(~np.isin(names, drawn))
        self._not_drawn = [name for name in captions.products if name not in self._by_product]
        every = (*captions.products, *(str(names[index]) for index in self._distractors))
        self._number = {name: number for number, name in enumerate(every)}

    def draw(self) -> _Batch:
        rng = self._rng
        own = [
            rng.choice(of_product, _PER_PRODUCT, replace=False) for of_product in self._by_product.values()
        ]
        shapes = rng.choice(self._distractors, _DISTRACTORS, replace=False)
        rows = np.concatenate([*own, shapes, shapes])
        labels = [self._rendered.labels[row] for row in rows]
        products = [self._rendered.products[row] for row in rows]
        texts = [self._caption(product, label) for product, label in zip(products, labels, strict=True)]
        texts = texts[: len(rows) - _DISTRACTORS]  # a distractor's two views share a caption
        others = rng.choice(self._not_drawn, min(_TEXT_ONLY, len(self._not_drawn)), replace=False)
        texts += [self._captions.draw(str(name), "good", rng) for name in (*others, *others)]
        asked, told = self._captions.entries(_ASKED_PRODUCTS, _ASKED_DEFECTS, rng)
        return _Batch(
            augment(self._rendered.images[rows], self._size, rng),
            self._numbers(products),
            labels,
            self._tokenizer([text.text for text in texts]),
            self._numbers([text.product for text in texts]),
            [text.label for text in texts],
            self._tokenizer([*asked, *told]),
            torch.arange(len(asked)).repeat(2),
        )

    def _caption(self, product: str, label: str) -> Caption:
        if product in self._by_product:
            return self._captions.draw(product, label, self._rng)
        return Caption(label, product, None)

    def _numbers(self, names: list[str]) -> torch.Tensor:
        return torch.tensor([self._number[name] for name in names])


def train(
    model: open_clip.CLIP,
    tokenizer: open_clip.SimpleTokenizer,
    rendered: Rendered,
    *,
    knowledge: Path,
    steps: int,
    rng: np.random.Generator,
) -> None:
    """Train in place; the model is left in evaluation mode."""
    captions = Captions(load_knowledge(knowledge))
    batches = _Batches(rendered, captions, tokenizer, int(model.visual.image_size), rng)
    decayed = [parameter for parameter in model.parameters() if parameter.ndim >= 2]
    plain = [parameter for parameter in model.parameters() if parameter.ndim < 2]
    groups = [{"params": decayed, "weight_decay": _DECAY}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=_RATE, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps))
    model.train()
    for step in range(steps):
        loss = _loss(model, batches.draw())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, np.log(_MAX_SCALE))
        if step % 50 == 0 or step == steps - 1:
            typer.echo(f"step {step}: loss {loss.item():.3f}, scale {model.logit_scale.exp().item():.1f}")
    model.eval()


def _loss(model: open_clip.CLIP, batch: _Batch) -> torch.Tensor:
    """Images with texts between products and within one, images with images, texts with texts."""
    seen = functional.normalize(model.encode_image(batch.pixels), dim=1)
    texts = _encode_text(model, torch.cat([batch.tokens, batch.entry_tokens]))
    read, entries = functional.normalize(texts, dim=1).split([len(batch.tokens), len(batch.entry_tokens)])
    same_product = batch.groups[:, None] == batch.text_groups[None, :]
    same_label = _equal(batch.labels, batch.text_labels)
    has_label = torch.tensor([label is not None for label in batch.text_labels])
    scores = model.logit_scale.exp() * seen @ read.T
    products, labels = image_text_loss(scores, same_product, same_label, has_label)
    return (
        products
        + 0.2 * labels
        + 0.5 * group_loss(seen, batch.groups, _TEMPERATURE)
        + 0.2 * group_loss(read, batch.text_groups, _TEMPERATURE)
        + 0.4 * group_loss(entries, batch.entry_groups, _TEMPERATURE)
    )


def _equal(image_labels: list[str], text_labels: list[str | None]) -> torch.Tensor:
    pairs: npt.NDArray[np.bool_] = np.array(image_labels, dtype=object)[:, None] == np.array(
        text_labels, dtype=object
    )
    return torch.from_numpy(pairs.astype(bool))


def _encode_text(model: open_clip.CLIP, tokens: torch.Tensor) -> torch.Tensor:
    """`model.encode_text` without the padding that every text of the batch has: a third of the time.

    The mask is causal and the end mark is read, so what follows it plays no part.
    """
    length = int((tokens != 0).sum(dim=1).max())
    tokens = tokens[:, :length]
    hidden = model.token_embedding(tokens) + model.positional_embedding[:length]
    hidden = model.transformer(hidden, attn_mask=model.attn_mask[:length, :length])
    ends = model.ln_final(hidden)[torch.arange(len(tokens)), tokens.argmax(dim=1)]
    projected: torch.Tensor = ends @ model.text_projection
    return projected


def _rate(step: int, steps: int) -> float:
    """A linear start, then a half cosine down to 2 %."""
    if step < _WARM_UP:
        return (step + 1) / _WARM_UP
    return 0.02 + 0.49 * (1 + float(np.cos(np.pi * (step - _WARM_UP) / max(1, steps - _WARM_UP))))
