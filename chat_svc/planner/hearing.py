"""What a message says before its wishes are read: zones, limits, and commands spelt right."""

from dataclasses import dataclass, replace

from chat_svc.planner.folding import fold
from chat_svc.planner.respelling import respell
from chat_svc.planner.source import Source, read_source
from chat_svc.planner.terms import Terms, cap_after, cap_before, read_terms
from chat_svc.planner.zones import Zones, asks, is_prose, read_zones


@dataclass(frozen=True, slots=True)
class Heard:
    """A message.

    Attributes:
        text: as typed, but for misspelt commands and the words that limit it.
        source: the same, folded.
        zones: its instruction and its material; None when they are one.
        terms: what it rules out.
    """

    text: str
    source: Source
    zones: Zones | None
    terms: Terms

    @property
    def pasted(self) -> str | None:
        """The text of a message that holds nothing but one."""
        if self.zones is None:
            return self.text.strip() if is_prose(self.source.plain) else None
        only = not asks(fold(self.zones.instruction))
        return self.zones.material if only and is_prose(fold(self.zones.material)) else None


def hear(text: str) -> Heard:
    """Reads a message; what limits it is looked for in its instruction alone."""
    text = respell(text, fold(text))
    source = read_source(text)
    zones = read_zones(source)
    if zones is None or not (zones.announced or is_prose(fold(zones.material))):
        told, terms = read_terms(text)
        if told != text:
            source = read_source(told)
            zones = read_zones(source)
        return Heard(told, source, zones, terms)
    instruction, terms = read_terms(zones.instruction)
    if terms.cap is None:
        material, cap = cap_after(zones.material)
        zones, terms = replace(zones, material=material), replace(terms, cap=cap)
    if terms.cap is None and zones.start == 0:
        terms = replace(terms, cap=cap_before(text))
    return Heard(text, source, replace(zones, instruction=instruction), terms)
