"""The report on the head, which learns from ratings: read from the newest snapshot of the diversity stage."""

import logging
from dataclasses import dataclass
from typing import Any

from processors.diversity.config import DiversityConfig
from processors.diversity.fold_state import unpack
from processors.diversity.head.head import Head, HeadReport
from streams.kafka import KafkaClient
from streams.stages.snapshots import snapshots

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StoredHead:
    """The head as of the input offset `next`, the first that it has not seen."""

    next: int
    report: HeadReport

    def data(self) -> dict[str, Any]:
        """Return everything for ``--json``."""
        return {"before_offset": self.next} | self.report.data()


async def take(client: KafkaClient, prefix: str, config: DiversityConfig) -> StoredHead | None:
    """Return the head of the newest snapshot that can be read, or None if there is none."""
    async for snapshot in snapshots(client, prefix):
        try:
            _, parts = unpack(snapshot.state)
            head = Head(config)
            head.load(parts.get("head", {}))
        except (KeyError, TypeError, ValueError) as error:
            log.warning("a snapshot cannot be read and is skipped: %s", error)
            continue
        return StoredHead(snapshot.next, head.report())
    return None
