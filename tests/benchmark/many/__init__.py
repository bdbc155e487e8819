"""Tests of several models on the same questions."""
