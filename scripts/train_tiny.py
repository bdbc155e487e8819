"""Train `builtin:tiny`, the small CLIP that is shipped with the library.

    python scripts/train_tiny.py --out mmad_rag/encoders/tiny

Everything it learns from is made here: images that the sample's painters draw (with seeds that the
sample never uses), plain shapes, and captions from `knowledge/`. On two cores it takes about five minutes;
the same seed on the same machine and versions gives the same weights.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Annotated

import typer

from mmad_rag.encoders.repair import import_torchvision

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads crawl beside other processes
import_torchvision()

import numpy as np  # noqa: E402  (torchvision has to be mended before open_clip is imported)
import open_clip  # noqa: E402
import torch  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from tiny_training import bpe, evaluate, images  # noqa: E402
from tiny_training.captions import corpus  # noqa: E402
from tiny_training.training import train  # noqa: E402

from mmad_rag.encoders import load_encoder  # noqa: E402

_MERGES, _CONFIG, _WEIGHTS = "merges.txt.gz", "config.json", "weights.safetensors"
_VISION = {"image_size": 96, "layers": [1, 1, 1, 1], "width": 16, "head_width": 64}
_TEXT = {
    "context_length": 77,
    "width": 128,
    "heads": 4,
    "layers": 3,
    "tokenizer_kwargs": {"bpe_path": _MERGES},
}
_PREPROCESS = {
    "mean": [0.5, 0.5, 0.5],
    "std": [0.5, 0.5, 0.5],
    "interpolation": "bicubic",
    "resize_mode": "squash",
}


def main(  # noqa: PLR0917 (each is a flag)
    out: Annotated[Path, typer.Option(help="the folder that the weights, config and merges are written to")],
    knowledge: Annotated[Path, typer.Option(help="the product files that captions are made from")] = Path(
        "knowledge"
    ),
    seed: Annotated[int, typer.Option(help="of images, captions, weights and order")] = 1,
    steps: Annotated[int, typer.Option(help="optimizer steps of about ninety images each")] = 400,
    per_product: Annotated[int, typer.Option(help="images rendered of each product")] = 110,
    distractors: Annotated[int, typer.Option(help="images of plain shapes")] = 900,
    merges: Annotated[int, typer.Option(help="byte-pair merges at most")] = 2500,
    threads: Annotated[int, typer.Option(help="cores")] = 2,
    measure: Annotated[
        bool, typer.Option("--report/--no-report", help="measure on held-out drawings")
    ] = True,
) -> None:
    """Train, write the three files, and report on held-out images."""
    began = time.monotonic()
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(mode=True)
    out.mkdir(parents=True, exist_ok=True)
    learnt = bpe.learn_merges(corpus(knowledge), merges)
    bpe.write_merges(learnt, out / _MERGES)
    text = {**_TEXT, "vocab_size": bpe.vocabulary_size(learnt)}
    architecture = {"embed_dim": 128, "vision_cfg": _VISION, "text_cfg": text}
    config = {"model_cfg": architecture, "preprocess_cfg": _PREPROCESS}
    (out / _CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    rendered = images.render(per_product=per_product, distractors=distractors, seed=seed, workers=threads)
    elapsed = time.monotonic() - began
    typer.echo(f"{len(rendered.images)} images, {len(learnt)} merges after {elapsed:.0f} s")

    model = open_clip.CLIP(**architecture)
    tokenizer = open_clip.SimpleTokenizer(bpe_path=str(out / _MERGES))
    train(model, tokenizer, rendered, knowledge=knowledge, steps=steps, rng=np.random.default_rng(seed))
    halves = {
        name: tensor.half().contiguous() if tensor.is_floating_point() else tensor
        for name, tensor in model.state_dict().items()
    }
    save_file(halves, out / _WEIGHTS)
    (out / _WEIGHTS).chmod(0o644)  # the writer keeps files to their owner
    parameters = sum(parameter.numel() for parameter in model.parameters())
    typer.echo(f"{parameters:,} parameters, trained in {time.monotonic() - began:.0f} s")
    if not measure:
        return
    encoder = load_encoder(f"open_clip:{out / _CONFIG}@{out / _WEIGHTS}", batch_size=64)
    for line in evaluate.report(encoder, knowledge):
        typer.echo(line)


if __name__ == "__main__":
    typer.run(main)
