"""Several models on the same questions: one table, and the questions that most of them get wrong."""
