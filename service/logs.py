"""Logs: events with fields on standard error, as text for people or as JSON lines for collectors.

Everything logs through the standard library (`logger.info("batch stored", extra={...})`);
structlog only renders. The loggers of packages and of uvicorn all end here.
"""

import logging
import sys

import structlog
from structlog.typing import Processor

from service.settings import Settings

__all__ = ["configure_logs"]

_QUIET = ("uvicorn.access", "psycopg.pool", "asyncio")


def configure_logs(settings: Settings, process: str) -> None:
    """
    Send all logs of this process to standard error.

    Parameters
    ----------
    settings : Settings
        `log_level` and `log_format` are used.
    process : str
        Name of the command, a field of every event.
    """
    shared: list[Processor] = [
        # The number of the request that a line belongs to, if any.
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _named(process),
    ]
    if settings.log_format == "json":
        rendered: list[Processor] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        rendered = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    output = logging.StreamHandler(sys.stderr)
    output.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendered],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [output]
    root.setLevel(settings.log_level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def _named(process: str) -> Processor:
    def add(logger: logging.Logger, method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        del logger, method
        event["process"] = process
        return event

    return add
