"""The words all packages share: meters, channels, units, quality, time, readings and frames.

Imports nothing else of kawasan and does no input or output.
"""

__all__: list[str] = []
