"""Outcomes and answers files turned into score tables, by named rules."""
