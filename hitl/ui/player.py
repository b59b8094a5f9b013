"""Play a stream in the background, so that scoring goes on while people read and decide."""

import math
import threading
import time
from collections.abc import Callable

from hitl.errors import ConflictError, HitlError
from hitl.workflow import Ingested

SPEEDS = (1, 2, 5, 10, 20, 50, 100)
"""Rows a second."""

TICKS_PER_SECOND = 10


def rows_due(elapsed: float, speed: int, played: int) -> int:
    """Count the rows to play now, so that the average is the speed however long playing takes.

    Parameters
    ----------
    elapsed
        Seconds since the first row, at least 0.
    speed
        Rows a second, at least 1.
    played
        Rows played in that time.

    Returns
    -------
    int
        0 while the stream is ahead, a tick's rows when it is in time, more when it is behind; at
        most one second's worth.

    Examples
    --------
    >>> rows_due(0.0, 100, 0), rows_due(0.05, 100, 10), rows_due(0.25, 100, 10)
    (10, 0, 25)
    """
    due = math.floor(elapsed * speed + ROUNDING) + _tick_rows(speed) - played
    return min(due, speed) if due >= _tick_rows(speed) else 0


ROUNDING = 1e-6
"""Keeps a row due at 0.3 s due at 0.29999999999999999 s."""


class Player:
    """Play, pause and step one workspace's stream; one thread for all who watch.

    Parameters
    ----------
    ingest
        Plays that many rows and says what it brought.
    """

    def __init__(self, ingest: Callable[[int, bool], Ingested]) -> None:
        self._ingest = ingest
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._guard = threading.Lock()
        self.speed = SPEEDS[0]
        self.trouble = ""
        self.is_finished = False

    @property
    def is_playing(self) -> bool:
        """Whether the stream runs now."""
        return self._thread is not None and self._thread.is_alive() and not self._stop.is_set()

    def play(self, *, again: bool = False) -> None:
        """Start playing where the stream stopped, or a new run if it has ended."""
        with self._guard:
            if self.is_playing:
                return
            self.trouble, self._stop = "", threading.Event()
            self._thread = threading.Thread(
                target=self._run, args=(self._stop, again), name="player", daemon=True
            )
            self._thread.start()

    def pause(self) -> None:
        """Stop after the row being scored."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def step(self, *, again: bool = False) -> None:
        """Play one row."""
        self.trouble = ""
        self._play_rows(1, again)

    def _run(self, stop: threading.Event, again: bool) -> None:
        begun, played, speed = time.monotonic(), 0, self.speed
        while not stop.is_set():
            if speed != self.speed:
                begun, played, speed = time.monotonic(), 0, self.speed
            elapsed = time.monotonic() - begun
            played = max(played, math.floor((elapsed - 1) * speed))  # more than 1 s is forgiven
            count = rows_due(elapsed, speed, played)
            if not count:
                stop.wait(played / speed - elapsed)
                continue
            self._play_rows(count, again)
            again, played = False, played + count
            if self.is_finished or self.trouble:
                return

    def _play_rows(self, count: int, again: bool) -> None:
        try:
            self.is_finished = self._ingest(count, again).is_finished
        except ConflictError:
            return  # another process played these rows; the next tick goes on after them
        except HitlError as error:
            self.trouble = str(error)
        except Exception as error:  # noqa: BLE001  a thread's end must reach the page
            self.trouble = (
                f"Unexpected error, {type(error).__name__}: {error}. "
                "Press Play to go on after the last row."
            )


def _tick_rows(speed: int) -> int:
    return max(1, speed // TICKS_PER_SECOND)
