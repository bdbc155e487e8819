"""Product files and reference images turned into vectors."""
