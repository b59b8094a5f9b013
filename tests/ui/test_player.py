import threading
import time

from hitl.errors import ConflictError, NoChampionError
from hitl.ui.player import SPEEDS, Player
from hitl.workflow import Ingested


class Tape:
    """Counts what is played; ends after `length` rows."""

    def __init__(self, length: int) -> None:
        self.length, self.played, self.calls = length, 0, []
        self.moved = threading.Event()

    def __call__(self, count: int, again: bool) -> Ingested:
        if again:
            self.played = 0
        rows = min(count, self.length - self.played)
        self.played += rows
        self.calls.append((count, again))
        self.moved.set()
        return Ingested(rows, 0, 0, self.played >= self.length)


def test_a_step_plays_one_row() -> None:
    tape = Tape(5)
    player = Player(tape)
    player.step()
    assert tape.played == 1
    assert not player.is_playing
    assert not player.is_finished


def test_playing_goes_on_in_the_background_until_it_is_paused() -> None:
    tape = Tape(10_000)
    player = Player(tape)
    player.speed = 20
    player.play()
    first = player._thread
    player.play()
    assert player._thread is first
    while tape.played < 6:
        assert tape.moved.wait(10)
        tape.moved.clear()
    assert player.is_playing
    player.pause()
    assert not player.is_playing
    stopped = tape.played
    time.sleep(0.3)
    assert tape.played == stopped
    assert {count for count, _ in tape.calls} == {2}


def test_the_end_of_the_tape_stops_the_player_and_again_starts_a_new_run() -> None:
    tape = Tape(3)
    player = Player(tape)
    player.speed = SPEEDS[-1]
    player.play()
    player._thread.join(10)
    assert player.is_finished
    assert not player.is_playing
    player.step(again=True)
    assert tape.played == 1
    assert not player.is_finished


def test_trouble_stops_the_player_and_is_kept_for_the_page() -> None:
    def fails(count: int, again: bool) -> Ingested:
        raise NoChampionError("There is no model.", "Seed first.")

    player = Player(fails)
    player.play()
    player._thread.join(10)
    assert player.trouble == "There is no model. Seed first."
    assert not player.is_playing
    player.pause()


def test_rows_another_process_played_do_not_stop_the_player() -> None:
    tape = Tape(2)
    conflicts = iter([True, False, False])

    def contested(count: int, again: bool) -> Ingested:
        if next(conflicts):
            raise ConflictError("This was written already.")
        return tape(count, again)

    player = Player(contested)
    player.speed = SPEEDS[-1]
    player.step()
    assert player.trouble == ""
    player.step()
    player.step()
    assert tape.played == 2
    assert player.is_finished
