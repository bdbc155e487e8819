"""Models that ship with the library and need no weights."""
