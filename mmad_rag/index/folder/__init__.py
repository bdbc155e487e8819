"""An index as a folder on disk: written in one step, read only when every byte is as it was written."""
