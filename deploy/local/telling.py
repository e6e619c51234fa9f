"""Tells in the terminal what happens in a turn: a line for each event, and the model's words."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from chassis.observability.terminal import one_line, plain, quoted

Json = dict[str, Any]
WIDTH = 9
GO_ON = ("bazaar ask --task ", ' "..."')
"""How a task is gone on with: before and behind its id."""
IN_NAMES = " _-.'&"
"""Signs of names that need no quotes; our lines are made of commas, colons and brackets."""


class Telling:
    """Writes a turn as it goes; nobody's words steer the terminal, or look like lines of ours.

    Args:
        names: agents' display names by id.
        write: told the text, with its line ends.
    """

    def __init__(self, names: Mapping[str, str], write: Callable[[str], None]) -> None:
        self._names = names
        self._write = write
        self._spoken = ""
        """What the model said since the last line of ours."""
        self._round = -1

    def tell(self, event: Json) -> None:
        """Tell an event of the stream; those that say nothing to people are passed over."""
        data = event.get("data") or {}
        match event["type"]:
            case "turn.streamed":
                self._speak(data["round"], data["offset"], data["text"])
            case "plan.proposed":
                steps = (
                    f"{named(s['skill'])} by {self._name(s['agentId'])}" for s in data["steps"]
                )
                self.line("plan", ", ".join(steps))
            case "price.negotiated":
                self.line("price", _negotiated(data))
            case "step.started":
                self.line("started", self._name(data["agentId"]))
            case "step.completed":
                cost = Decimal(data["cost"]) + Decimal(data["externalCost"])
                took = f"{money(cost)}, {data['executionTime']} ms"
                self.line("done", f"{self._name(data['agentId'])}, {took}")
            case "step.failed":
                self.line("failed", f"{self._name(data['agentId'])}: {data['error']}")
            case "turn.completed":
                self._end(data["message"])

    def line(self, what: str, text: str) -> None:
        """A line of its own."""
        if self._spoken and not self._spoken.endswith("\n"):
            self._write("\n")
        self._spoken = ""
        self._write(f"{what:<{WIDTH}}{one_line(text)}\n")

    def _speak(self, round_: int, offset: int, text: str) -> None:
        if offset == 0:
            if self._spoken and round_ == self._round:
                self.line("", "(cut off; it begins anew)")
            else:
                self._write("\n\n" if self._spoken else "\n")
            self._spoken, self._round = "", round_
        self._spoken += text
        self._write(plain(text))

    def _end(self, message: Json) -> None:
        """The answer, unless it was just said; the bill; and who decided."""
        answer = message["content"]
        if self._spoken.strip() != answer.strip():
            self._write("\n" if self._spoken else "")
            self._write(plain(f"\n{answer}\n"))
        elif not self._spoken.endswith("\n"):
            self._write("\n")
        self._write("\n".join([*_bill(message), *_decided(message, GO_ON), ""]))

    def _name(self, agent_id: str) -> str:
        return named(self._names.get(agent_id, agent_id))


def named(name: str) -> str:
    """Somebody's name among words of ours, in quotes if it could be taken for them."""
    return quoted(name, IN_NAMES)


def trimmed(of: object) -> str:
    """An amount, as the API or an event has it, for people: without the zeros at its end."""
    text = format(Decimal(str(of)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def money(of: object) -> str:
    """An amount with its unit."""
    return f"{trimmed(of)} BazaarBucks"


def _negotiated(data: Json) -> str:
    listed = money(Decimal(data["listPrice"]))
    offers = ", ".join(str(offer["offered"]) for offer in data["offers"] if "offered" in offer)
    rounds = f" (offered: {offers})" if offers else ""
    name = named(data["agentName"])
    if data["agreed"]:
        return f"{name}: {money(Decimal(data['price']))} instead of {listed}{rounds}"
    return f"{name}: no agreement, it stays at {listed}{rounds}"


def _bill(message: Json) -> list[str]:
    bill = message.get("costBreakdown")
    if not bill:
        return []
    rows = [(named(item["agent"]), money(Decimal(item["cost"]))) for item in bill["subtasks"]]
    return ["", "Bill", *_columns([*rows, ("total", money(Decimal(bill["total"])))])]


def _decided(message: Json, go_on: tuple[str, str]) -> list[str]:
    lines = [""]
    if who := message.get("orchestrator"):
        lines.append(one_line(f"Decided by {who}{_model(message.get('llm'))}."))
    if task := message.get("taskId"):
        lines.append(one_line(f"Go on with it: {task.join(go_on)}"))
    return lines if len(lines) > 1 else []


def _model(llm: Json | None) -> str:
    if not llm:
        return ""
    charged = f", charged {money(Decimal(llm['charged']))}" if llm.get("charged") else ""
    return (
        f" ({llm['model']}: {llm['input']:,} tokens in, {llm['cached']:,} of them cached,"
        f" {llm['output']:,} out, ${Decimal(llm['usd']).normalize():f}{charged})"
    )


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows]
    return ["  " + "  ".join(row).rstrip() for row in padded]
