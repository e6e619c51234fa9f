"""The small words of requests, as patterns over folded text; the verbs are in verbs.py.

Every pattern is matched at a known position and cannot backtrack far, so that reading stays
linear however strange the text is.
"""

import re

from chat_svc.planner.families import QUALITIES
from chat_svc.planner.folding import word_set

# Words before a verb that ask nicely or only join.
LEAD = re.compile(
    r"(?:[\s,;.!?¿¡*•>&-]{1,200}|\d{1,2}[.)](?=\s)|(?:"
    r"hi|hello|hey|hola|bonjour|hallo|ciao|thanks|thank you|great"
    r"|good (?:morning|afternoon|evening|day)|good|perfect|nice|cool|okay|ok"
    r"|there|everyone|guys|so|well|now|please|pls|plz|kindly|just|quickly|again|simply|yes"
    r"|first(?:ly)?|second(?:ly)?|third(?:ly)?|next|then|also|too|and|plus|finally|lastly"
    r"|afterwards|after that|once done|additionally|separately|besides|in addition"
    r"|(?:can|could|would|will|should|may|might) (?:you|u|i|we|it|someone|somebody|anyone)"
    r"|i (?:want|need|would like|wish)(?: (?:you|someone|somebody"
    r"|an agent))? to(?: know(?! (?:more |all |everything )?about))?"
    r"|i'd like(?: (?:you|someone))? to(?: know(?! (?:more |all |everything )?about))?"
    r"|i'd love(?: you)? to|would you mind|be so kind(?: as)? to"
    r"|you (?:should|must|need to|have to)|let's|let us|help me(?: to)?|try to|go ahead and"
    r"|i (?:have|must|was asked|am trying|'m trying) to|i'm (?:trying|going) to|both"
    r"|(?:my|our|the) \w{2,20} (?:wants|asked|told|needs) (?:me|us) to"
    r"|in (?:(?:about|at most|around) )?(?:\d{1,4}|a|one|two|three|five|ten) (?:words?"
    r"|sentences?)[:,]?"
    r"|i was (?:wondering|hoping)(?: (?:if|whether))?"
    r"|i wonder(?: (?:if|whether)|(?= (?:what|how|why|who|when|where)\b))|maybe|perhaps"
    r"|any chance|is it possible to|do you think you (?:can|could)|pleas|plese|plaese|pleaze"
    r"|i'm hoping to|feel free to|i am going to need you to|it would be (?:nice|great) if you"
    r"|i'd appreciate it if you|hubchat|dear (?:hubchat|assistant|agent)|the job is to"
    r"|my (?:task|job|wish) is to|task|request|question|todo"
    r"|once you|when you|after(?= (?:you )?(?:search|look|find))|in one go|for me"
    r"|manage to|possibly|if (?:you can|possible)"
    r"|jetzt|nun|ahora|maintenant|adesso|agora"
    r"|por favor|bitte|s'il (?:te|vous) plait|per favore|luego|despues|tambien|puis|ensuite|aussi"
    r"|dann|danach|anschliessend|anschließend|poi|dopo|depois|entao|y|e|et|und"
    r"|peux-tu|pouvez-vous|puedes|podrias|kannst du|konnen sie|konntest du|puoi|potresti"
    r"|voce pode|pode)(?![\w'-]))"
)

# "summarize what you find about X": a search for X goes first.
FOUND_SUBJECT = re.compile(
    r"\s{0,3}(?:what(?:ever)? (?:you|it|they|we) (?:can |could |might )?(?:find|discover|get)"
    r"(?: out| online| on the web| on the internet){0,2} (?:about|on|regarding|concerning|for)"
    r"|(?:the )?(?:(?:search|top) )?(?:results?|findings)(?: of a search)? (?:for|about|on)"
    r"|(?:what is known|everything(?: there is)?(?: known)?|all there is) (?:about|on)"
    r"|(?:some |the )?(?:information|facts) (?:about|on))(?!\w)"
)
# "summarize the latest news on X": a search for all of it goes first.
FOUND_PHRASE = re.compile(
    r"\s{0,3}(?:the |some )?(?=(?:(?:latest|recent|current|newest) (?:\w+ ){0,2})?"
    r"(?:news|research|developments|findings|articles|studies|events) (?:about|on|in|of|for)\b)"
)

