"""The words after yes or no that make it a remark about the image or the model, and not an answer."""

from __future__ import annotations

IMAGE = r"(?:images?|pictures?|photo(?:graph)?s?|pics?|attachments?|files?|screenshots?|figures?|scans?)"
_DEFECT = (
    r"(?:defect|anomal|damage|scratch|crack|flaw|fault|issue|problem|irregular|evidence|sign|abnormal|dent|hole"
    r"|stain|contaminat|deform|missing|differen|imperfection|blemish|mark)"
)
_SEES_NOTHING = (
    r"(?:\s+(?:can(?:'t|not|\s+not)|could(?:n't|\s+not)|do(?:n't|\s+not)|did(?:n't|\s+not))"
    r"\s+(?:see|detect|notice|find|observe|identify|spot)"
    rf"\s+(?:any|a|an|such|obvious|visible|clear|significant)\s+(?:[\w-]+\s+){{0,2}}{_DEFECT})"
)
"""What says no in the first person: `No, I don't see any defect.`"""
_SEND = r"(?:provide|attach|upload|re-?upload|share|send|re-?send|include|submit|supply|post|paste|describe)"
_SELF = (
    rf"I(?!{_SEES_NOTHING})(?:\s+(?:can(?:'t|not|\s+not)|couldn't|could\s+not|don't|do\s+not|didn't|did\s+not"
    r"|am\s+(?:unable|not|sorry|happy|ready|here|just)|was\s+(?:unable|not\s+able)|wasn't\s+able|won't|need"
    r"|would\s+need|apologi[sz]e|understand|have\s+no\s+(?:access|image|way|ability|information|means)|haven't|have\s+not)\b"
    r"|'m\s+(?:unable|not|sorry|happy|ready|here|just|afraid)\b|'d\s+(?:be|need)\b|\s+would\s+be\s+(?:happy|glad)\b"
    r"|(?:\s+(?:can|could|will|would)|'ll|'d)\s+(?:\w+\s+)?(?:help|assist|do\s+(?:that|so)|try)\b"
    r"|\s+(?:can|do|could|will)\s*(?:[.!,]|\Z)"
    r"|(?:\s+(?:can|could|do|will|have|did))?(?:'ve)?\s+(?:\w+ly\s+)?"
    r"(?:see|view|access|open|read|process|receive|received|got|get|look(?:ed)?\s+at|analy[sz]ed?|examined?"
    r"|inspect(?:ed)?|checked|reviewed?|viewed|seen)"
    rf"\s+(?:the|your|this|an?|both|these|it|them|all|that)(?:\s+\w+){{0,2}}?(?:(?<=\bit)|(?<=\bthem)|\s+{IMAGE})"
    r"(?=\s*(?:[.,;!?\n]|\Z|you\b|that\s+you|clearly\b|now\b|well\b|fine\b|attached|provided|uploaded|and\s+I\b)))"
)
_NO_IMAGE = (
    r"(?:there|it)\s*(?:is|was|'s|are|were|seems?\s+to\s+be|appears?\s+to\s+be)(?:n't|\s+not)?"
    rf"\s+(?:no|an?|any)\s+(?:\w+\s+)?{IMAGE}\b(?!\s+of\b)"
    rf"|(?:no|without\s+(?:the|an?|any|your|seeing\s+the))\s+{IMAGE}\b"
    rf"|(?:the|your|an|any|this|that|these)\s+(?:\w+\s+)?{IMAGE}"
    r"(?:\s+(?:itself|here|you\s+\w+|that\s+you\s+\w+))?\s*"
    r"(?:is|was|are|were|seems|looks|appears|has|did|does|can|could|do|isn't|wasn't|hasn't|didn't|doesn't|can't"
    r"|cannot|couldn't)"
    r"(?:\s+(?:not|been|to\s+be|too|very|quite|so|rather|a\s+bit|somewhat|really|fairly|be|of))*"
    r"\s+(?:attached|provided|uploaded|included|visible|load(?:ed|ing)?|shown|displayed?|available|accessible"
    r"|received|seen|opened|viewed|missing|blank|empty|dark|blurry|blurred|unclear|small|bright|noisy|grainy"
    r"|overexposed|underexposed|low|poor|corrupt(?:ed)?|unreadable|insufficient|out\s+of\s+focus"
    r"|(?:(?<=not\s)|(?<=n't\s))(?:clear|sharp|good|enough|detailed|bright|there|here))\b"
    r"|it\s+(?:is|'s)\s+(?:too|very|quite)\s+(?:dark|blurr?[yed]+|small|bright|noisy|unclear|grainy)\b"
)
_REQUEST = (
    rf"please\s+(?:\w+\s+)?{_SEND}\b"
    rf"|(?:could|can|would|will)\s+you\s+(?:please\s+)?(?:{_SEND}|show|give|tell|clarify)\b"
    r"|you\s+(?:haven't|have\s+not|didn't|did\s+not|need\s+to|forgot\s+to|must|should|may|can|will\s+need\s+to)"
    rf"\s+(?:\w+\s+)?{_SEND}(?:e?d)?\b"
    rf"|{_SEND}\s+(?:me\s+)?(?:the|an?|your|another)\s+(?:\w+\s+)?{IMAGE}\b"
    r"|let\s+me\s+(?:see|look|analy[sz]e|examine|take|have|check|inspect|think|know|try|help|first|start)\b"
    r"|(?:happy|glad)\s+to\b"
)
_DOUBT = (
    r"(?:(?:it|that|this)\s*(?:is|'s|would\s+be)\s+|it\s+)?(?:\w+ly\s+)?(?:hard|difficult|impossible|tough|unable"
    r"|not\s+(?:possible|easy|able))\s+(?:for\s+me\s+)?to\s+(?:say|tell|know|determine|judge|see|be|answer"
    r"|assess|identify|make|confirm|give|conclude|provide)\b"
    r"|(?:it|this|that)\s+(?:cannot|can't|could\s+not|can\s+not)\s+be\s+\w+ed\b"
    r"|(?:(?:it|this)\s*(?:is|'s)\s+)?(?:not\s+(?:\w+\s+)?(?:sure|certain|clear|clearly|determinable)|unsure|uncertain"
    r"|unclear|undetermined)\b"
)
_SWITCH = (
    r"(?:and|or|or\s+maybe|maybe|wait|actually|sorry|rather|no|I\s+mean|on\s+second\s+thoughts?|hmm|hm)[\s,.:;!–—-]*"
    r"(?:actually[\s,]*)?(?:it(?:'s|\s+is)\s+)?(?:yes|no)\b(?=\W*(?:[.,;:!?\n]|\Z))"
)
"""The other word right after: `Yes... actually no.`"""
_CHINESE = (
    r"(?:但|不过|抱歉|对不起|很遗憾|请)?[,\s]*(?:但|我|您|你|请|没有|未|无法|不能|图|照)*[,\s]*"
    r"(?:无法|不能(?:看|确定|判断|回答)|看不(?:到|清|见)|没有?(?:看到|收到|提供|上传)(?:任何)?(?:图|照)"
    r"|请(?:您|你)?(?:提供|上传|发送)|未(?:提供|上传)|可以看到(?:这张|您的|图片|图像)(?:图片|图像)?\W"
    r"|(?:图片|图像|照片)(?:太|过于|不够|不清|模糊))"
)
_LEAD = (
    r"(?:(?:but|however|although|though|and|so|well|sure|of\s+course|certainly|okay|ok|absolutely|unfortunately"
    r"|sorry|as|because|since|indeed|currently|yet|I'm\s+sorry|I\s+am\s+sorry|I\s+apologi[sz]e)\b[\s,.!:;–—-]*){0,3}"
)
NOT_A_REMARK = (
    rf"(?!(?:[\s.,;:!–—-]|\.\.\.){{0,8}}{_LEAD}"
    rf"(?:{_SWITCH}|{_SELF}|{_NO_IMAGE}|{_REQUEST}|{_DOUBT}|{_CHINESE}))"
)
"""Condition that what follows yes or no answers the question: `No, the image is missing` does not."""
