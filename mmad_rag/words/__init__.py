"""Words, sentences and sizes of texts in any script: the one place where text is made comparable."""

from mmad_rag.words.content import content_words, search_words, stem
from mmad_rag.words.scripts import is_foreign, size_in_words, word_count, words_of
from mmad_rag.words.sentences import clauses, prose_sentences, sentences
from mmad_rag.words.spelling import american

__all__ = [
    "american",
    "clauses",
    "content_words",
    "is_foreign",
    "prose_sentences",
    "search_words",
    "sentences",
    "size_in_words",
    "stem",
    "word_count",
    "words_of",
]
