"""Fetch MMAD, and check what lies in its folder."""
