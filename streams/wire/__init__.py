"""The broker without a consumer group: topics, records, watermarks and commits, over aiokafka's low-level client."""

from streams.wire.batches import Record
from streams.wire.client import TP, Wire

__all__ = ["TP", "Record", "Wire"]
