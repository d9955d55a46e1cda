"""The errors of processors, and the fate of the record in each case.

::

    ProcessorError
    ├── InvalidSample   the data is at fault        → dead letter at once
    ├── Transient       the next attempt may work   → bounded retries with jitter, then dead letter
    └── Outage          nothing works at the moment → the stage pauses and keeps everything

Any other exception is a bug: the worker logs it, drains and exits; its supervisor starts it again, and the record that
raised becomes a dead letter after `max_crashes` such crashes.
"""


class ProcessorError(Exception):
    """Base of the failures that have a fate."""


class InvalidSample(ProcessorError):
    """This sample can never be processed; the message says why, without the sample's text."""


class Transient(ProcessorError):
    """This attempt failed; the next may succeed. `retry_after_s` is the shortest sensible wait, if known."""

    def __init__(self, message: str, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Outage(ProcessorError):
    """A dependency of the stage is down, for every sample. `retry_after_s` as in `Transient`."""

    def __init__(self, message: str, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
