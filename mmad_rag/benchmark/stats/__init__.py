"""Compute intervals and tests for paired differences of clustered questions."""
