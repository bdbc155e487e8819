"""Turn outcomes and answers files into score tables, by named rules."""
