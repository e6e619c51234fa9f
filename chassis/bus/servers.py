"""NATS_URL taken apart: which servers there are, and as whom one comes to them.

A server of a cluster tells its clients where the others are, and with no login. A client that has
its login in the URLs alone comes to those as a stranger: it is turned away, or let in as whoever
may only look. So the login is given apart, for all servers.
"""

from dataclasses import dataclass

from faststream.nats.security import NatsSecurity, NatsToken, NatsUserPassword


@dataclass(frozen=True, slots=True)
class Servers:
    """Where to connect, and as whom.

    Attributes:
        urls: without a login.
        user: empty when there is none.
        password: empty when `user` is a token.
    """

    urls: list[str]
    user: str = ""
    password: str = ""

    def options(self) -> dict[str, str | list[str]]:
        """As `nats.connect` takes it."""
        if not self.user:
            return {"servers": self.urls}
        if not self.password:
            return {"servers": self.urls, "token": self.user}
        return {"servers": self.urls, "user": self.user, "password": self.password}

    def security(self) -> NatsSecurity | None:
        """The login as FastStream takes it."""
        if not self.user:
            return None
        return NatsUserPassword(self.user, self.password) if self.password else NatsToken(self.user)


def servers(nats_url: str) -> Servers:
    """The servers of a NATS_URL; the first login counts for all."""
    urls, logins = [], []
    for url in nats_url.split(","):
        scheme, between, rest = url.strip().rpartition("://")
        login, _, place = rest.rpartition("@")
        urls.append(f"{scheme}{between}{place}")
        logins.append(login)
    user, _, password = next(filter(None, logins), "").partition(":")
    return Servers(urls, user, password)
