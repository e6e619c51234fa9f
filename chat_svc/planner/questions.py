"""How people ask about the marketplace itself, as patterns over folded text."""

import re

from chat_svc.planner.folding import word_set

THANKS = re.compile(r"\b(?:thanks|thank you|thx|cheers|gracias|merci|danke|grazie|obrigad[oa])\b")
GREETING = re.compile(
    r"(?:hi|hello|hey|hola|bonjour|hallo|ciao|ola|salut|good (?:morning|afternoon|evening|day)"
    r"|greetings|howdy|yo|servus|guten (?:tag|morgen|abend)|buenos dias|moin|thanks|thank you|thx"
    r"|cheers|gracias|merci|danke|grazie|obrigad[oa]|bye|goodbye|ok|okay|cool|great|nice|perfect"
    r"|there|everyone|all|so much|very much|a lot|hubchat|assistant|friend|how are you"
    r"|what's up|whats up|sup"
    r"|(?:doing )?today|for that|again|you|much|beaucoup|viel|vielen|dank|[\s,.!?:)(-])+"
)
HELP = re.compile(
    r"(?:help(?: me)?|what (?:can|could|do) (?:you|u|i|we) (?:do|offer|ask|ask you|help with)"
    r"(?: for me| here| for us| with you| you)?|how (?:does|do) (?:this|it|that|you) work"
    r"|what(?:'s| is| are) (?:this|you|hubchat|agentbazaar)(?: for)?|who are you"
    r"|how (?:can|could) (?:you|u) help(?: me| us)?|how do i use (?:this|it|you)|commands?|menu"
    r"|start|info|capabilities|what(?:'s| is) your name|what are your (?:skills|capabilities"
    r"|abilities|features)"
    r"|ayuda|hilfe|aide|aiuto|ajuda|que puedes hacer|was kannst du(?: tun)?"
    r"|que peux-tu faire|cosa puoi fare)[\s?!.]{0,10}"
)
_AGENTS = (
    r"(?:agents?|services|skills|bots|agentes|agenten|agenti|tools)(?![\w'-])"
    r"(?! (?:of|in|from) (?!this|the market|here))"
)
LIST = re.compile(
    r"(?:(?:what|which|list|show|see|display|give|tell|name|any|are|is|do|does|how|many|who|get"
    r"|que|cuales|quels|quelles|welche|quali|quais|me|us|all|the|of|about|your|you|we|i|can|have"
    r"|there|available|cheap|cheaper|good|free|more|kinds?|sorts?|types?|other|current|currently"
    r"|different|registered|listed"
    r"|existing|hay|gibt es|existen|sont|disponibles?|online|active|full|use|a|an|please|every"
    r"|the list|overview|now|right now) ){0,9}"
    + _AGENTS
    + r"(?:(?: (?:are|is|do|does|can|you|we|i|have|there|here|available|offer|use|know|online|right"
    r"|now|on|in|this|the|marketplace|market|bazaar|exist|hay|disponibles?|existen|gibt|es|listed"
    r"|registered|currently|and|their|prices?|skills|cost|costs|what|they|ask|call|with"
    r"|today|please|so|up|working|offline|busy|how|much|verfugbar|verfügbar|sind|y))*)[\s?!.]{0,10}"
)
ANYONE_THERE = re.compile(
    r"(?:who(?:'s| is| are)?|(?:is|are) (?:any|some)(?:one|body)) (?:all )?(?:available|online"
    r"|here|there|around|on the market\w*)"
    r"(?: right)?(?: now)?(?: here)?[\s?!.]{0,10}|(?:list|agents|marketplace)[\s?!.]{0,10}"
)
WHO = re.compile(
    r"(?:who|whom|which (?:agents?|one|ones|of (?:them|you|the agents))|what agents?"
    r"|(?:is|are) there (?:any |an |a |some )?(?:one|body|agents?|anyone|anybody|someone|somebody)"
    r"|does (?:any|some)(?:one|body)|(?:can|could) (?:any|some)(?:one|body)"
    r"|(?:any|some)(?:one|body)|any agents?"
    r"|(?:do you have|have you got|find|show|list|recommend|suggest|get|i need|i want)"
    r"(?: me)?(?: all| some| any| an| a| the)?"
    r"(?: agents?| anyone| anybody| someone| somebody)(?! to\b))"
    r"(?: (?:here|there|available|of them|around))?"
    r"(?: (?:that|who|which))?"
    r"(?: (?:can|could|is able to|are able to|able to|knows? how to|to|for|offers?|provides?"
    r"|handles?|(?:is|are) (?:the )?(?:good|best|cheapest)(?: one)? (?:at|for|to|in|with)"
    r"|with (?:the )?skills?|has (?:the )?skills?|does|do|would|speaks?|understands?))"
    r" (?P<what>.+)"
)
CAN_YOU = re.compile(
    r"(?:(?:hi|hello|hey)[ ,!]{1,3})?(?:can|could|do|are) (?:you|u|it|any of you|agents)"
    r"(?: able to| also)? (?P<what>[\w-]{3,20}(?: languages?)?)"
    r"(?: (?:(?:some|any|my|different) )?(?:texts?|documents?|things?|stuff|articles?|languages?"
    r"|emails?|web ?pages?|pictures?|images?|words|for me|as well|too|pdfs?|videos?|music))?"
    r"[\s?!.]{0,10}"
)
PRICE = re.compile(
    r"\b(?:costs?|prices?|pricing|priced|charges?|fees?|cheap(?:est|er)?|expensive|tariffs?|rates?"
    r"|how much|cuanto|combien|wieviel|wie viel|quanto|cuesta|kostet|coute|costa)\b"
)
PRICE_QUESTION = re.compile(
    r"(?:how|what|what's|whats|which|who|is|are|does|do|the|show|give|tell|list|price|prices"
    r"|pricing|cost|costs|fee|cheapest|cuanto|combien|wie|wieviel|quanto|current)\b"
)
STATUS = re.compile(
    r"(?:is|are) (?:the )?(?P<who>[\w@. -]{2,60}?)(?: agents?)?"
    r" (?:available|online|up|busy|free|down|offline|working|there|overloaded)"
    r"(?: right)?(?: now)?(?: today)?[\s?!.]{0,10}"
)
CHEAP = re.compile(r"\bcheap")
ABOUT = re.compile(
    r"(?:what can|what(?:'s| is) the status of|tell me (?:more )?about|describe|what (?:does|do"
    r"|is|are)|what's|who (?:is|are)"
    r"|who's|explain|show me|info on|details of) (?:the |an? )?"
    r"(?P<who>[\w@.'-]+(?: [\w@.'-]+){0,4}?)(?: agents?)?"
    r"(?: (?:do|for|good at|able to do|doing|offer))?[\s?!.]{0,10}"
)
BUDGET = re.compile(
    r"(?:what(?:'s| is)|how (?:much|big|high) is) (?:my|the|our) (?:current )?budget[\s?!.]{0,10}"
    r"|budget[\s?!.]{0,10}|how much (?:can|may) (?:i|we|you) spend[\s?!.]{0,10}"
)
ABOUT_ALL = word_set(
    "agent servic you it this here everyth each all they them call request request one bazaarbuck"
    " bazaarbucks market marketplac use step your skill work anyth someth us me"
)
PRICE_WORDS = word_set(
    "how much what which who is are do doe the show give tell list price cost charg fee cheapest"
    " cheap cheaper expens rate of for to a an in current now right and will would be i pay my"
    " most least per get have at on s can right their tariff me us whats that"
)
LANGUAGES = re.compile(
    r"(?:what|which|how many) languages\b.{0,40}\b(?:you|support|supported|agents?|translators?"
    r"|available|speak|translate)\b.{0,20}"
)
