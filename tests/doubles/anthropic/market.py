"""A script that holds a real conversation: it does what it reads, and knows no agent by name.

It looks at the agents, takes those whose skills are named before the colon, negotiates where it is
told to, invokes, and answers with what came of it: always the same for the same words. Several
texts in quotes are worked on side by side; several skills, one after the other. A colleague with
the same skill stands by.
"""

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.doubles.anthropic.replies import Reply, Use
from tests.doubles.anthropic.request import Body, Message, Text, ToolResult, ToolUse

Json = dict[str, Any]
QUOTED = re.compile(r"'([^']+)'|\"([^\"]+)\"")
LANGUAGE = re.compile(r"\b(?:to|into|in) ([A-Z][a-z]+)\b")
FACTS = re.compile(r"<task_facts>\n(.*)\n</task_facts>", re.DOTALL)
FENCE = re.compile(r"<agent_output>\n(.*)\n</agent_output>", re.DOTALL)
DEAR = Decimal("0.4")
"""Share of the money left above which a price is talked about."""
OFFER = Decimal("0.8")


@dataclass(frozen=True)
class Done:
    """A tool that was used in this turn, and what came of it."""

    use: ToolUse
    result: Json
    error: bool


@dataclass(frozen=True)
class Work:
    """What a wish asks of one skill; no text for the result before it."""

    skill: str
    text: str | None
    language: str


def script(body: Body) -> Reply:
    """The reply to a request of the marketplace; an agent's own request gets its text back."""
    if not body.tools:
        return Reply(say=[_texts(body.messages[-1])[-1]])
    start = max(i for i, message in enumerate(body.messages) if _is_said(message))
    said = _texts(body.messages[start])[0]
    done = _done(body.messages[start:])
    facts = json.loads(FACTS.findall(_texts(body.messages[-1])[-1])[-1])
    if body.tool_choice is not None and body.tool_choice.type == "none":
        return Reply(say=["I have to stop here. ", *_answers(done)])
    listed = next((one.result for one in done if one.use.name == "list_agents"), None)
    if listed is None:
        return Reply(say=["Let me see who can do this."], use=[Use("list_agents")])
    works = plan(said, _earlier_result(body.messages[:start]), listed.get("agents", []))
    if not works:
        return Reply(say=["I know no agent for this."])
    return _next(works, listed["agents"], done, Decimal(facts["left"].split()[0]))


def plan(said: str, before: str, agents: list[Json]) -> list[Work]:
    """What is to be done, in the order in which it is named."""
    wish, colon, rest = said.partition(":")
    quoted = [one or other for one, other in QUOTED.findall(said)]
    texts = [rest.strip()] if colon and rest.strip() else quoted or [before]
    if not texts[0]:
        return []
    bare = QUOTED.sub("", wish).casefold()
    skills = {skill for agent in agents for skill in agent["skills"] if skill.casefold() in bare}
    languages = LANGUAGE.findall(QUOTED.sub("", wish))
    works = []
    for number, text in enumerate(texts):
        for place, skill in enumerate(sorted(skills, key=lambda one: bare.index(one.casefold()))):
            language = languages[min(number, len(languages) - 1)] if languages else ""
            works.append(Work(skill, None if place else text, language))
    return works


