import pytest

from hitl.dossier.pieces import moment
from hitl.workflow.materials import FIRST_DAY_MS
from hitl.workflow.times import END_OF_TIME_MS, event_time, wall_time

DAY = 86_400_000


def test_the_streams_days_are_counted_and_what_came_before_is_no_day() -> None:
    assert event_time(FIRST_DAY_MS) == "day 1 00:00:00"
    assert event_time(FIRST_DAY_MS + DAY - 1) == "day 1 23:59:59"
    assert event_time(FIRST_DAY_MS + 1_000 * DAY) == "day 1,001 00:00:00"
    assert event_time(FIRST_DAY_MS - 1) == "before day 1"


def test_the_wall_clock_is_written_up_to_the_last_moment_that_has_a_date() -> None:
    assert wall_time(1_790_000_000_000) == "2026-09-21 14:13:20 UTC"
    assert wall_time(END_OF_TIME_MS - 1_000) == "9999-12-31 23:59:59 UTC"


@pytest.mark.parametrize("ms", [None, "soon", float("nan"), True, -1, END_OF_TIME_MS, 1e300])
def test_a_case_file_leaves_out_a_moment_that_no_calendar_has(ms) -> None:
    assert moment(event_time, ms) == ""
    assert moment(wall_time, ms) == ""


def test_a_case_file_writes_moments_as_the_pages_do() -> None:
    assert moment(event_time, FIRST_DAY_MS) == event_time(FIRST_DAY_MS)
    assert moment(wall_time, 0) == wall_time(0)
