"""Long work off the page's thread, with a progress that any page can show."""

import threading
from collections.abc import Callable
from typing import Any

from hitl.errors import HitlError

Progress = Callable[[float, str], None]


class Job:
    """One piece of work in a thread of its own: its share done, its sentence, its end."""

    def __init__(self, work: Callable[[Progress], Any]) -> None:
        self.share = 0.0
        self.sentence = "Starting"
        self.result: Any = None
        self.trouble = ""
        self._work = work
        self._thread = threading.Thread(target=self._run, name="job", daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether the work goes on."""
        return self._thread.is_alive()

    def wait(self, seconds: float | None = None) -> None:
        """Wait for the end of the work."""
        self._thread.join(seconds)

    def _run(self) -> None:
        try:
            self.result = self._work(self._report)
        except HitlError as error:
            self.trouble = str(error)
        except Exception as error:  # noqa: BLE001  a thread's end must reach the page
            self.trouble = f"Training stopped by an error: {type(error).__name__}: {error}"

    def _report(self, share: float, sentence: str) -> None:
        self.share, self.sentence = min(max(share, 0.0), 1.0), sentence
