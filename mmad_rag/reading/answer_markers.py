"""The phrases that announce, affirm or deny an answer, in several languages."""

from __future__ import annotations

import re

from mmad_rag.records import CHOICE_LETTERS

LETTER = f"[{''.join(CHOICE_LETTERS)}]"
"""A letter given as an answer; it includes letters beyond the legal A-E, so that an answer F counts as a
contradicting claim instead of being overlooked."""

NOUN = r"(?:answer|choice|option|letter|selection|response)"
"""Words for a choice."""

_NAMED = rf"(?:(?:the\s+)?{NOUN}(?!\s+(?:is|was|would|should|must)\b)\s*:?\s*)?"
_BE = (
    r"(?:is|was|would\s+be|should\s+be|must\s+be)"
    r"(?:\s+(?:most\s+likely|likely|probably|clearly|definitely|therefore|thus)"
    rf"(?=\W+(?:the\s+)?(?:{NOUN}\s+)?{LETTER}\b))?"
)
_ARROW = r"(?:->|=>|→)"

_ANSWER_IS = (
    r"\bans(?:wer)?\b\.?(?:\s+(?:choice|letter|option))?(?:\s+to\s+(?:the|this|your)\s+question)?"
    rf"(?:\s+{_BE}\s*:?|\s*(?:{_ARROW}|[:=|–—-])|[ \t]*\n)\s*{_NAMED}"
)
_CORRECT_ONE_IS = (
    r"\b(?:final|correct|right|best|chosen|selected|my|most\s+(?:likely|accurate|appropriate))\s+"
    rf"(?:{NOUN}|one|description|statement|classification|class|type|guess)"
    rf"\s*(?:\s{_BE}\s*:?|[:=]|{_ARROW})\s*{_NAMED}"
)
_CHOICE_IS = (
    r"\b(?:choice|selection|prediction|response|conclusion|verdict|decision|judge?ment|result|classification"
    r"|option|letter|selected|chosen|choose|correct|final|pick|guess|vote|assessment|diagnosis|solution|output)"
    rf"\s*(?:\sis\b\s*:?|[:=])\s*{_NAMED}"
)
_IS_COLON = (
    r"(?:\A|(?<=[.!?\n]))(?:(?!\b(?:not|never|neither|nor|except|exclud|eliminat|reject|rule[sd]?\b|discard|wrong"
    r"|incorrect|false|least|worst|if|unless|second|alternative|other)|n't\b)[^.!?\n:]){1,120}"
    rf"\b(?:is|would\s+be|must\s+be)\s*:\s*{_NAMED}(?=[('\[]*{LETTER}\b)"
)
"""Any sentence that ends in `is:` and a letter: `The defect in the image is: B`."""
_I_CHOOSE = (
    r"\b(?:you\s+should|I(?:'d|'ll|'m|\s+would|\s+will|\s+am)?(?:\s+(?!not\b|never\b|cannot\b)\w+)?)\s+"
    rf"(?:choose|chose|pick|select|selected|say|go(?:ing)?\s+with|opt\s+for)\s+{_NAMED}"
)
_IT_IS = rf"\A\W*(?:it|this|that)(?:'s|\s+is|\s+(?:would|must)\s+be)\s+{_NAMED}"
_I_THINK = (
    rf"\A\W*I(?:'d|\s+would)?\s+(?:think|believe|say)(?:\s+that)?(?:\s+it(?:'s|\s+is))?[,:]?\s+{_NAMED}"
)
_LIKELY = rf"\A\W*(?:most\s+)?(?:likely|probably|definitely|clearly|certainly|obviously)[,:]?\s+{_NAMED}"
_CONCLUSION = (
    r"\b(?:so|thus|hence|therefore|in\s+conclusion)[,:]?\s+(?:it\s+(?:is|must\s+be)\s+)?(?:(?:option|answer)\s+)?"
    rf"(?=[('\[]*(?-i:{LETTER})\b)"
)
OPTION = re.compile(
    rf"^[^\w\n]*(?:(?:answer|option|choice|opción|opção|opzione|вариант|variante|antwort|réponse)\s+"
    rf"|(?:选项|選項|選択肢)\s*(?!.{{1,200}}(?:选项|選項|選択肢)))"
    rf"(?=[^\w\n]*{LETTER}\W*(?:[.:)。]|$))",
    re.IGNORECASE | re.MULTILINE,
)
"""A named option at the start of a line; several letters in one reply are a list of the options."""

