"""Why an agent does not answer, each reason with its HTTP status."""


class AgentError(Exception):
    """The call fails with `status`, and the caller reads the message as `detail`."""

    status = 500


class MalformedBodyError(AgentError):
    """The body is not JSON."""

    status = 400


class PriceTooLowError(AgentError):
    """The offered price is below what the agent works for."""

    status = 402


class BodyTooLargeError(AgentError):
    """The body is over the size limit."""

    status = 413


class UnsupportedError(AgentError):
    """The payload is wrong, or asks for something that no engine here can do."""

    status = 422


class UnavailableError(AgentError):
    """Busy, or the engine that should answer cannot be reached; a later try may succeed."""

    status = 503
