"""The process that computes: the engine."""

import logging
from pathlib import Path

from service.engine import run_engine
from service.logs import configure_logs
from service.settings import load_settings
from service.stopping import stop_signals

__all__ = ["engine"]

_logger = logging.getLogger("kawasan.service")


def engine() -> None:
    """Compute amounts and KPIs anew wherever readings, registry rows or time touched them."""
    settings = load_settings()
    configure_logs(settings, "engine")
    with stop_signals() as stop:
        run_engine(
            settings.need_database(),
            park_keys=settings.parks or None,
            cycle_rows=settings.cycle_rows,
            poll_s=settings.cycle_s,
            stop=stop,
            data_folder=settings.data_dir or Path(),
        )
    _logger.info("engine stopped")
