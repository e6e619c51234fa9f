"""Messages about the credentials that agents want to see with calls, which their owners gave."""

from pydantic import Field

from contracts.base import Call, Id, Model

HEADER = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$"
VALUE = r"^[!-~]([ -~]{0,4094}[!-~])?$"


class SetCredential(Model):
    """Keeps what is sent with calls of an agent, in the place of what was kept before.

    Attributes:
        header: its name.
        value: a secret; None to keep none any more.
        as_admin: whether the agent may be anybody's.
    """

    agent_id: Id
    header: str = Field(default="Authorization", pattern=HEADER)
    value: str | None = Field(default=None, pattern=VALUE, repr=False)
    as_admin: bool = False


class CredentialKept(Model):
    """What is kept, without the secret.

    Attributes:
        origin: where alone it is sent: scheme, host and port of the listing; None when none is
            kept.
    """

    agent_id: Id
    header: str | None = None
    origin: str | None = None


SET_CREDENTIAL = Call("task", "set_credential", SetCredential, CredentialKept)
