"""Play a stream in the background, so that scoring goes on while people read and decide."""

import threading
from collections.abc import Callable

from hitl.errors import ConflictError, HitlError
from hitl.workflow import Ingested

SPEEDS = (1, 2, 5, 10, 20, 50, 100)
"""Rows a second."""

TICKS_PER_SECOND = 10


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
        self._play_rows(1, again)

    def _run(self, stop: threading.Event, again: bool) -> None:
        while not stop.is_set():
            count = max(1, self.speed // TICKS_PER_SECOND)
            self._play_rows(count, again)
            again = False
            if self.is_finished or self.trouble:
                return
            stop.wait(count / self.speed)

    def _play_rows(self, count: int, again: bool) -> None:
        try:
            self.is_finished = self._ingest(count, again).is_finished
        except ConflictError:
            return  # another process played these rows; the next tick goes on after them
        except HitlError as error:
            self.trouble = str(error)
