"""What a question set and a knowledge base give away without any model."""
