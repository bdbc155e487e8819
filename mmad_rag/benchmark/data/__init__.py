"""Questions of a benchmark, read and chosen."""
