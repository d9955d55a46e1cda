"""What the diversity stage has decided so far, out of its sinks."""

from processors.reports.coverage import Coverage
from streams.reading import decided
from streams.wire import Wire


async def take(wire: Wire, prefix: str) -> Coverage:
    """Count in everything that stands in `rejected` and `curated`."""
    coverage = Coverage()
    async for sample in decided(wire, prefix):
        coverage.add(sample)
    return coverage
