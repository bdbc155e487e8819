"""Text about songs of the past, for prompts that need length without meaning."""

from __future__ import annotations

SENTENCES = (
    "Before anyone knew how to read music people sang what their parents had sung.",
    "A mother sang while she walked and her sons sang it again a hundred years after she died.",
    "Nobody asked who had thought of a tune because a tune was as free as birds.",
    "Monks began to sing the psalms at dawn and at dusk and often at midnight too.",
    "The abbot sang a verse and his brothers would answer him from behind the altar.",
    "An abbot who loved music sent his nephews to Rome so that they might listen and learn.",
    "They knew more after seven winters and taught what they had heard to whoever asked.",
    "Kings paid poets to praise their fathers and poets who forgot a battle ate alone.",
    "A poet needed to recall ten thousand verses and most poets said they knew more.",
    "Rhyme helped them because an ear awaits what it has heard already.",
    "In summer the singers went from village to village and slept wherever a farmer let them.",
    "They told of weddings and of wars and people gave them soup for it.",
    "A wise singer knew when to pause and let people laugh.",
    "Queens kept a harper who sang them to sleep on winter nights.",
    "Once a queen wept so much at a ballad that her harper never dared to sing it again.",
    "Sailors had songs of their own and a captain who forbade singing found no crew.",
    "Their songs told of islands where nobody grew ill and of girls who waited for them.",
    "A shepherd sang to his dogs and did not mind who heard him.",
    "A bishop once forbade dancing on Sundays and everyone danced on Monday.",
    "Then came men who wrote tunes for money and printers who sold them by the thousand.",
    "Students bought the songs and sang them badly and thereby invented more.",
    "Some of the ballads that we know today were born from such blunders.",
    "An uncle of mine claimed that he knew a ballad which nobody else alive could sing.",
    "He sang it at my wedding and my cousin from Ireland sang it with him.",
    "Neither of them ever learned who had taught it to whom.",
    "Scholars travel to villages and ask widows to sing while they listen.",
    "Often the widows laugh and say that the best singer died years ago.",
    "Then they sing for hours and the scholars scarcely know whom to thank.",
    "Poems grew out of songs when people came to read alone and in silence.",
    "A poem always hums a little when someone reads it aloud to friends.",
    "Teachers ask pupils to learn verses and pupils ask why.",
    "Years after that they recite those verses to their own sons and nieces.",
    "Whoever sings in a choir knows how forty people sing as if they were alone.",
    "Nobody hears himself and everyone hears the choir.",
    "When the hymn is over there reigns a silence that belongs to it.",
    "Then somebody coughs and people walk off and hum until they sleep.",
)
"""Written for this purpose: true enough, far from any factory, every word short and common.

No sentence holds a word, beyond the stop words, that MMAD's options or the titles of the shipped defects
hold: who answers by matching words finds nothing here. A sentence has no sign but its full stop.
"""

NOUNS = (
    "harp", "choir", "ballad", "poet", "hymn", "psalm", "abbot", "bishop", "monk", "verse", "rhyme", "tune",
    "singer", "harper", "queen", "prince", "uncle", "cousin", "village", "shepherd", "sailor", "captain",
    "legend", "winter", "summer", "Sunday", "wedding", "midnight", "Ireland", "cradle", "lullaby", "melody",
)  # fmt: skip
"""In the place of the names of products and defects."""
