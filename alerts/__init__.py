"""Pure rules and states of alarms: frames become transitions of alarms."""

__all__: list[str] = []
