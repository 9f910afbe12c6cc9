"""MQTT bytes become readings in columns or rejections, are committed, and only then acknowledged."""

__all__: list[str] = []
