"""MQTT bytes become readings in columns or rejections, are committed, and only then acknowledged."""

from ingest.directory import Directory
from ingest.files import Imported, Told, import_rows
from ingest.metrics import IngestMetrics
from ingest.receiver import MqttReceiver
from ingest.reception import Delivery, Receiver, Reception
from ingest.schema import json_schema
from ingest.wire import Limits, decode
from ingest.writer import Sink, Writer

__all__ = [
    "Delivery",
    "Directory",
    "Imported",
    "IngestMetrics",
    "Limits",
    "MqttReceiver",
    "Receiver",
    "Reception",
    "Sink",
    "Told",
    "Writer",
    "decode",
    "import_rows",
    "json_schema",
]
