"""What came of declaring streams, consumers and buckets."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from nats.js.errors import APIError, ServiceUnavailableError

NO_ROOM = 10047
"""JetStream's number for what the server cannot set so many bytes aside for."""
NOT_YET = frozenset({10005, 10008, 10009})
"""JetStream's numbers for too few servers that are there, for no leader, and for having been one.
"""


@dataclass(slots=True)
class Declared:
    """What came of declaring, as sentences.

    Attributes:
        mended: what was missing or different.
        missing: what could not be made, so that nobody can work with it.
        different: what could not be undone.
        bytes: what each stream has on disk, and what it may have.
    """

    mended: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    bytes: dict[str, tuple[int, int]] = field(default_factory=dict)

    def failed(self, name: str, wrong: Sequence[str], error: APIError) -> None:
        """Note what the server refused to make, or to change.

        Raises:
            ServiceUnavailableError: it could not, just now.
        """
        if error.err_code in NOT_YET:
            raise ServiceUnavailableError(
                code=error.code, description=error.description, err_code=error.err_code
            ) from error
        said = f"({error.description})"
        if error.err_code == NO_ROOM:
            said = f"({error.description}; make room, or set STREAM_BYTES to less)"
        if wrong:
            self.different.append(f"{'; '.join(wrong)}, and cannot be undone {said}")
        else:
            self.missing.append(f"{name} is missing, and cannot be made {said}")
