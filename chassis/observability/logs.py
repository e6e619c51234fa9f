"""Structured logs: one JSON object a line, with task, correlation and account where known.

No line holds what a caller or an agent sent, nor a secret: errors are told without their values
(`chassis.observability.wording`), wherever they come from, and libraries are heard from WARNING
on, whatever LOG_LEVEL says, since some of them tell what they send.
"""

import json
import logging
import re
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

import structlog

from chassis.observability.terminal import plain, visible
from chassis.observability.wording import traced, worded
from chassis.release import PACKAGES
from chassis.settings import BusSettings

OURS = PACKAGES | {"__main__"}
"""Packages whose loggers follow LOG_LEVEL."""
SERVER = "uvicorn.error"
"""What a library says at INFO, too: that the port is open, and what a stop waits for."""
_UP_TO_VALUES = {"asyncio": re.compile(r"[^(<\n]*"), "py.warnings": re.compile(r".*?:\d+: \w+")}
"""What of these loggers' words holds nobody's values; they go on with the repr of anything."""

_JSON = json.JSONEncoder(default=repr)
log = structlog.get_logger()
Event = structlog.typing.EventDict


def configure(settings: BusSettings, service: str) -> None:
    """Send structlog and the libraries' own logs to stdout as JSON (or text for people)."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _without_values,
    ]
    render: list[structlog.typing.Processor] = (
        [structlog.processors.JSONRenderer(serializer=_as_json)]
        if settings.log_format == "json"
        else [_in_a_line, structlog.dev.ConsoleRenderer(colors=False), _shown]
    )
    level = logging.getLevelName(settings.log_level)

    def name_service(_logger: object, _method: str, event: Event) -> Event:
        event["service"] = service
        return event

    # What is ours is written at once: as records of `logging`, a line costs three times as much.
    structlog.configure(
        processors=[*shared, name_service, *render],
        logger_factory=structlog.WriteLoggerFactory(sys.stdout),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.addFilter(_worth_hearing)
    handler.addFilter(_without_values_of_libraries)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                name_service,
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *render,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(level, logging.WARNING))
    for name in OURS:
        logging.getLogger(name).setLevel(level)
    logging.getLogger(SERVER).setLevel(max(level, logging.INFO))
    logging.captureWarnings(capture=True)
    _hear_last_words()


def _as_json(event: Event, **_options: Any) -> str:
    """A line of JSON, in ASCII alone."""
    return _JSON.encode(event)


def _worth_hearing(record: logging.LogRecord) -> bool:
    """Whether it is ours, or serious: a library may have set a level of its own."""
    ours = record.name == SERVER or record.name.partition(".")[0] in OURS
    return ours or record.levelno >= logging.WARNING


def _without_values(_logger: object, _method: str, event: Event) -> Event:
    """Tell errors by what they are, not by what they say."""
    for name, value in event.items():
        if name != "exc_info" and isinstance(value, BaseException):
            event[name] = worded(value)
    given = event.pop("exc_info", None)
    if given:
        error = given if isinstance(given, BaseException) else _caught(given)
        if error is not None:
            event["exception"] = traced(error)
    return event


def _caught(given: Any) -> BaseException | None:
    error: BaseException | None = given[1] if isinstance(given, tuple) else sys.exc_info()[1]
    return error


def _without_values_of_libraries(record: logging.LogRecord) -> bool:
    """The same for records that are not structlog's, before their words are put together."""
    if isinstance(record.msg, BaseException):
        record.msg = worded(record.msg)
    if isinstance(record.args, tuple):
        record.args = tuple(
            worded(one) if isinstance(one, BaseException) else one for one in record.args
        )
    if known := _UP_TO_VALUES.get(record.name):
        found = known.match(record.getMessage())
        record.msg, record.args = found[0].strip() if found else record.name, ()
    return True


def _in_a_line(_logger: object, _method: str, event: Event) -> Event:
    for name, value in event.items():
        if isinstance(value, str) and name != "exception":
            event[name] = visible(value)
    return event


def _shown(_logger: object, _method: str, lines: Any) -> str:
    return plain(lines)


def _hear_last_words() -> None:
    """Log what would be printed with its values when nobody has caught it."""
    printed = sys.excepthook

    def uncaught(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if issubclass(kind, KeyboardInterrupt):
            printed(kind, error, trace)
        else:
            log.critical("nobody has caught an error", exc_info=error)

    def without_a_caller(what: str) -> Callable[[Any], None]:
        def hear(args: Any) -> None:
            if args.exc_value is not None:
                log.error(what, exc_info=args.exc_value)

        return hear

    sys.excepthook = uncaught
    threading.excepthook = without_a_caller("a thread has ended by an error")
    sys.unraisablehook = without_a_caller("an error that could not be raised")
