"""Private instances of PostgreSQL and an MQTT broker, for the demo and for tests."""

__all__: list[str] = []
