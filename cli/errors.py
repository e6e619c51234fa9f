"""How a command ends: a sentence for people, and a code for scripts."""

from enum import IntEnum
from http import HTTPStatus

from deploy.local.answers import AskError


class Code(IntEnum):
    """The exit codes; 2 is what every command line answers to wrong arguments."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    AWAY = 3
    UNKNOWN = 4
    """Nobody who may: no key, a wrong one, or one without the scope."""
    MONEY = 5
    """The budget or the wallet does not cover it."""
    MISSING = 6
    INTERRUPTED = 130


class Failed(Exception):
    """The command came to nothing; `args[0]` is a sentence for people."""

    def __init__(self, sentence: str, code: Code = Code.FAILED) -> None:
        super().__init__(sentence)
        self.code = code


NO_KEY = "Give a key by --key or BAZAAR_KEY; bazaar keys make has one made by this machine's stack."


def refused(error: AskError) -> Failed:
    """A gateway's refusal as the end of a command, and what to do where it is for want of a key."""
    more = f"\n{NO_KEY}" if error.status == HTTPStatus.UNAUTHORIZED else ""
    return Failed(f"{error}{more}", code_of(error.status or 0))


def code_of(status: int) -> Code:
    """The exit code that an HTTP status comes to."""
    known = {401: Code.UNKNOWN, 402: Code.MONEY, 403: Code.UNKNOWN, 404: Code.MISSING}
    away = {502: Code.AWAY, 503: Code.AWAY, 504: Code.AWAY}
    return (known | away).get(status, Code.FAILED)
