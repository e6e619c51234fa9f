"""Questions about oneself and the marketplace: what is asked, told from words alone.

A message is such a question when it names a topic and every other word of it belongs to asking
about oneself. "Why is gold so expensive" has a word left over, and is a question to the world.
"""

import re
from enum import Enum

from chat_svc.planner.folding import word_set
from chat_svc.planner.vocabulary import CLAIMED, says, spelled, unclaimed

_LONGEST = 160
_BARE = 2
_MYSELF = ("myself", "balance", "spending", "tasks", "refund", "why", "agents")
_ALL = (*CLAIMED, *_MYSELF)
_OWN = word_set(
    "i my we our us that this it mine i've bazaarbucks bucks mi mis yo me he tengo mon ma mes je"
    " j'ai moi ai mein meine meinen meiner ich hab habe mir mich mio mia miei mie ho meu minha meus"
    " minhas eu tenho last them you agent agents das dies eso esto ca cela c'etait questo isso"
)
_ME = word_set("i my mine mi mis mon ma mes mein meine meinen mio mia miei meu minha meus i've")
_WORD = re.compile(r"\w+")
_ASKS = re.compile(
    r"(?:[a-z]+, )?(?:why|how|which|what|who|when|where|is|are|does"
    r"|do(?! (?:it|that|this|the|not)\b)|did|warum|wieso"
    r"|wer|was|wie|welche[rs]?"
    r"|pourquoi|quel(?:le)?s?|combien|por que|cuanto|cual|que|perche|quanto|quale)(?:'?s)?\b"
)
_HERE = re.compile(r"\b(?:agents?|agentes?|agenten|agenti|hubchat|here|marketplace|bazaar)\b")
_MARKET = re.compile(
    r"\b(?:agents?|sellers?|selling|wallets?|refunds?|balance|orders?|tasks?|bazaarbucks?|credits?"
    r"|billing|support|translators?|summari[sz]ers?|negotiators?|deposits?|payments?|sites?|searches|fees?|prices?"
    r"|payouts?|receipts?|invoices?|accounts?|budget|limits?|marketplace|hubchat|data|texts?)\b"
)
_OURS = re.compile(
    r"\b(?:agents?|sellers?|refunds?|deposits?|bazaarbucks?|fees?|payouts?|receipts?|wallets?"
    r"|billing|support)\b"
)
_THIS = word_set("here this site hubchat")
_POLITE = word_set("please pls plz thanks thank you it that then ok okay now just all bitte danke")


class Topic(Enum):
    """What is asked about."""

    BALANCE = "balance"
    SPENDING = "spending"
    PRICE = "why"
    TASKS = "tasks"
    REFUND = "refund"
    AGENTS = "agents"


_ORDER = (
    (Topic.REFUND, "refund"),
    (Topic.PRICE, "why"),
    (Topic.AGENTS, "agents"),
    (Topic.SPENDING, "spending"),
    (Topic.BALANCE, "balance"),
    (Topic.TASKS, "tasks"),
)
_BROADER = ((Topic.REFUND, "refund"), (Topic.BALANCE, "balance"), (Topic.TASKS, "tasks"))
_WHY = ("why", "por que", "pourquoi", "warum", "perche", "wieso")
_AGENT = ("agent", "who", "which", "here", "you", "wer", "qui", "quien", "chi", "quem")


def about_us(folded: str) -> Topic | None:
    """The topic of a question about oneself or the marketplace; None for everything else."""
    if len(folded) > _LONGEST:
        return None
    topic = _topic(folded)
    if topic is None and _is_on_the_market(folded):
        topic = next((one for one, key in _BROADER if says(key, folded)), Topic.AGENTS)
    return topic


def _topic(folded: str) -> Topic | None:
    words = set(folded.replace("?", " ").replace("'s", " ").split())
    strange = 1 if words & _ME else 0
    if len(unclaimed(folded, _MYSELF, most=2)) > strange:
        return None
    why = any(word in folded for word in _WHY)
    agent = any(word in folded for word in _AGENT)
    for topic, key in _ORDER:
        if not says(key, folded) or (topic is Topic.PRICE and not why):
            continue
        if topic is Topic.AGENTS and not agent:
            continue
        free = topic in (Topic.AGENTS, Topic.PRICE, Topic.REFUND)
        if words & _OWN or free or len(words) <= _BARE or "show" in words:
            return topic
    return None


def _is_on_the_market(folded: str) -> bool:
    """Whether a question puts together two of: who works here, their work, its price or quality."""
    asked = _ASKS.match(folded)
    who = _HERE.search(folded) is not None
    work = any(says(key, folded) for key in ("translate", "summarize", "tasks"))
    how = any(says(key, folded) for key in ("agents", "spending", "why"))
    rest = _MARKET.sub(" ", folded)
    mine = rest != folded and set(folded.split()) & (_ME | _THIS)
    if asked and mine and not unclaimed(rest, _ALL, most=2)[1:]:
        return True
    strong = _OURS.search(folded) is not None
    if asked and rest != folded and len(unclaimed(rest, _ALL, most=2)) <= int(strong):
        return True
    strange = len(unclaimed(folded, _ALL, most=2))
    return asked is not None and who + work + how > 1 and strange <= (1 if who else 0)


def is_enough(folded: str) -> bool:
    """Whether a message only says that nothing is wanted any more."""
    rest, found = spelled("enough").subn(" ", folded)
    return found > 0 and set(_WORD.findall(rest)) <= _POLITE
