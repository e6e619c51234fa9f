"""`make eval`: how many sentences the rules get right, by kind, and what they charge unwanted."""

import sys
from collections import Counter

from tests.chat.planner.eval.judge import Verdict, cases, judge

ALL = ["given", "own", "held", *(f"held{number}" for number in range(2, 20))]


def table(verdicts: list[Verdict]) -> str:
    """The shares by kind, as a table in Markdown."""
    total = Counter(one.case.kind for one in verdicts)
    right = Counter(one.case.kind for one in verdicts if one.right)
    unwanted = Counter(one.case.kind for one in verdicts if one.unwanted)
    lines = ["| Kind | Cases | Right | Wrong | Charged unwanted |", "|---|---|---|---|---|"]
    for kind in sorted(total):
        wrong = total[kind] - right[kind]
        lines.append(f"| {kind} | {total[kind]} | {right[kind]} | {wrong} | {unwanted[kind]} |")
    count, good, bad = (sum(one.values()) for one in (total, right, unwanted))
    shares = f"{good / count:.0%} | {(count - good) / count:.0%} | {bad / count:.1%}"
    return "\n".join([*lines, f"| all | {count} | {shares} |"])


def main(names: list[str]) -> None:
    """Print the table of each file of cases, and with -v what went wrong."""
    for name in [one for one in names if one != "-v"] or ALL:
        verdicts = [judge(case) for case in cases(name)]
        sys.stdout.write(f"\n{name}\n\n{table(verdicts)}\n")
        for one in verdicts if "-v" in names else ():
            if not one.right:
                paid = [(p.agent, p.language, p.text[:70]) for p in one.paid]
                mark = "$$" if one.unwanted else "  "
                say = f"{one.case.before!r} > {one.case.say!r}"[-230:]
                sys.stdout.write(f"{mark} {one.case.kind}: {say}\n     paid {paid}\n")
                sys.stdout.write(f"     said {one.answer[:170]!r}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
