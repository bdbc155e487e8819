"""An index as a folder on disk: written in one step, and read only if every byte is unchanged."""
