"""Verbs of requests and the family of each, as patterns over folded text."""

import re
from dataclasses import dataclass
from typing import Literal

from chat_svc.planner.families import (
    ANALYZE,
    CITE,
    DETECT,
    LOCALIZE,
    NEGOTIATE,
    SEARCH,
    SUMMARIZE,
    SYNTHESIZE,
    TRANSLATE,
    Family,
)

_GIVE = (
    r"(?:(?:give|get|make|write|create|produce|provide|prepare|show|send|do|(?:i )?need"
    r"|(?:i )?want|looking for"
    r"|i would like|i'd like|can i (?:have|get))(?: me| us)?(?: an?| the| some| your)?"
    r"|an?|the|your) "
)
_ADJECTIVES = r"(?:(?!(?:of|the|to|and|for|in|a|it|that|is)\b)[\w-]+ ){0,3}?"
_ABOUT = r"(?: (?:about|on|for|regarding|concerning|of|sobre|sur|uber|über|zu|su|nach|por|di))?"
_THE_WEB = (
    r"(?: (?:on |through |in )?(?:the )?(?:web|internet|online|net|google|im internet|im web"
    r"|en internet|sur internet|su internet))?"
)
_INFORMATION = (
    r"(?:(?: (?:me|us))?(?: (?:some|more|any|all|the|des|de l'|mas|alcune|mehr|algumas))?"
    r" ?(?:latest )?\b(?:information(?:s|en)?|infos?|facts?|details|data|everything|anything"
    r"|something|results?|informacion(?:es)?|informazioni|informacoes)(?= (?:about|on|for"
    r"|regarding|concerning|sobre|sur|uber|über|zu|su|di)\b))?"
)
_OF = r"(?: (?:of|for|on|about|from|de|du|von|di|to|into)\b)?"


@dataclass(frozen=True, slots=True)
class Verb:
    """A way to ask for the work of a family.

    Attributes:
        language: where a language must be named for it to mean this family.
        weak: an agent that offers the subject itself comes first ("tell me about the weather").
    """

    family: Family
    pattern: re.Pattern[str]
    language: Literal["anywhere or none", "inside", "after"] = "anywhere or none"
    weak: bool = False


def _verb(
    family: Family,
    pattern: str,
    language: Literal["anywhere or none", "inside", "after"] = "anywhere or none",
    *,
    weak: bool = False,
) -> Verb:
    return Verb(family, re.compile(f"(?:{pattern})(?![\\w])"), language, weak)


