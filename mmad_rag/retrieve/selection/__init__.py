"""question -> passages of a product, within a token budget."""