_NOUN = (
    r"(?:texts?|sentences?|words?|phrases?|paragraphs?|passages?|articles?|emails?|e-mails?|mails?"
    r"|messages?|documents?|letters?|stor(?:y|ies)|notes?|reports?|contents?|transcripts?|pages?"
    r"|poems?|reviews?|posts?|answers?|replies|results?|outputs?|findings|summar(?:y|ies)|lyrics"
    r"|translations?|texto|texte|testo|satz|artikel|articulo|articolo|artigo|frase|phrase|wort"
    r"|palabra|mot|parola|palavra|parrafo|lines?|quotes?|expressions?|terms?|version|papers?"
    r"|essays?"
    r"|abstract|conversation|chat|minutes|things?|bits?|stuff|points|sources|information|piece|blog"
    r"|chapter|speech|description|section|excerpt|extract|snippet|code|logs?|meeting|discussion"
    r"|thread|news|lecture|comments?|feedback|title|headline|tweet|joke|recipe|menu|song|dialogue"
    r"|ergebnis(?:se)?|resultados?|resultats?|risultat[oi]|resumen|resumo|riassunto"
    r"|zusammenfassung|uebersetzung|traduction|traduccion|traduzione|traducao"
    r"|ones?|hits?|source|number"
    r"|script|contract|agreement|file|input|material|item|question|response)"
)
_DEICTIC = (
    r"(?:it|this|that|these|those|them|both|all|everything|something|anything|same|following|above|below|here"
    r"|previous|last|next|former|latter|original|lo|la|los|las|le|les|eso|esto|este|esta|ce|cet"
    r"|cette|ces|ceci|cela|ca|es|das|dies|diesen|dieses|diese|folgenden|folgendes|questo|questa"
    r"|quello|isto|isso|o|a|seguente|suivant|suivante|siguiente|seguinte|den|der|die|el|il|du)"
)
_EMPTY = (
    r"(?:the|an?|my|our|your|of|for|as|well|too|also|me|us|please|pls|up|down|back|out|again|all"
    r"|briefly|quickly|shortly|concisely|shorter|brief|concise|more|much|simply|then|now|what|just"
    r"|instead|each|every|by|itself|zusammen|bitte|por favor|per favore|whole|entire|and|finally|to"
    r"|into|in|with|about|from|sie|ihn|es|ubersetzen|zusammenfassen|here's|search|top|means?"
    r"|translated|summari[sz]ed"
    r"|language|written)"
)
_GIVEN = (
    rf"(?:(?:what|{_NOUN})\s(?:(?:that|which)\s)?(?:i|you|we)(?:'ve)?\s(?:just\s|have\s)?"
    r"(?:find|found|wrote|gave|sent|said|pasted|got|made|did)(?:\s(?:you|me))?)"
)
# A phrase that only points at a text.
POINTING = re.compile(rf"(?:[\s,.;:!?()-]|(?:{_GIVEN}|{_DEICTIC}|{_NOUN}|{_EMPTY})(?![\w'-]))*")
POINTING_WITH_ADJECTIVE = re.compile(
    rf"\s*(?:this|that|these|those|my|our|the (?:following|above|below|previous|last|given|first"
    rf"|second|third|fourth|fifth|quoted|attached|pasted|other))"
    rf"\s(?:[\w-]+\s){{0,2}}{_NOUN}(?:\s(?:below|above|here|for me|please))*[\s,.;:!?]*"
)
# One noun alone is more likely a word to work on: "translate letter to French".
BARE_WORD = re.compile(
    rf"\s*(?!text|summar|translation|result|answer|output|article|findings|response){_NOUN}[\s.!?]*"
)
# What a text is before the colon that it follows: "the email from my boss".
DESCRIBES = re.compile(
    r"\s*(?:(?:the|my|our|an?|his|her|their|this|that|these|those|following)\s+){0,2}"
    rf"(?:[\w'-]+\s+){{0,3}}{_NOUN}"
    r"(?:\s+(?:from|of|about|by|on|for|in|to|with|between|that|which|below|here|above|as|and)\b"
    r".{0,200})?[\s,]*"
)

