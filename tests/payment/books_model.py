"""The books as they should be: a small model in memory, in whole millionths of BazaarBucks."""

from dataclasses import dataclass, field

from contracts.errors import Conflict, Invalid, NotFound, PaymentRequired, Refusal

Refused = type[Refusal]


@dataclass
class Hold:
    """A hold as the model knows it."""

    account: str
    task: str
    agent: str
    asked: int
    held: int
    status: str = "held"
    captured: int = 0
    external: int = 0
    fee: int = 0
    refunded: int = 0
    returned: int = 0
    bought_back: int = 0
    replaces: str | None = None

    @property
    def left(self) -> int:
        return self.captured - self.refunded


@dataclass
class Model:
    """Wallets, budgets and holds; each method says which refusal is due, None for success."""

    grants: dict[str, int]
    budgets: dict[str, int]
    fee: tuple[int, int]
    owners: dict[str, str] = field(default_factory=dict)
    holds: dict[str, Hold] = field(default_factory=dict)

    def held(self, **by: str) -> int:
        return sum(h.held for h in self._of(by) if h.status == "held")

    def spent(self, **by: str) -> int:
        return sum(h.captured + h.external - h.refunded - h.bought_back for h in self._of(by))

    def earned(self, agent: str) -> int:
        found = self._of({"agent": agent})
        return sum(h.captured - h.fee - (h.refunded - h.returned) for h in found)

    def fees(self) -> int:
        return sum(h.fee - h.returned for h in self.holds.values())

    def _of(self, by: dict[str, str]) -> list[Hold]:
        every = self.holds.values()
        return [h for h in every if all(getattr(h, k) == v for k, v in by.items())]

    def room(self, account: str, task: str) -> int:
        """The most that a hold may be."""
        if self.owners.get(task, account) != account:
            return -1
        in_budget = self.budgets[task] - self.held(task=task) - self.spent(task=task)
        return min(in_budget, self.available(account))

    def fits(self, wanted: Hold) -> bool:
        """Whether it can be held; what costs nothing is held even by who owes something."""
        most = self.room(wanted.account, wanted.task)
        if not wanted.asked and self.owners.get(wanted.task, wanted.account) == wanted.account:
            return True
        return wanted.asked <= most

    def available(self, account: str) -> int:
        return self.grants[account] - self.held(account=account) - self.spent(account=account)

    def place(self, id_: str, wanted: Hold) -> Refused | None:
        if known := self.holds.get(id_):
            same = all(
                getattr(known, name) == getattr(wanted, name)
                for name in ("account", "task", "agent", "asked", "replaces")
            )
            return None if same and known.status != "released" else Conflict
        if not self.fits(wanted):
            return PaymentRequired
        self.owners.setdefault(wanted.task, wanted.account)
        self.holds[id_] = wanted
        return None

    def replace(self, id_: str, wanted: Hold) -> Refused | None:
        old = self.holds.get(wanted.replaces or "")
        if old is None or (old.account, old.task, old.status) != (
            wanted.account,
            wanted.task,
            "held",
        ):
            return self.place(id_, wanted)
        old.status = "released"
        refused = self.place(id_, wanted)
        if refused:
            old.status = "held"
        return refused

    def top_up(self, account: str, amount: int) -> None:
        self.grants[account] += amount

    def take_back(self, account: str, amount: int) -> None:
        self.grants[account] -= amount

    def extend(self, id_: str, account: str, amount: int) -> Refused | None:
        hold = self.holds.get(id_)
        if hold is None or hold.account != account:
            return NotFound
        if hold.status != "held":
            return Conflict
        room = self.room(hold.account, hold.task)
        hold.held += max(0, min(amount - hold.held, room))
        return None

    def complete(self, id_: str, cost: int, external: int) -> Refused | None:
        hold = self.holds.get(id_)
        if hold is None or hold.status == "released":
            return Invalid
        if hold.status == "captured":
            return None
        if cost + external > hold.held:
            return Invalid
        rate, of = self.fee
        hold.status, hold.captured, hold.external = "captured", cost, external
        hold.fee = cost * rate // of
        return None

    def fail(self, id_: str, account: str, task: str, agent: str) -> None:
        hold = self.holds.get(id_)
        if hold is None:
            self.holds[id_] = Hold(account, task, agent, 0, 0, "released")
        elif hold.status == "held":
            hold.status = "released"
        else:
            self.give_back(hold, hold.left)
            hold.bought_back = hold.external

    def refund(self, id_: str, account: str, amount: int | None) -> Refused | None:
        hold = self.holds[id_]
        if hold.account != account:
            return NotFound
        if not hold.left:
            return Conflict
        if amount is None:
            hold.bought_back = hold.external
        amount = hold.left if amount is None else amount
        if amount > hold.left:
            return Invalid
        self.give_back(hold, amount)
        return None

    def refund_card(self, id_: str, account: str) -> Refused | None:
        hold = self.holds[id_]
        if hold.account != account:
            return NotFound
        if hold.bought_back:
            return Conflict
        hold.bought_back = hold.external
        return None

    def give_back(self, hold: Hold, amount: int) -> None:
        if amount:
            hold.refunded += amount
            hold.returned = hold.fee * hold.refunded // hold.captured

    def enter(self, id_: str, wanted: Hold) -> Refused | None:
        if id_ in self.holds:
            return Conflict
        refused = self.place(id_, wanted)
        return refused or self.complete(id_, wanted.asked, 0)