VERBS = (
    _verb(
        DETECT,
        r"(?:detect|identify|recogni[sz]e|determine|guess|find out|tell me|check)"
        r"(?: (?:the|what|which|in what|in which))? language(?: (?:is|of|in|used in|for))*",
    ),
    _verb(DETECT, r"(?:in )?(?:what|which) language (?:is|was|are|were)"),
    _verb(
        SUMMARIZE,
        r"summari[sz](?:e|es|ing)|condens(?:e|ing)|shorten|abridge|recap|digest|tl;? ?dr(?: of)?"
        r"|sum up|boil down|(?:have|get)(?= .{1,60} summari[sz]ed\b)",
    ),
    _verb(SUMMARIZE, r"(?:sum|boil)(?= .{1,60}\b(?:up|down)\b)"),
    _verb(
        SUMMARIZE,
        f"(?:{_GIVE}{_ADJECTIVES})?"
        r"(?:summary|summari[sz]ation|tl;?dr|recap|synopsis|gist"
        r"|(?:key|main) (?:points|ideas|takeaways))" + _OF,
    ),
    _verb(SUMMARIZE, r"(?:(?:a bit|a little|much|even) )?(?:shorter|more concise|briefer)"),
    _verb(SUMMARIZE, r"make(?= (?:it|this|that|the \w+) (?:\w+ )?(?:shorter|more concise|brief))"),
    _verb(
        SUMMARIZE,
        r"resume(?=[ \xa0]?(?::|\0|$)| (?:este|esta|esto|estos|eso|el|la|lo|los|las|un|una|ce|cet"
        r"|cette|ces|le|les|l'|mon|ma|mes|isto|isso|por|en|in|in \d+)\b)"
        r"|resum(?:ez|er|ir|a|eme|a-[oa]s?|e-(?:le|la|les|moi)|[ea](?:me)?l[oa]s?)"
        r"|riassum(?:i|ere|imi|ete|il[oaie])|zusammenfassen",
    ),
    _verb(
        SUMMARIZE,
        r"(?:fais|faites|faire|fai|haz|hacer|faz|faca|mach|mache|erstelle|schreibe?|crea)"
        r" (?:une?|una|uma?|eine?|einen) (?:\w+ )?"
        r"(?:resume|resumen|riassunto|resumo|zusammenfassung)(?: (?:de|du|di|do|da|von|des))?",
    ),
    _verb(SUMMARIZE, r"fass(?:e|t|en)?(?= .{0,80}\bzusammen\b)"),
    _verb(TRANSLATE, r"translat(?:e|es|ing)|retranslate|(?:have|get)(?= .{1,60} translated\b)"),
    _verb(
        TRANSLATE,
        r"traduc(?:e|es|ir|i|ete|[ei](?:me)?l[oaie]s?|[ei]me|imi)|traduzca|tradurre"
        r"|tradui(?:s|re|sez)(?:-(?:le|la|les|moi))?|traduz(?:a|ir|i)?(?:-[oa]s?)?"
        r"|[uü]bersetz(?:e|en|t)?",
    ),
    # German puts its verb last: "das ins Deutsche übersetzen".
    _verb(
        TRANSLATE, r"(?:d[ae][snr]|die|diese[snr]?|folgende[sn]?)(?= [^.:\n]{0,60}\bubersetzen\b)"
    ),
    _verb(
        SUMMARIZE,
        r"(?:d[ae][snr]|die|diese[snr]?|folgende[sn]?)(?= [^.:\n]{0,60}\bzusammenfassen\b)",
    ),
    _verb(TRANSLATE, f"(?:{_GIVE}{_ADJECTIVES})?translation(?: (?:of|for|from))?"),
    _verb(
        TRANSLATE,
        r"(?:what(?:'s| is) )?(?:give me |i need |i want )?(?:(?:the|an?) )?[\w-]+"
        r" (?:(?:word|translation|term|equivalent|expression|phrase|version) )?"
        r"(?:for|of)(?! course\b)",
        "inside",
    ),
    _verb(LOCALIZE, r"locali[sz]e"),
    _verb(
        TRANSLATE,
        r"how (?:do|would|can|could|should) (?:you|i|we|one) (?:say|write|spell|translate)"
        r"|how to (?:say|write)|what(?:'s| is| would be)(?: the (?:word|term))?(?: for)?"
        r"|was (?:heißt|heisst|bedeutet)|wie sagt man|como se (?:dice|diz)|comment (?:dit-on|dire)"
        r"|come si dice|say|put|render|express|convert|turn|change|write|rephrase|rewrite",
        "after",
    ),
    _verb(TRANSLATE, r"tell me what the [\w-]+ (?:word|term|expression|phrase) for", "inside"),
    _verb(TRANSLATE, r"(?:tell me )?what(?: do| does)?(?= [^.?!\n]{1,120} means? in )", "after"),
    _verb(
        TRANSLATE,
        r"(?:answer|reply|respond|output|show|tell me|give(?: me| us)?|present|deliver"
        r"|i (?:want|need)|i'd like|i would like)(?= (?:it |that |this |the \w+ |everything )?"
        r"(?:all )?(?:back )?(?:in|into|auf) )",
        "after",
    ),
    _verb(
        SEARCH,
        r"(?:(?:(?:find|get|give|show|gather|collect|need|want|have|is|are|looking"
        r"|look|i'm|i am|do you"
        r"|you|there|got|me|us|i|for) ){0,5}(?:(?:some|any|more|a few|good|a|the best"
        r"|\d{1,3}|two|three|four|five|ten) ){0,2})"
        r"(?:info(?:rmation|s)?|sources?|articles?|papers?|references|literature|facts|details"
        r"|web ?sites|pages|material|research) (?:about|on|regarding|concerning)",
    ),
    _verb(
        SEARCH,
        r"(?:(?:do|run|make|perform|conduct) (?:(?:a|an|some) )?(?:\w+ )?(?:search|research)"
        r"|(?:web |online |internet )?search(?:ing)?|research|google|look up|look into"
        r"|look(?: online| around)? for|find out|find|browse|investigate"
        r"|(?:get|gather|collect|fetch)(?= (?:me )?(?:some |more |the )?(?:latest )?"
        r"(?:info|information|facts|details|news|sources|data)\b)"
        r"|(?:re)?cherche[rz]?|trouve[rz]?|busc(?:a|ar|ame)|encuentra|investiga|such(?:e|en|t)"
        r"|finde|finden|recherchiere|cerc(?:a|are|ami)|trov(?:a|are|ami)|busque|procur(?:a|e)"
        r"|pesquis(?:e|a|ar))(?![\w])" + _THE_WEB + _INFORMATION + _ABOUT + _THE_WEB,
    ),
    _verb(
        SEARCH,
        r"(?:(?:know|learn|find out|read|hear) (?:(?:something|a bit|a little"
        r"|all) )?(?:more )?about"
        r"|learn (?:more )?about|read up on|(?:i'm |i am )?(?:curious about|interested in))",
        weak=True,
    ),
    _verb(SEARCH, r"look(?= .{1,60} up\b)"),
    _verb(
        SEARCH,
        r"(?:tell (?:me|us)|teach me|what do you know|i want to know|i'd like to know)"
        r"(?: (?:more|something|everything|anything|all))?(?: there is to know)? (?:about|of)",
        weak=True,
    ),
    _verb(SEARCH, r"tell (?:me|us)(?= (?:how|why|when|where|who|what)\b)", weak=True),
    _verb(SEARCH, r"explain|define|describe", weak=True),
    _verb(SYNTHESIZE, r"synthesi[sz]e"),
    _verb(CITE, r"(?:cite|give (?:me )?citations? (?:for|on|about))"),
    _verb(ANALYZE, r"analy[sz](?:e|ing)|analiz(?:a|ar)|analis(?:a|e|ar)|analizza|analysiere"),
    _verb(ANALYZE, f"{_GIVE}{_ADJECTIVES}analysis(?: of)?"),
    _verb(NEGOTIATE, r"negotiate|haggle|bargain"),
)