# What a subject to search for may point at.
POINTING_SUBJECT = re.compile(
    r"\s{0,3}(?:(?:for|about|on|up) )?(?:it|this|that|them|these|those|esto|eso|das|es|cela|ca"
    r"|questo|isso"
    r"|(?:the|your|this|that) (?:results?|summary|translation|answer|outputs?|above|text|word"
    r"|topic|subject))?(?: (?:up|online|on the web|on the internet|please)){0,2}[\s.!?,;:]{0,5}"
)
SMALL_BEFORE_SUBJECT = re.compile(
    r"\s{0,200}(?:(?:me|us|some|please|out)\s{1,200}){0,2}"
    r"(?:(?:about|on|for|regarding|concerning)\s{1,200})?"
)
# What may stand before a text that is not quoted: "the sentence I love you".
INTRODUCED_AS = re.compile(
    r"[\s,]{0,3}how (?:do|would|can|should|could) (?:you|i|we|one) (?:say|write)\s{1,3}(?=\S)"
    r"|\s{0,3}(?:(?:the|this|following|these|that|my) ){0,2}(?:[\w-]{1,20} )?"
    r"(?:words?|phrase|sentence|expression|line|paragraph|term|(?<=\bthe )text"
    r"|(?<=\bfollowing )text)(?! (?:of|from|is|was|are|in|for|to)\b)[:,]?\s{1,3}(?=\S)"
)
COURTESY = re.compile(
    r"[\s,]{0,3}(?<!\w)(?:please|pls|plz|thanks|thank you|thx|for me|instead|too|as well"
    r"|bitte|por favor|per favore"
    r"|s'il (?:te|vous) plait|will you|would you|could you|asap|cheers)[\s.!?,;:]{0,5}$"
)
# Follows the language to go to without being part of the text.
AFTER_TARGET = re.compile(
    r"\s{0,3}(?:$|[,.;!?(-]|(?:for|so|because|since|as|please|using|with|via|thanks|now|too|and)\b)"
)

# Objects that mark "and <verb>" as a new wish and not as part of a text.
CHAINED_OBJECT = re.compile(
    rf"\s*(?:$|[,.;:!?\0]|(?:(?:it|this|that|them|these|those|both|all|everything"
    rf"|lo|la|es|le|as|sie|ihn"
    rf"|please|briefly|quickly|then|and|y|et|und|for me|zusammen|bitte)(?![\w'-])"
    rf"|(?:the|each|your|los|las|les|das|il|el) (?:[\w-]+ )?{_NOUN}\b|what (?:you|it)\b"
    rf"|(?:to|into|in|al|en|ins|auf|vers|para)\s))"
)
SEARCH_OBJECT = re.compile(
    r".*\b(?:for|about|on|up|out|web|internet|online|information|sobre|sur"
    r"|nach|uber|por)\s?$"
)

# Bare imperatives that nobody here may be able to follow; known so that they are told apart.
IMPERATIVE = re.compile(
    r"(?:write|make|create|draw|paint|compose|generate|build|design|plan|prepare|send|tell|show"
    r"|give|explain|describe|check|fix|proofread|rewrite|improve|book|buy|order|sing|play|call"
    r"|calculate|compute|solve|sort|list|compare|classify|extract|convert|cook|delete|set|ignore"
    r"|forget|pay|transfer|email|schedule|remind|post|publish|code|program|review|edit|format)"
    r"(?![\w'-])"
)
DETERMINER = re.compile(r"\s(?:an?|the|me|it|this|that|them|my|us|our|some|all|one|your)\b|\s?\0")

ALSO = re.compile(r"\s{0,3}(?:and )?(?:also|additionally|separately|besides|in addition)\b,?\s")
LIST_MARK = re.compile(r"^[ \t]{0,3}(?:\d{1,2}[.)]|[-*•])\s", re.MULTILINE)
PREFACE = re.compile(
    r"(?:[\s,.!-]|\b(?:please|do|the|these|this|following|my|tasks?|wish(?:es)?|have|got|things?|requests?|questions?"
    r"|to-?dos?|list|here|is|are|what|i|want|need|would|like|you|to|for|me|steps?|two|three|help"
    r"|with|all|of|hi|hello|hey|hubchat|assistant|can|could|instructions?|in|order|some)\b)+"
)

