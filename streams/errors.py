"""Failures between this package and the broker; each message says what to do next."""


class StreamsError(Exception):
    """Base class of this package's failures that a person can fix."""


class BrokerUnreachable(StreamsError):
    """No broker answered in time. The message names the address, the cause and the remedy, never a password."""

    def __init__(self, bootstrap: str, waited_s: float, cause: object) -> None:
        super().__init__(
            f"no Kafka broker answers at {bootstrap} (tried for {waited_s:g} s, last: {cause}). "
            "Check that it runs, that this address is reachable from here, and that user, password and TLS are right."
        )


class BrokerRefused(StreamsError):
    """A broker refused a request, and a retry would not help. `cause` is aiokafka's error."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(
            f"the Kafka broker refuses a request: {type(cause).__name__}: {cause}. Check the rights of this user on "
            "the topics and groups of the prefix, and `siftstream topics check`."
        )
        self.cause = cause


class OffsetOutOfRange(BrokerRefused):
    """A read begins at an offset outside the log."""


class CorruptRecords(StreamsError):
    """Records of a topic are damaged; the message names the partition and the offset."""


class BrokerFailed(StreamsError):
    """The embedded broker did not start or has died. The message ends with the last lines of its log."""


class JournalError(StreamsError):
    """The journal and the broker do not match. The message names the file or directory and the remedy."""
