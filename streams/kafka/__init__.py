"""Kafka without a consumer group: topics, records, watermarks and commits, over aiokafka's low-level client."""

from streams.kafka.client import TP, KafkaClient
from streams.kafka.record_batches import Record

__all__ = ["TP", "KafkaClient", "Record"]