_CHINESE = (
    r"(?:(?:答案|选项|選項|结论|結論|选择|選擇|判断|判斷|结果|結果|正确的)(?:应该|应該|應該|应|應)?(?:是|为|為|[选選](?![项項])|:)+"
    r"|(?<!\w)答\s*:|(?<!不)(?:应该|應該|应|應|故|所以|因此)(?:是|为|為)(?=[(\[]*(?-i:[A-Z])))"
    r"\s*(?:选项|選項)?\s*"
)
_CHINESE_CHOOSE = rf"[选選](?:择|擇)?(?:是|为|為|:)*\s*(?=[('\[]*{LETTER})"
_JAPANESE = r"(?:正解|答え|回答|解答|選択肢)\s*(?:は|:)+\s*(?:選択肢\s*)?"
_KOREAN = r"(?:정답|답)\s*(?:은|는|:)+\s*"
_SPANISH_OPTION = r"(?:letra|lettera|letter|opción|opção|opzione|option|alternativa)"
_GERMANIC = r"\b(?:antwort|antwoord)(?:\s+(?:lautet|ist|is))?\s*:?\s+"
_FRENCH = r"\br[ée]ponse(?:\s+(?:correcte|finale))?(?:\s+est|\s*:)+\s+(?:la\s+)?"
_ROMANCE = (
    r"(?:\b(?:respuesta|resposta|risposta)(?:\s+(?:correcta|correta|corretta|final))?"
    rf"|\b{_SPANISH_OPTION}\s+(?:correcta|correta|corretta))"
    rf"(?:\s+(?:es|é|è)|\s*:)+\s+(?:l?a\s+)?(?:{_SPANISH_OPTION}\s+)?"
)
_FOREIGN_CHOOSE = (
    r"(?<!\bno )(?<!\bnon )(?<!\bnão )(?<!\bne )(?<!\bnie )(?<!\bне )"
    r"\b(?:ich\s+wähle|ik\s+kies|je\s+choisis|elijo|escojo|escolho|scelgo|wybieram|выбираю)\s+"
    rf"(?:l?a\s+)?(?:{_SPANISH_OPTION}\s+|antwort\s+|réponse\s+|вариант\s+)?(?=[('\[]*{LETTER}\b)"
)
_OTHERS = (
    r"\b(?:ответ|odpowied[zź]|cevap|đáp\s+án|jawaban)(?:\s+(?:это|to|đúng|là|yang|benar|adalah))*"
    r"(?:\s*[:–—-])?\s+(?:это\s+)?"
)
_ARABIC = r"الإجابة(?:\s+الصحيحة)?(?:\s+هي|\s*:)+\s*"
_HINDI = r"(?<!\w)उत्तर(?:\s*:)?\s+"

ANSWER_MARKERS = tuple(
    re.compile(pattern, re.IGNORECASE | re.MULTILINE)
    for pattern in (
        _ANSWER_IS,
        _CORRECT_ONE_IS,
        _CHOICE_IS,
        _IS_COLON,
        _I_CHOOSE,
        _IT_IS,
        _I_THINK,
        _LIKELY,
        _CONCLUSION,
        _CHINESE,
        _CHINESE_CHOOSE,
        _JAPANESE,
        _KOREAN,
        _GERMANIC,
        _FRENCH,
        _ROMANCE,
        _FOREIGN_CHOOSE,
        _OTHERS,
        _ARABIC,
        _HINDI,
    )
)
"""Phrases that announce an answer; each ends right before the letter or text of the answer."""

