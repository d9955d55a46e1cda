"""Rolling windows under names, of which the least recently used go if there are too many."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from processors.rolling_window import RollingWindow


class NamedWindows:
    """At most `most` windows of the last `size` values each. The same calls in the same order give the same windows."""

    def __init__(self, size: int, most: int) -> None:
        self._size = size
        self._most = most
        self._windows: dict[str, RollingWindow] = {}  # the least recently used first
        self._empty = RollingWindow(size)

    def __getitem__(self, name: str) -> RollingWindow:
        """Return the window `name`, an empty one if it has no values; do not append to it."""
        return self._windows.get(name, self._empty)

    def length(self, name: str) -> int:
        """Return the number of values under `name`."""
        return len(self[name])

    def append(self, name: str, value: float) -> None:
        """Add a value under `name`."""
        window = self._windows.pop(name, None) or RollingWindow(self._size)
        self._windows[name] = window
        window.append(value)
        if len(self._windows) > self._most:
            del self._windows[next(iter(self._windows))]

    def drop(self, prefix: str) -> None:
        """Drop the windows whose names begin with `prefix`."""
        for name in [name for name in self._windows if name.startswith(prefix)]:
            del self._windows[name]

    def state(self, name: str) -> dict[str, NDArray[Any]]:
        """Return arrays under `name`: values (oldest first), ``_lengths`` and ``_names`` (JSON), window by window."""
        windows = [window.values() for window in self._windows.values()]
        return {
            name: np.array([value for window in windows for value in window], np.float64),
            f"{name}_lengths": np.array([len(window) for window in windows], np.int64),
            f"{name}_names": np.frombuffer(orjson.dumps(list(self._windows)), np.uint8),
        }

    def load(self, name: str, state: Mapping[str, NDArray[Any]]) -> None:
        """Replace everything by the arrays under `name`; a smaller window keeps the newest values."""
        names = orjson.loads(state[f"{name}_names"].tobytes())
        pairs = zip(names, _parts(state[name], state[f"{name}_lengths"]), strict=True)
        self._windows = {each: RollingWindow(self._size, values) for each, values in pairs}


def _parts(values: NDArray[Any], lengths: NDArray[Any]) -> Iterator[list[float]]:
    return (part.tolist() for part in np.split(values, np.cumsum(lengths)[:-1])) if len(lengths) else iter(())
