"""One file per command, loaded when its command is called."""
