"""Where things are: this repository, and the folder beside it that may hold data sets and an Apache Kafka."""

from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
SHARED = REPOSITORY.parent / "shared"
DATA = SHARED / "data"
KAFKA = SHARED / "kafka" / "kafka"
