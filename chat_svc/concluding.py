"""The end of a turn whose answer follows from what was done: at once, with the last result.

The rules decide nothing any more once the agents have worked. To be asked for their answer by an
order to think costs two transactions, two messages, a look at the market and one at the account's
conversation, which is half of what a turn costs here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from chassis.bus.calls import Bus
from chassis.db.transaction import Transaction
from chat_svc import store, store_rounds
from chat_svc.acting import Decided, act
from chat_svc.domain import StoredCall
from chat_svc.limits import seconds_until
from chat_svc.orchestrator import Move, Orchestrator, Round
from chat_svc.recall import rounds_of
from chat_svc.rules import Rules, conclude
from chat_svc.settings import Settings
from chat_svc.speech import speaking
from chat_svc.turn import is_due

MOST_CHARS = 65_536
"""Of results that are put into an answer at once; longer ones are for a thread of their own."""


@dataclass(frozen=True, slots=True)
class Concluding:
    """Ends turns whose orchestrator has nothing to decide any more.

    Attributes:
        conclude: the answer that follows from the moves so far; None when there is more to decide.
            A language model always has.
    """

    bus: Bus
    settings: Settings
    name: str
    conclude: Callable[[Sequence[Round]], Move | None] | None

    async def end(self, tx: Transaction, turn: store.Found, calls: Sequence[StoredCall]) -> bool:
        """End a turn, whose row is locked, if its next move is due and is such an answer."""
        if self.conclude is None or tx.cause is None or not is_due(turn, calls):
            return False
        if not seconds_until(turn.deadline_at, datetime.now(UTC)):
            return False
        if sum(len(call.content or "") for call in calls) > MOST_CHARS:
            return False
        moves = await store_rounds.own_moves(tx.conn, turn.id)
        if any(move.model for move in moves):
            return False  # Begun by a language model, which is to be paid for.
        move = self.conclude(rounds_of(moves, calls))
        if move is None:
            return False
        async with speaking(self.bus, tx.cause, turn.id, turn.task_id, turn.round) as say:
            await say(move.text)
        decided = Decided(move, None, before=calls)
        await act(tx, turn, decided, self.name, Decimal(0), self.settings)
        return True


def concluding(orchestrator: Orchestrator, bus: Bus, settings: Settings) -> Concluding:
    """What ends the turns of an orchestrator at once, where that is possible."""
    follows = conclude if isinstance(orchestrator, Rules) else None
    return Concluding(bus, settings, orchestrator.name, follows)
