"""Tables of what was measured, built once for every renderer."""
