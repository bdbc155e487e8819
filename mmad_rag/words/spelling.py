"""Write British words as Americans do, so that both spellings of a word are equal."""

from __future__ import annotations

import re
from functools import lru_cache

_OUR = (
    "behavi|cand|clam|col|demean|enam|endeav|fav|ferv|flav|glam|harb|hon|hum|lab|neighb|od|parl|ranc|rig|rum|sav"
    "|savi|splend|succ|tum|val|vap|vig|^(?:un|dis)?arm|^ard|^arb|^dol"
)
_RE = (
    "calib|cent|fib|goit|lit|louv|lust|meag|met|mit|nit|och|reconnoit|sab|scept|sepulch|somb|spect|theat|tit"
)
_OGUE = "anal|catal|decal|dial|epil|homol|ideol|monol|prol|travel"

_RULES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(british), american)
    for british, american in (
        # endings that a closed set of words has
        (rf"({_OUR})our", r"\1or"),
        (rf"({_RE})red$", r"\1ered"),
        (rf"({_RE})re(s?)$", r"\1er\2"),
        (r"(cent|fib)re(?=[a-z]{2})", r"\1er"),
        (r"(cent)ring$", r"\1ering"),
        (rf"({_OGUE})ogue([dr])$", r"\1oge\2"),
        (rf"({_OGUE})ogue(s?)$", r"\1og\2"),
        (rf"({_OGUE})oguing$", r"\1oging"),
        (r"([a-z]{2})lys(?=(?:e[sdr]?|ers|ing)$)", r"\1lyz"),
        (r"(def|off|lic|pret)enc(?=e[sd]?$|eless$|ing$)", r"\1ens"),
        (r"(judg|acknowledg|abridg)ement", r"\1ment"),
        (r"(conn|infl|defl|refl)exion", r"\1ection"),
        (r"(fulfil|distil|instil|enrol|instal|appal|enthral)(?=s$|ment|$)", r"\1l"),
        (r"^(siz|us|lik|mov)eable$", r"\1able"),
        (r"(gram)me(s?)$", r"\1\2"),
        # single words, with what is made of them
        ("grey", "gray"),
        ("mould", "mold"),
        ("moult", "molt"),
        ("aluminium", "aluminum"),
        ("sulph", "sulf"),
        ("plough", "plow"),
        ("manoeuvr", "maneuver"),
        ("maneuvere", "maneuver"),
        ("anaesth", "anesth"),
        (r"^haem(?=[aio])", "hem"),
        (r"^caesium", "cesium"),
        (r"^artefact", "artifact"),
        (r"^practis(?=e|ing)", "practic"),
        (r"^tyre(?=[sd]?$)", "tire"),
        (r"^kerb", "curb"),
        (r"^draught(?=s|y|$)", "draft"),
        (r"^chequer", "checker"),
        (r"^sceptic", "skeptic"),
        (r"^gage(?=[sd]?$)", "gauge"),
        (r"^gaging$", "gauging"),
        (r"disk(?=s?$)", "disc"),
        (r"^ageing$", "aging"),
        (r"^carburett", "carburet"),
        (r"^counsellor", "counselor"),
        (r"^jewellery$", "jewelry"),
        (r"^marvellous", "marvelous"),
        (r"^woollen", "woolen"),
        (r"^(focus|bias)s(?=e[sd]$|ing$)", r"\1"),
        (r"^(ski|wi)lful", r"\1llful"),
        (r"^cosy$", "cozy"),
        (r"^yoghurt", "yogurt"),
    )
)

_ISE = re.compile(r"([a-z]{3,})is(e|ed|es|er|ers|ing|able|ation|ations|ational)")
_NEVER_IZE = re.compile(
    r"(?:[aou]|pr|[^i]c|[nw]r|[^aeiouy][^aeiouy]?w|^(?:adv|dev|rev|improv|superv|telev|prov)|franch|^like?w|erw"
    r"|^(?:dem|prem|prom|comprom|surm|chem)|^(?:expert|advert|divert|chast|mort|treat)|^(?:merchand|parad)"
    r"|^(?:desp|val|ani?|cer|sunr|moonr))$"
)
"""Beginnings of words that end in -ise on both sides of the ocean: advise, surprise, exercise, otherwise."""

_DOUBLED = re.compile(r"([a-z]*[aeiouy]l)l(ed|ing|ings|er|ers|able)")
_PREFIX = re.compile(
    r"(?:ap|back|com|con|de|dis|en|ex|fore|ful|im|in|land|mis|non|out|over|pre|pro|re|steam|un|under|up)"
    r"(?=[^aeiouy]+[aeiouy]l$|(?:in|en|dis|ful|re)[^aeiouy]+[aeiouy]l$)"
)


@lru_cache(maxsize=16_384)  # the words of a knowledge base recur
def american(word: str) -> str:
    """The American spelling of a lower-case word; other words stay as they are.

    It is there to compare words: a word that is spelt by no one may come out where both spellings of a word
    give the same.

    Example:
        >>> [american(word) for word in ("colours", "centred", "anodised", "labelled", "filled", "hour")]
        ['colors', 'centered', 'anodized', 'labeled', 'filled', 'hour']
    """
    for british, there in _RULES:
        word = british.sub(there, word)
    if (found := _ISE.fullmatch(word)) and not _NEVER_IZE.search(found[1]):
        return f"{found[1]}iz{found[2]}"
    if (found := _DOUBLED.fullmatch(word)) and _is_long(found[1]):
        return found[1] + found[2]
    return word


def _is_long(base: str) -> bool:
    """Whether a verb has two syllables or more without its prefixes, such as `label` but not `install`."""
    while found := _PREFIX.match(base):
        base = base[found.end() :]
    return len(re.findall("[aeiouy]", base.replace("qu", "q").lstrip("y"))) > 1
