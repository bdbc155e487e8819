"""What one server puts up with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes, counts and times; one request can take no more than these."""

    body_bytes: int = 32 * 1024 * 1024
    """Larger request bodies are answered with 413."""
    image_bytes: int = 20 * 1024 * 1024
    """Larger images, decoded from base64 or fetched, are answered with 413; at most `images.MAX_BYTES`."""
    image_pixels: int = 50_000_000
    """Images of more pixels are answered with 413, before they are decoded."""
    reply_bytes: int = 64 * 1024 * 1024
    """A larger reply that is not a stream is answered with 502."""
    in_flight: int = 128
    """Requests beyond these many at a time are answered with 503."""
    lookups: int = 2
    """Threads that open and embed images."""
    images_kept: int = 5_000
    """Images whose vectors and routes are remembered, by digest; about 15 kB each with 38 products."""
    timeout_s: float = 120.0
    """The longest silence of the upstream, and the longest that a client may take to send its body."""
    connect_s: float = 10.0
    """The longest that a connection to the upstream may take."""
    fetch_s: float = 10.0
    """The longest that fetching an image from an allowed host may take."""
