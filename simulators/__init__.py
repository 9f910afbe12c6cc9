"""A park of meters that publishes over MQTT, and the replay of recorded files. Stands in for the hardware; imports only domain."""

from simulators.drive import Course, simulate
from simulators.faults import Fault, FaultKind, schedule, with_faults
from simulators.park import SimulatedPark
from simulators.publisher import Publisher
from simulators.replay import replay, replayed_messages
from simulators.reports import Outgoing, Report

__all__ = [
    "Course",
    "Fault",
    "FaultKind",
    "Outgoing",
    "Publisher",
    "Report",
    "SimulatedPark",
    "replay",
    "replayed_messages",
    "schedule",
    "simulate",
    "with_faults",
]
