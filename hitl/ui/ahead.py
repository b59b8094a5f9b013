"""Explain waiting cases before somebody opens them, off the page's thread."""

import threading
from collections.abc import Callable


class Ahead:
    """Work in a thread of its own while there is any; waking it twice does it once.

    Parameters
    ----------
    work
        Does the next portion and says how much that was; 0 when nothing is left.
    """

    def __init__(self, work: Callable[[], int]) -> None:
        self._work = work
        self._guard = threading.Lock()
        self._thread: threading.Thread | None = None
        self._again = self._is_stopped = False
        self.done = 0
        self.trouble = ""

    @property
    def is_working(self) -> bool:
        """Whether there is work under way."""
        return self._thread is not None and self._thread.is_alive()

    def wake(self) -> None:
        """Start working, or look once more after the present work."""
        with self._guard:
            self._again = True
            if not self.is_working:
                self._thread = threading.Thread(target=self._run, name="ahead", daemon=True)
                self._thread.start()

    def stop(self, seconds: float | None = None) -> None:
        """End after the present portion, for good, and wait for that."""
        self._is_stopped = True
        self.wait(seconds)

    def wait(self, seconds: float | None = None) -> None:
        """Wait until nothing is left to do."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _run(self) -> None:
        while self._take_turn():
            try:
                while not self._is_stopped and (count := self._work()):
                    self.done += count
                self.trouble = ""
            except Exception as error:  # noqa: BLE001  the page makes what is missing, and says why
                self.trouble = f"{type(error).__name__}: {error}"

    def _take_turn(self) -> bool:
        with self._guard:
            again, self._again = self._again, False
            if not again:
                self._thread = None
            return again
