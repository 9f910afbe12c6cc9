"""The engine: what was touched is computed again, from scratch, in one transaction per cycle."""

from service.engine.cycle import Cycle, run_cycle
from service.engine.known import Known
from service.engine.loop import run_engine

__all__ = ["Cycle", "Known", "run_cycle", "run_engine"]
