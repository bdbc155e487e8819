"""Use a retriever once, so that mistakes show at the start and no client waits for loading."""

from __future__ import annotations

import io

from mmad_rag.images import open_picture
from mmad_rag.retrieve import ClipRetriever


def warm(retriever: ClipRetriever) -> None:
    """Embed a grey picture and select passages of a product for it.

    Raises:
        EncoderError: the index's encoder has no image tower.
    """
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "grey").save(buffer, format="PNG")
    vector = retriever.vector(open_picture(buffer.getvalue(), name="a grey picture"))
    retriever.retrieve_vector("Is there a defect?", vector)
    # a picture of no product selects nothing, so what texts are compared by would stay unloaded
    index = retriever.index
    rows = index.reference_vectors if len(index.reference_vectors) else index.key_vectors
    retriever.retrieve_vector("Is there a defect?", rows[0])
