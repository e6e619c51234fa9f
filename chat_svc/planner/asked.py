"""How questions to the world begin, in whole sentences and in the few words of a search box."""

import re

QUESTION = re.compile(
    r"(?:what|who|when|where|why|how|which|whose|whats|whos|wheres|whens|hows"
    r"|(?:is|was) it (?:true|\w+ (?:to|that|for))\b|is it \w+ (?=.*\?)"
    r"|was (?!ist|sind|hei|kost|bedeut|ha[bst]|kann|mach|gib|wird|war)(?=.{2,80}\?)"
    r"(?!(?:you|i|we|it|he|she|they|this|that|these|those|there|my|our|your)\b)"
    r"|(?:is|are|were|has|have|can|could|should) (?=.{2,80}\?)"
    r"(?!(?:you|u|i|we|it|he|she|they|this|that|these|those|there|any|some|someone|my|our|your|the"
    r" \w+(?: agents?)?|mock_)\b)"
    r"|(?:the )?(?:differences?|relationship) between|(?:the )?"
    r"(?:meaning|definition|history|causes?|symptoms|benefits|advantages|population|capital|origins?"
    r"|examples?|height|size|age|price) of"
    r"|(?:the )?best (?:time|way|place|ways|places) (?:to|for)|how-to"
    r"|(?:any |some )?(?:good |new |recent |latest )?(?:research|news|studies|papers|articles"
    r"|info|information|facts|data|sources|books) (?:on|about)"
    r"|(?:is|are|was|were) there|do (?!not|n't|nothing|the|a|an|so|all"
    r"|everything|you|i\b|it|this|that|any|mock_)"
    r"|(?:does|did) (?!you|i\b|we|it|this|that|any|mock_)"
    r"|(?:che )?cos'e|o que e|qu'est-ce|c'est quoi|was bedeutet"
    r"|was ist|was sind|wer|wann|warum|wieso|que es|quien|cuando|donde|por que|cual|qui|quand|quel"
    r"|quelle|pourquoi|chi|cosa|dove|perche|quem|onde)\b"
    r"(?!.{0,80}\b(?:you|your|du|dich|dir|dein\w*|tu|toi|vous|usted|voce|sai|puoi|puedes|sabes"
    r"|sais-tu|peux-tu)\b)"
)
"""A question that a search may answer; none that is put to us ("what can you do?")."""
