"""Work ahead: done once however often it is asked for, and never in the caller's thread."""

import threading

from hitl.ui.ahead import Ahead


def test_everything_there_is_gets_done_in_another_thread() -> None:
    left, threads = [3, 2, 1], set()

    def work() -> int:
        threads.add(threading.current_thread().name)
        return left.pop() if left else 0

    ahead = Ahead(work)
    ahead.wake()
    ahead.wait(10)
    assert (ahead.done, left, threads, ahead.is_working) == (6, [], {"ahead"}, False)


def test_waking_during_work_looks_once_more_and_not_twice() -> None:
    calls, started, go_on = [], threading.Event(), threading.Event()

    def work() -> int:
        calls.append(threading.current_thread().ident)
        started.set()
        go_on.wait(10)
        return 0

    ahead = Ahead(work)
    ahead.wake()
    assert started.wait(10)
    for _ in range(5):
        ahead.wake()
    go_on.set()
    ahead.wait(10)
    assert len(calls) == 2
    assert len(set(calls)) == 1


def test_what_comes_after_the_end_is_done_when_woken_again() -> None:
    portions = [1]
    ahead = Ahead(lambda: portions.pop() if portions else 0)
    ahead.wake()
    ahead.wait(10)
    portions.append(5)
    ahead.wake()
    ahead.wait(10)
    assert ahead.done == 6


def test_an_error_ends_the_work_and_is_told_until_the_next_success() -> None:
    failing = [True]

    def work() -> int:
        if failing:
            raise ValueError("no model")
        return 0

    ahead = Ahead(work)
    ahead.wake()
    ahead.wait(10)
    assert ahead.trouble == "ValueError: no model"
    failing.clear()
    ahead.wake()
    ahead.wait(10)
    assert ahead.trouble == ""


def test_stopping_ends_after_the_present_portion_and_for_good() -> None:
    calls, started, go_on = [], threading.Event(), threading.Event()

    def work() -> int:
        calls.append(1)
        started.set()
        go_on.wait(10)
        return 1

    ahead = Ahead(work)
    ahead.wake()
    assert started.wait(10)
    threading.Timer(0.05, go_on.set).start()
    ahead.stop(10)
    ahead.wake()
    ahead.wait(10)
    assert (len(calls), ahead.done, ahead.is_working) == (1, 1, False)
