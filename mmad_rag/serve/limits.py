"""The limits of a server."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on the sizes, counts and times of requests."""

    body_bytes: int = 32 * 1024 * 1024
    """Largest request body in bytes; larger ones are answered with 413."""
    image_bytes: int = 20 * 1024 * 1024
    """Largest image in bytes, decoded from base64 or fetched, at most `images.MAX_BYTES`; larger ones are
    answered with 413."""
    image_pixels: int = 50_000_000
    """Largest number of pixels of an image; larger ones are answered with 413 before they are decoded."""
    reply_bytes: int = 64 * 1024 * 1024
    """Largest reply in bytes that is not a stream; a larger one is answered with 502."""
    head_bytes: int = 64 * 1024
    """Largest head of a request (its line and headers) in bytes; larger ones are answered with 431."""
    head_s: float = 10.0
    """Longest time in seconds for a head to arrive; slower ones are answered with 408."""
    connections: int = 512
    """Largest number of open connections; further ones are answered with 503 and closed, whoever opens
    them."""
    in_flight: int = 128
    """Largest number of requests at a time; further ones are answered with 503."""
    lookups: int = 2
    """Number of threads that open and embed images."""
    lookup_s: float = 30.0
    """Longest time in seconds for looking up the knowledge for a request, waiting for a thread included;
    later ones are answered with 504."""
    images_kept: int = 5_000
    """Number of images whose vectors and routes are cached by digest; about 15 kB each with 38 products."""
    timeout_s: float = 120.0
    """Longest silence of the upstream in seconds, and longest time for a client to send its body."""
    connect_s: float = 10.0
    """Longest time for connecting to the upstream in seconds."""
    fetch_s: float = 10.0
    """Longest time for fetching an image from an allowed host in seconds."""
