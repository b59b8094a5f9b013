import threading

from hitl.errors import NothingToLearnError
from hitl.ui.jobs import Job


def test_a_job_reports_its_progress_and_its_result() -> None:
    seen, go = threading.Event(), threading.Event()

    def work(report) -> str:
        report(0.5, "Half way")
        seen.set()
        go.wait(10)
        report(7.0, "Done")
        return "m-1"

    job = Job(work)
    assert seen.wait(10)
    assert (job.is_running, job.share, job.sentence) == (True, 0.5, "Half way")
    go.set()
    job.wait(10)
    assert (job.is_running, job.share, job.result, job.trouble) == (False, 1.0, "m-1", "")


def test_an_error_a_user_can_mend_is_kept_with_its_hint() -> None:
    def work(report) -> None:
        raise NothingToLearnError("Nothing new.", "Decide first.")

    job = Job(work)
    job.wait(10)
    assert job.trouble == "Nothing new. Decide first."


def test_a_bug_in_the_work_reaches_the_page_by_name() -> None:
    def work(report) -> None:
        raise KeyError("V99")

    job = Job(work)
    job.wait(10)
    assert "KeyError" in job.trouble
    assert "V99" in job.trouble
