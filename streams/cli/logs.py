"""The log lines that a command prints on standard error."""

import logging


def set_up_logging(verbose: bool) -> None:
    """Log this package's messages; with `verbose` those of the libraries too."""
    logging.basicConfig(format="%(asctime)s %(levelname).1s %(name)s: %(message)s")
    root, level = logging.getLogger(), logging.INFO if verbose else logging.WARNING
    root.setLevel(level)
    logging.getLogger("streams").setLevel(logging.INFO)
    for name in ("agent", "consumer", "producer"):  # Faust's services log their starting and stopping here
        logging.getLogger(f"streams.delivery.{name}").setLevel(level)
    for handler in root.handlers:
        if not any(isinstance(known, Seldom) for known in handler.filters):
            handler.addFilter(Seldom())


class Seldom(logging.Filter):
    """Passes one aiokafka message per place and five seconds: it repeats itself while a broker is away."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to pass the message on."""
        if not record.name.startswith("aiokafka"):
            return True
        place = f"{record.pathname}:{record.lineno}"
        if record.created - self._last.get(place, 0.0) < 5.0:
            return False
        self._last[place] = record.created
        return True
