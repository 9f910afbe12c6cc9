"""
Pure rules and states of alarms: samples become verdicts and episodes, steps become states and notifications.

::

    Watch ... -- WatchTable.of --> WatchTable
    SampleFrame -- evaluate --> Evaluation: verdicts, episodes, steps and phases, from a quiet start
    Memory, fresh SampleFrame -- advance --> Memory, steps: the same without the samples before

A sample is BEYOND where it is strictly outside of a bound in force, CLEAR where it is inside of all of them by the
deadband, BETWEEN where neither, UNKNOWN where it does not count. BEYOND sets the level of a condition, CLEAR takes it
back, the other two leave it as it is. The condition becomes active when the level was set for the on-delay, and ends
when it was not for the off-delay, both counted in known time: what is missing never raises and never clears.

`alerts.evaluate.evaluate` and `alerts.memory.advance` are imported from their modules.
"""

__all__: list[str] = []
