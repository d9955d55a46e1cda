"""What makes the in-memory broker durable: its records in Kafka's own segment format, and the groups' offsets."""

from streams.embedded.journal import Journal

__all__ = ["Journal"]
