"""A park of meters that publishes over MQTT, and the replay of recorded files. Stands in for the hardware; imports only domain."""

__all__: list[str] = []