def _next(works: list[Work], agents: list[Json], done: list[Done], left: Decimal) -> Reply:
    """The next tools for the works, or the answer."""
    invoked = [one for one in done if one.use.name == "invoke_agent"]
    if invoked and (invoked[-1].error or invoked[-1].result.get("status") != "completed"):
        return Reply(say=["\n\n".join(_answers(done))])
    ready = works[len(invoked) :]
    if not ready:
        return Reply(say=["\n\n".join(_answers(done))])
    first_needs = next((i for i, work in enumerate(ready) if work.text is None and i), len(ready))
    uses, haggles, spent = [], [], Decimal(0)
    for work in ready[:first_needs]:
        able = _able(work, agents)
        if not able:
            return Reply(say=["\n\n".join([*_answers(done), f"Nobody can {work.skill} now."])])
        agent = able[0]
        talked = [o.result for o in done if o.use.input.get("agent_id") == agent["agent_id"]]
        agreed = next((one for one in talked if one.get("agreed")), None)
        price = Decimal(agreed["price"] if agreed else agent["price"])
        if agent["negotiable"] and price > left * DEAR and not talked:
            offer = min(price * OFFER, left).quantize(Decimal("0.0001"))
            haggles.append(
                Use("negotiate_price", {"agent_id": agent["agent_id"], "max_price": float(offer)})
            )
        spent += price
        uses.append(_invoke(work, able, agreed, invoked))
    if haggles:
        return Reply(say=["That is dear; I ask for a better price."], use=haggles)
    if spent > left:
        short = f"That would cost {spent} BazaarBucks, but only {left} are left."
        return Reply(say=["\n\n".join([*_answers(done), short])])
    return Reply(say=[f"Now: {', '.join(work.skill for work in ready[:first_needs])}."], use=uses)


def _able(work: Work, agents: list[Json]) -> list[Json]:
    """Who has the skill, best first."""
    found = [agent for agent in agents if work.skill in agent["skills"] and agent["available"]]
    return sorted(found, key=lambda agent: (Decimal(agent["price"]), agent["agent_id"]))


def _invoke(work: Work, able: list[Json], agreed: Json | None, invoked: list[Done]) -> Use:
    text: Any = work.text
    if text is None:
        text = {"$result": invoked[-1].result["call_id"]}
    wanted: Json = {
        "agent_id": able[0]["agent_id"],
        "payload": _payload(able[0], text, work.language),
    }
    if agreed is not None:
        wanted["negotiation_id"] = agreed["negotiation_id"]
    wanted["alternatives"] = [
        {"agent_id": agent["agent_id"], "payload": _payload(agent, text, work.language)}
        for agent in able[1:3]
    ]
    return Use("invoke_agent", wanted)


def _payload(agent: Json, text: Any, language: str) -> Json:
    schema = agent.get("input_schema") or {}
    required = schema.get("required") or ["text"]
    payload = {required[0]: text}
    if language and "target_language" in schema.get("properties", {}):
        payload["target_language"] = language
    return payload


def _answers(done: list[Done]) -> list[str]:
    """What came of the works, the results that others were made of left out."""
    used = json.dumps([one.use.input for one in done])
    lines = []
    for one in done:
        if one.use.name == "negotiate_price" and one.result.get("agreed"):
            lines.append(f"{one.result['agent']} agreed to {one.result['price']} BazaarBucks.")
        elif one.use.name == "invoke_agent":
            about = one.result
            if about.get("troubles"):
                lines.append(f"{about['agent']} took over: {'; '.join(about['troubles'])}")
            if about.get("status") != "completed":
                lines.append(f"It did not work out: {about.get('error') or about}")
            elif about["call_id"] not in used:
                lines.append(about["result"])
    return lines or ["There is nothing yet."]


def _earlier_result(messages: list[Message]) -> str:
    """The last result of earlier turns, else the last answer."""
    for one in reversed(_done(messages)):
        if one.use.name == "invoke_agent" and one.result.get("status") == "completed":
            return str(one.result["result"])
    answers = [message for message in messages if message.role == "assistant"]
    return _texts(answers[-1])[-1] if answers and _texts(answers[-1]) else ""


def _done(messages: list[Message]) -> list[Done]:
    uses = {
        block.id: block
        for message in messages
        for block in message.blocks()
        if isinstance(block, ToolUse)
    }
    return [
        Done(uses[block.tool_use_id], _data(block), block.is_error)
        for message in messages
        for block in message.blocks()
        if isinstance(block, ToolResult)
    ]


def _data(block: ToolResult) -> Json:
    """The JSON in a result; {} for what is none."""
    found = FENCE.search(str(block.content))
    try:
        data = json.loads(found[1] if found else str(block.content))
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _is_said(message: Message) -> bool:
    return message.role == "user" and not any(
        isinstance(block, ToolResult) for block in message.blocks()
    )


def _texts(message: Message) -> list[str]:
    return [block.text for block in message.blocks() if isinstance(block, Text)]
