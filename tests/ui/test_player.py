import threading
import time

import pytest

from hitl.errors import ConflictError, NoChampionError
from hitl.ui.player import SPEEDS, Player, rows_due
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
    assert all(2 <= count <= 20 for count, _ in tape.calls)


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


def test_an_unforeseen_error_stops_the_player_and_is_named_for_the_page() -> None:
    tape, broken = Tape(3), [True, True]

    def fails(count: int, again: bool) -> Ingested:
        if broken:
            broken.pop()
            raise KeyError("V14")
        return tape(count, again)

    player = Player(fails)
    player.play()
    player._thread.join(10)
    assert not player.is_playing
    assert "KeyError: 'V14'" in player.trouble
    assert "Press Play" in player.trouble
    player.step()
    assert "KeyError" in player.trouble
    player.step()
    assert player.trouble == ""
    assert tape.played == 1


@pytest.mark.parametrize("speed", SPEEDS)
@pytest.mark.parametrize("cost", [0.0, 0.03, 0.09, 0.4, 0.9])
def test_the_average_is_the_speed_asked_for_however_long_a_call_takes(
    speed: int, cost: float
) -> None:
    elapsed, played, seconds = 0.0, 0, 20
    while elapsed < seconds:
        count = rows_due(elapsed, speed, played)
        played += count
        elapsed = elapsed + cost if count else max(elapsed, played / speed)
        assert 0 <= count <= speed
    assert played == pytest.approx(seconds * speed, abs=1 + speed)


def test_a_stream_ahead_of_its_time_has_no_rows_due() -> None:
    assert rows_due(0.0, 1, 0) == 1
    assert rows_due(0.9, 1, 1) == 0
    assert rows_due(0.3, 10, 3) == 1


def test_what_is_behind_is_made_up_for_by_a_second_of_rows_at_most() -> None:
    assert rows_due(0.5, 100, 10) == 50
    assert rows_due(60.0, 100, 10) == 100


def test_a_slow_call_is_followed_by_a_larger_one() -> None:
    tape = Tape(300)

    def slow(count: int, again: bool) -> Ingested:
        time.sleep(0.25)
        return tape(count, again)

    player = Player(slow)
    player.speed = 100
    player.play()
    player._thread.join(60)
    counts = [count for count, _ in tape.calls]
    assert counts[0] == 10
    assert all(25 <= count <= 100 for count in counts[1:])
    assert sum(counts) >= 300


def test_a_new_speed_counts_from_when_it_was_set() -> None:
    tape = Tape(10_000)

    def turned_down(count: int, again: bool) -> Ingested:
        player.speed = 10
        return tape(count, again)

    player = Player(turned_down)
    player.speed = 100
    player.play()
    while tape.played < 12:
        assert tape.moved.wait(10)
        tape.moved.clear()
    player.pause()
    assert tape.calls[0][0] == 10
    assert tape.calls[1][0] == 1


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