IS_RIGHT = re.compile(
    rf"""(?:(?<![\w'-])|(?<=\A选项)|(?<=[。,:\n]选项))({LETTER})[.)'\]]*(?:
        \s+(?:
            is\s+(?:clearly\s+|therefore\s+)?(?:the\s+)?(?:most\s+likely\s+)?
                (?:answer|(?:correct|right|best)(?:\s+(?:{NOUN}|one|description))?)
            | is\s+(?:clearly\s+)?(?:the\s+)?most\s+(?:likely|accurate|appropriate|suitable|plausible
                |probable)(?:\s+(?:{NOUN}|one|description))?
            | (?:seems?|appears?|looks?)\s+(?:to\s+be\s+)?(?:the\s+)?(?:most\s+)?(?:likely|correct|right|best
                |accurate|appropriate|plausible)(?:\s+(?:{NOUN}|one|description))?(?!\W+(?:but|however|although|though)\b)
            | ist\s+(?:richtig|korrekt|die\s+(?:richtige|korrekte)\s+(?:Antwort|Option))
            | est\s+(?:correcte?|exacte?|la\s+(?:(?:bonne|meilleure)\s+réponse|réponse\s+correcte))
            | (?:es|é|è)\s+(?:(?:la|a)\s+)?(?:(?:respuesta|resposta|risposta|opción|opção|opzione)\s+)?
                (?:correct|corret|corrett)[ao]
            | -?\s*(?:это\s+)?(?:правильный|верный)\s+ответ
        )(?=\s*(?:[.,;:!)\n]|\Z|(?:because|since|as|due|given|based|here)\b))
        | \s+(?:would\s+)?(?:best|most\s+(?:closely|accurately|likely|precisely)|accurately|correctly)\s+
            (?:describe|matche?|fit|represent|explain|characteri[sz]e|answer|correspond|reflect|identifie
            |capture)s?\b(?![^.!\n]{{0,200}}\?)
        | \s+(?:describes|matches|fits|represents)\s+[^.!?\n]{{1,80}}\s(?:best|most\s+(?:closely|accurately))
            (?=\s*(?:[.,!\n]|\Z))
        | \s+fits\s+best(?=\s*(?:[.,!\n]|\Z))
        | \s*(?:选项|選項)?(?:是(?:正确|正確|对|對)|正确|正確
            |最(?:符合|准确|準確|合适|合適|恰当|恰當|接近|可能))(?!的?[吗嗎么?])的?
        | \s*を選(?:び|択し)ます
    )""",
    re.VERBOSE,
)
"""A letter followed by words that say that it is right."""

JOINED = re.compile(
    rf"(?<![\w'])({LETTER})[)\]]?\s*(?:[,/&]|\b(?:and|or|nor|und|oder|et|ou|y|o|e|и|или)\b)\s*"
    r"[(\[]?(?:[Oo]ption\s+)?\Z"
)
"""A letter that is joined to the following letter."""

_FURTHER_ON = r"(?:so|thus|hence|therefore)\b"
DENIED = re.compile(
    rf"""(?:n't|\b(?:not|never|cannot|unable\s+to|hard\s+to|unclear|unsure|if|whether|unless|assuming|suppose
            |doubt|opposite\s+of
            |no\s+(?:es|creo|está|estoy)|pas|nicht|ob|wenn|falls|non|não|si|не|если))
        \s+(?:(?!{_FURTHER_ON}|(?:and|but)\b)[\w']+\s+){{0,4}}\Z
    | (?:不(?![过過仅僅])|没|并非|是否)[^\W\d_a-z]{{0,4}}\Z
    | (?:如果|若|假如)(?:(?!所以|因此|故)[^。.!?\n])*\Z
    | \b(?:if|unless)\b(?!\s+(?:I\s+(?:had|have|must)|forced|pressed)\b)(?:(?!\b{_FURTHER_ON})[^.!?\n])*\Z
    | \b(?:for\s+(?:example|instance)|e\.g\.)[,:]?\s*(?:the\s+)?(?:\w+\s+)?\Z
    | \b(?:wrong|incorrect|false|least|worst|rejected|eliminated|excluded|discarded|falsche|mauvaise|fausse
            |неверный|неправильный)\s+(?:(?!{_FURTHER_ON})\w+\s+)?\Z
    | (?:错误|錯誤|誤った|誤り|間違)[^\W\d_a-z]{{0,4}}\Z | (?:오|틀린\s?)\Z""",
    re.IGNORECASE | re.VERBOSE,
)
"""A denial, a condition or an example that precedes a claim."""
