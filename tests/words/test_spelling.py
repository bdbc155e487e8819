"""British and American spellings of a word are one word, and distinct words stay two."""

from __future__ import annotations

import re
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmad_rag.knowledge import load_knowledge, passages_of
from mmad_rag.words import american, content_words, search_words, words_of
from tests.support.paths import ROOT

_PAIRS_TEXT = """
colour color colours colors coloured colored discolouration discoloration colourless colorless centre
center centred centered centring centering centreline centerline off-centre off-center fibre fiber
fibres fibers fibreglass fiberglass metre meter millimetres millimeters litre liter grey gray greyish
grayish greyscale grayscale mould mold moulded molded mouldy moldy aluminium aluminum analogue analog
catalogued cataloged cataloguing cataloging dialogues dialogs anodise anodize anodised anodized
oxidisation oxidization galvanising galvanizing polariser polarizer analyse analyze analysed analyzed
electrolyser electrolyzer labelled labeled labelling labeling unlabelled unlabeled levelling leveling
modelled modeled bevelled beveled chiselled chiseled enamelled enameled dialled dialed fuelled fueled
channelled channeled swivelling swiveling vapour vapor odourless odorless armoured armored behaviour
behavior neighbouring neighboring defence defense licence license sulphur sulfur sulphate sulfate tyre
tire lustre luster louvre louver programme program instalment installment fulfil fulfill enrolment
enrollment jewellery jewelry manoeuvre maneuver manoeuvring maneuvering disk disc disks discs artefact
artifact draught draft gage gauge ageing aging judgement judgment crystallised crystallized
vulcanisation vulcanization
"""
PAIRS = _PAIRS_TEXT.split()
PAIRED = list(zip(PAIRS[::2], PAIRS[1::2], strict=True))

_DISTINCT_TEXT = """
our four hour pour sour tour flour for fore pore poor por tor hor flor contour contor detour velour
scour wire wier fire tire tier core corer bore ore oer acre ogre more spire pyre rise size prise prize
raise raze rays wise vise advise advice precise premise noise poise bruise exercise surprise enterprise
otherwise clockwise merchandise franchise expertise promise comprise filled filed file fill billed biled
called caled stalled staled pulled puled rolled role roll tilled tiled milled miled willed wiled tolled
toled palled paled galled galed refilled refiled drilled mill mile rogue rog vogue vog brogue sequence
offense license sense dense ton tonne meter metric program gram gamma check cheque story storey plate
plated string centring sting boulder bolder shoulder older holder mold gold
"""
DISTINCT = _DISTINCT_TEXT.split()


@pytest.mark.parametrize(("british", "there"), PAIRED, ids="-".join)
def test_both_spellings_are_one_word(british: str, there: str) -> None:
    assert content_words(british) == content_words(there) != ()
    assert search_words(british) == search_words(there) != ()
    assert search_words(f"The {british.upper()}.") == search_words(there)


def test_distinct_words_stay_distinct() -> None:
    merged = defaultdict(set)
    for word in DISTINCT:
        merged[american(word)].add(word)
    assert [words for words in merged.values() if len(words) > 1] == []


@pytest.mark.parametrize("word", [american for _, american in PAIRED])
def test_american_words_stay_as_they_are_and_folding_again_changes_nothing(word: str) -> None:
    assert american(word) == word


@given(st.from_regex(r"[a-z]{1,12}", fullmatch=True))
def test_folding_twice_is_folding_once_for_any_word_of_letters(word: str) -> None:
    folded = american(word)
    assert re.fullmatch("[a-z]+", folded)
    assert folded[0] == word[0] or word.startswith(("ky", "ke", "che", "sce"))


def test_no_two_words_of_the_shipped_knowledge_are_merged_but_spellings() -> None:
    merged = defaultdict(set)
    for product in load_knowledge(ROOT / "knowledge").products:
        for passage in passages_of(product):
            for word in words_of(passage.text):
                if word.isascii():
                    merged[american(word)].add(word)
    assert len(merged) > 2000
    known = {frozenset(pair) for pair in PAIRED}
    assert [words for words in merged.values() if len(words) > 1 and frozenset(words) not in known] == []
