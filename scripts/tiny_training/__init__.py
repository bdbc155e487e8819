"""What the training of `builtin:tiny` is made of; see `scripts/train_tiny.py`."""
