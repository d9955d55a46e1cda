"""The live terminal view: records per topic, records waiting at each stage, rates, and the last decisions."""

import time
from collections import deque

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from schemas import Sample
from streams.inspection.status import Status, take
from streams.kafka import TP, KafkaClient
from streams.topics.reading import sample_of, span
from streams.topics.table import partitions_of

_LAST = 6
_RATE_OVER_S = 10.0


class View:
    """The view of one run. `update` asks the broker, `render` draws the answer."""

    def __init__(self, client: KafkaClient, prefix: str, title: str) -> None:
        self.status: Status | None = None
        self.first_curated_s: float | None = None
        self._client = client
        self._prefix = prefix
        self._title = title
        self._began = time.monotonic()
        self._history: deque[tuple[float, Status]] = deque()
        self._read: dict[TP, int] = {}
        self._last: deque[Sample] = deque(maxlen=_LAST)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the view began."""
        return time.monotonic() - self._began

    async def update(self) -> None:
        """Ask for the topics' status and read the decisions made since the last update."""
        self.status = await take(self._client, self._prefix)
        now = time.monotonic()
        self._history.append((now, self.status))
        while self._history[0][0] < now - _RATE_OVER_S:
            self._history.popleft()
        for tp in partitions_of(self._prefix, "curated", "rejected"):
            start, end = await span(self._client, tp)
            async for record in self._client.read(tp, max(start, self._read.get(tp, 0)), end):
                if sample := sample_of(record):
                    self._last.append(sample)
            self._read[tp] = end
        if self.first_curated_s is None and self.status.records("curated"):
            self.first_curated_s = self.elapsed_s

    def line(self) -> str:
        """Return the status as one line, for an output that is not a terminal."""
        if self.status is None:
            return "starting"
        counts = "  ".join(f"{topic.topic} {topic.records}" for topic in self.status.topics if topic.records)
        return f"{self.elapsed_s:4.0f} s  {counts}  waiting {self.status.lag}"

    def render(self) -> RenderableType:
        """Draw the whole view."""
        head = Text(f"{self._title}   {self.elapsed_s:.0f} s", style="bold")
        if self.status is None:
            return Group(head, Text("the workers load their models", style="dim"))
        return Group(head, self._flow(self.status), Text(), self._decisions())

    def _flow(self, status: Status) -> Table:
        shown = Table(box=None, pad_edge=False)
        for column in ("topic", "records", "per s", "waits for", "waiting"):
            shown.add_column(column, justify="left" if column in ("topic", "waits for") else "right")
        waiting = {stage.source: stage for stage in status.stages}
        for topic in status.topics:
            stage = waiting.get(topic.topic)
            rate = f"{self._rate(topic.topic):.1f}"
            lag = ("", "") if stage is None else (stage.stage, str(stage.lag))
            style = "green" if topic.topic == "curated" else ""
            shown.add_row(topic.topic, str(topic.records), rate, *lag, style=style)
        return shown

    def _rate(self, name: str) -> float:
        (then, before), (now, after) = self._history[0], self._history[-1]
        return (after.records(name) - before.records(name)) / (now - then) if now > then else 0.0

    def _decisions(self) -> Table:
        shown = Table(box=None, pad_edge=False, show_header=False)
        for sample in self._last:
            decision, score = sample.decision, sample.score
            if decision is None:
                continue
            ifd = "" if score is None or score.ifd is None else f"IFD {score.ifd:.2f}"
            style = "green" if decision.outcome == "curated" else "dim"
            asks = " ".join(sample.prompt.text().split())[:60]
            shown.add_row(decision.outcome, decision.reason, ifd, sample.task_type, asks, style=style)
        return shown
