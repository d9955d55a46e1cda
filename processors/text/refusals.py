"""Refusals: replies in which the model says that it will not or cannot do the task."""

import re

MAX_CHARS = 1000
"""A longer reply is more than a refusal, even if its first sentence refuses."""

_ANSWER_BYTES, _OFFER_BYTES = 120, 300
"""Text after a "but" is an answer if it is at least this long (a Chinese character is three bytes); after an offer of
other help ("but I can suggest …") it needs the second length.
"""

_HELP = (
    r"(?:help|assist|provid|generat|creat|writ|fulfill?|comply|answer|complet|respond|do (?:that|this|so)|"
    r"engag|support|discuss|offer|giv|shar|participat|produc|translat|continu|satisfy|process|accommodat|recommend|"
    r"rewrit|perform|execut|access|brows|open|view|retriev|recall|express|form|draw|display|proceed)(?:e|t?ing)?\b"
)
_SORRY = (
    r"(?:(?:oh|unfortunately|regrettably|sorry|i(?:'m| am) (?:so |very |really |truly |terribly )?(?:sorry|afraid)"
    r"(?: that| to say)?|(?:i |my |please accept my )?apolog(?:ies|i[sz]e)(?: for [^.,;!]{0,60})?|"
    r"thanks? (?:you )?for [^.!]{0,80})[\s,.!:;]*(?:but |that |however,? )*)*"
)
_AS_AI = r"as an? [^,.]{0,30}?\b(?:ai|artificial intelligence|language model|llm|assistant|chatbot)\b[^,.]{0,60}?,? ?"
_CANNOT = (
    r"i(?:'m| am)? (?:just |simply |really |also )?"
    r"(?:cannot|can't|can not|could not|couldn't|unable to|not able to|won't(?: be able to)?|will not(?: be able to)?|"
    r"not (?:comfortable|allowed to|permitted to|programmed to|designed to|capable of)|"
    r"(?:do not|don't) (?:feel comfortable|have the (?:ability|capability|capacity) to)) "
    r"(?:\w+ly |even |directly |in good conscience )*"
)
_ENGLISH = re.compile(
    rf"\W*{_SORRY}(?:(?:{_AS_AI})?(?:{_CANNOT}{_HELP}|i (?:must|have to|need to) (?:\w+ly )?decline\b)"
    rf"|(?:{_AS_AI}|i(?:'m| am) (?:just )?an? (?:ai|artificial|language|large)\b[^.]{{0,60}}?\b(?:and|so|that) )(?:i )?"
    rf"(?:do not|don't|cannot|can't) (?:\w+ly )?(?:have|possess|hold|experience|access)\b)"
)
_MODEL = (
    r"(?:作为|由于我是|因为我是|我是|我作为)(?:一[个名款位种])?"
    r"[^，。,.]{0,12}(?:ai|人工智能|模型|助手|机器人)[^，。,.]{0,12}[，,]?\s*"
)
_CHINESE = re.compile(
    rf"\W*(?:(?:非常|很|十分)?(?:抱歉|对不起|遗憾|不好意思)[，,。！!：:\s]*)?(?:但是?|不过)?(?:{_MODEL})?"
    r"(?:我(?:们)?|本?助手)?(?:暂时|目前|现在|恐怕|并|也|实在)*"
    r"(?:(?:无法|不能|没办法|没有办法|不可以|不便|拒绝)(?:够|直接|为您|为你|给您|给你|帮您|帮你|向您|向你|继续|进行|在此)*"
    r"(?:提供|帮助|协助|回答|回复|完成|满足|生成|处理|执行|创建|创作|撰写|编写|写|翻译|给出|讨论|继续|支持|参与|改写|访问|做到|答)|"
    r"没有(?:能力|办法|个人|情感|感情|意识|实体))"
)
_TURN = re.compile(r"[,.;，。；]?\s*(?:\bbut\b|\bhowever\b|但是?|不过|然而)(.*)", re.DOTALL)
_OFFER = re.compile(
    r"\W*(?:i(?:'d| would|'ll| will| can|'m| am)[^.]{0,40}(?:help|assist|happy|glad|offer|suggest)|"
    r"(?:please )?(?:feel free|let me know)|如果您|如果你|我可以(?:帮|为))"
)


def is_refusal(text: str) -> bool:
    """Return whether the reply opens by refusing, in English or Chinese, and does not go on to answer.

    Only the opening matters: an answer that says sorry in a letter or in a story is no refusal, nor is one that names a
    model's limits and then answers at some length.
    """
    said = " ".join(text.replace("’", "'").lower().split())
    if len(said) > MAX_CHARS:
        return False
    opening = _ENGLISH.match(said) or _CHINESE.match(said)
    if not opening:
        return False
    turn = _TURN.search(said, opening.end())
    return not turn or len(turn[1].encode()) < (_OFFER_BYTES if _OFFER.match(turn[1]) else _ANSWER_BYTES)
