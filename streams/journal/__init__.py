"""What makes the in-memory broker durable: its records in Kafka's own segment format, and the groups' offsets."""

from streams.journal.journal import Journal

__all__ = ["Journal"]
