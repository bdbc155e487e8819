"""Fetch MMAD and check the files in its folder."""
