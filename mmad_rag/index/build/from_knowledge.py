"""Build an index from a knowledge base with an encoder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmad_rag.encoders import load_encoder
from mmad_rag.encoders.default_text import AUTO, choose_text_encoder
from mmad_rag.encoders.protocol import Encoder
from mmad_rag.index.build.assemble import assemble
from mmad_rag.index.build.contents import read_contents
from mmad_rag.index.build.embed import Progress
from mmad_rag.index.build.reuse import known_vectors
from mmad_rag.index.data import IndexData
from mmad_rag.index.views import DEFAULT_VIEWS, checked_views
from mmad_rag.knowledge import KnowledgeBase, load_knowledge


def build_index(
    knowledge: KnowledgeBase | Path | str,
    encoder: Encoder | str,
    *,
    text_encoder: Encoder | str = AUTO,
    references: Path | None = None,
    references_per_product: int | None = None,
    defect_references: Path | None = None,
    views: Sequence[str] = DEFAULT_VIEWS,
    reuse: IndexData | None = None,
    progress: Progress | None = None,
) -> IndexData:
    """Embed every visual key, passage and reference image of a knowledge base.

    Args:
        knowledge: A loaded base, or the folder of product files.
        encoder: Embeds keys and reference images; a spec or a loaded encoder.
        text_encoder: Embeds passages: a spec, a loaded encoder, `words` for none (they are then found by
            their words alone), or `auto` (see `choose_text_encoder`).
        references: A folder of normal images (see `find_references`), beside those that product files name.
        references_per_product: Keep at most this many of that folder per product; None keeps all.
        defect_references: A folder of images of known defects (see `find_defect_references`).
        views: How each reference is looked at, names of `views.VIEWS`: one vector for each.
        reuse: An older index, whose vectors are taken over where encoder and content are the same. It plays
            no part in what the new index holds.
        progress: Called with (stage, done, total).

    Raises:
        KnowledgeError: the knowledge is wrong, or nothing in it can be routed to.
        EncoderError: a key is longer than the encoder's context.
        InputError: a reference folder is absent or holds no known product; a view is unknown.
        ImageError: a reference image cannot be read.
    """
    chosen = checked_views(views)
    base = knowledge if isinstance(knowledge, KnowledgeBase) else load_knowledge(knowledge)
    loaded = load_encoder(encoder) if isinstance(encoder, str) else encoder
    text = choose_text_encoder(text_encoder, loaded).encoder
    contents = read_contents(
        base,
        with_keys=loaded.texts is not None,
        views=chosen,
        references=references,
        references_per_product=references_per_product,
        defect_references=defect_references,
    )
    known = known_vectors(
        reuse, fingerprint=loaded.fingerprint, text_fingerprint=text.fingerprint if text else None
    )
    return assemble(contents, loaded, text, views=chosen, known=known, progress=progress)