# Calling an agent by its name.
CALLS = re.compile(
    r"(?:ask|tell|have|let|get|use|using|call|invoke|hire|employ|run|try|message|contact|delegate"
    r"(?: this| it)? to|assign(?: this| it)? to|give (?:this|it) to|with|via|through|by|can|could"
    r"|would|will|should|pide a|frag|demande a)"
    r"(?: (?:the|an?|our|my|your))?(?= )"
)
DOES_IT = re.compile(r"have|let|get|try|can|could|would|will|should")
DOING = re.compile(r"(?:do|handle|take care of|work on|process|run|take)\b")
STARTS_TASK = re.compile(
    r"(?:'s)?(?: (?:agent|service|bot|assistant))?(?:\s{0,2}[:,-]\s{0,2}"
    r"|\s{1,3}(?:to|for)\b(?:\s(?:this|the following|that)\b(?=\s?:))?(?:\s?:)?"
    r"|\s(?=\0)|[\s.!?]{0,5}$)"
)
# Between an agent's name and what it is to do; a greeting there is part of the task.
AFTER_NAME = re.compile(r"(?:[\s,:;]|(?:please|kindly|also|then|just|now)\b){0,20}")
ANYONE = re.compile(
    r" (?:(?:the )?(?:web|internet)|you|someone|somebody|anyone|anybody|whoever|one of (?:the|your)"
    r" agents|agents?|(?:cheapest|best|right|fastest) agent|us|it|this) to\b"
)

# A request in free words that works on what was said or found before.
POINTS_BACK = re.compile(
    r"(?:^[\w'-]+|\b(?:about|of|from|on|with|using|in|to|for|into))(?: all)? "
    r"(?:it|this|that|them|these|those)(?= ?(?:$|[.!?;,\n]|(?:and|into|to|in|for|as)\b))"
    r"|\b(?:about|of|from|on|with|using|in|to|for) (?:the|your)"
    r" (?:results?|summary|translation|answer|text)\b"
    r"|^[\w'-]+ (?:the|your) (?:results?|summary|translation|answer|text)\b"
)

# "good morning in Spanish": a few words to be translated, with no verb.
A_FEW_WORDS = re.compile(
    r"[\s¿¡]{0,3}(?P<text>[^\W\d_][\w'-]*(?: [\w'-]+){0,3}) (?=(?:in|auf|en) )"
    r"|[\s¿¡,]{0,3}(?:(?:handle|do|take|process) )?(?P<quote>\0) (?=(?:in|to|into|auf|ins|en|al"
    r"|->|=>) )"
)
JOINTS = word_set(
    "and now then also please ok okay again instead same the it this that too or but so what about"
    " how do once more everything all yes"
)
# How people begin to ask for something in free words, and how they tell something.
ASKS = re.compile(
    rf"(?:{IMPERATIVE.pattern})|(?:do|perform|run|get|help|find|use|apply|provide|offer|i need"
    r"|need|want|looking for|i want|i would like|i'd like|can|could|please)\b"
)
STATEMENT = re.compile(
    r"(?:the|this|that|these|those|he|she|it|we|they|there|his|her|our|their|its|yesterday|today"
    r"|when|if|in|on|at|although|while|after|before|since|i (?!need|want|would|wish|like)\w+)"
    r"\b(?=(?:\W+\w+){8})"
)
# Where the next wish begins, so that a language named after it belongs to that one.
NEXT_VERB = re.compile(
    r"(?:[,.;]|\b(?:and|then)\b)[\s,]{1,3}(?:(?:and|then|also|please|finally) ){0,3}"
    r"(?:translat|summari|search|find |shorten|condens|analy|look up|research|traduc|tradui"
    r"|traduz|ubersetz|resum|riassum)"
)

# A request for how an agent works, "premium" and the like, and not for what it does.
QUALITY_TASK = re.compile(
    rf"\b({'|'.join(sorted(QUALITIES))})[ -](?:purpose )?(?:tasks?|agents?|services?|jobs?|work"
    r"|help|advice|support|quality|requests?|treatment|assistance)\b"
)
# What may stand before a quotation that is the text: "the German sentence", "the sentiment of".
INTRODUCES_QUOTE = re.compile(
    rf"\s{{0,3}}(?:(?:the|this|that|my|an?|his|her|following)\s)?(?:[\w-]+\s){{0,2}}"
    rf"(?:{_NOUN}|(?:of|in|from)(?: the| this)?(?: [\w-]+)?(?: {_NOUN})?)[\s:,]{{0,5}}"
)
