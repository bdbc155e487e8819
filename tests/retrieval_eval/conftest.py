"""The fixtures that these tests share."""

from tests.support.running import cli

__all__ = ["cli"]
