"""Servers on loopback that tests start, and what speaks to them."""
