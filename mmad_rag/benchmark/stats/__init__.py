"""Intervals and tests for paired differences of clustered questions."""
