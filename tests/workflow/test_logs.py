"""The log out to a file and in again: the same chain and heads, and one changed byte is found."""

import csv
import io
import json
from pathlib import Path

import pandas as pd
import pytest

from hitl.errors import InputError, NotAllowedError
from hitl.store import Store
from hitl.workflow import Person, claim, journal, logs
from hitl.workspaces import CARDS
from tests import facts
from tests.facts import AWKWARD, NOW
from tests.terminal import check_refused

ADA = Person("ada", "admin")
SPACES = ("cards", "story")


def exported(store: Store, *names: str) -> pd.DataFrame:
    return pd.concat(list(logs.log_export(store, names or SPACES)), ignore_index=True)


def as_csv(rows: pd.DataFrame) -> bytes:
    return rows.to_csv(index=False).encode()


def as_parquet(rows: pd.DataFrame) -> bytes:
    content = io.BytesIO()
    rows.to_parquet(content, index=False)
    return content.getvalue()


def imported(store: Store, content: bytes) -> tuple[logs.Verified, ...]:
    return logs.log_import(store, logs.read_log(content), person=ADA)


@pytest.mark.parametrize("written", [as_csv, as_parquet])
def test_a_log_comes_back_as_the_same_chain_and_the_same_heads(
    database_url, tmp_path, written
) -> None:
    with Store(database_url) as store, Store(str(tmp_path / "other.duckdb")) as other:
        facts.write_history(store)
        found = imported(other, written(exported(store)))
        assert [(each.workspace, each.events, each.valid) for each in found] == [
            ("cards", 30, True),
            ("story", 30, True),
        ]
        for table, key in {
            "case_events": "event_id",
            "case_heads": "instance_id",
            "shown_evidence": "event_id",
        }.items():
            here, there = (each.view(table, order=(key,)) for each in (store, other))
            pd.testing.assert_frame_equal(here, there, check_exact=True)
        for name in SPACES:
            ends = [each.rows("chain_head", name)[0][:2] for each in (store, other)]
            assert ends[0] == ends[1]
        facts.check_heads(other)
        mine = claim(other, CARDS, Person("zoe"), now_ms=NOW)
        assert mine is not None
        facts.decide(other, CARDS, mine, "fraud")
        assert logs.verify(other, "cards").valid


def test_an_export_is_text_without_formulas(database_url) -> None:
    with Store(database_url) as store:
        facts.add_cases(store, 1)
        facts.decide(store, CARDS, facts.taken(store, "=ann"), "fraud")
        rows = exported(store, "cards")
    assert list(rows.columns) == list(logs.COLUMNS)
    assert rows["reviewer"].tolist() == ["", "'=ann", "'=ann"]
    assert rows["note"].tolist()[-1] == AWKWARD
    assert rows["is_positive"].tolist() == ["", "", "True"]
    assert json.loads(rows["shown"].iloc[-1])["reasons"] == [AWKWARD]


@pytest.fixture(scope="module")
def small() -> bytes:
    """A log of four events with awkward texts."""
    with Store("duckdb::memory:") as store:
        facts.add_cases(store, 1)
        facts.decide(store, CARDS, facts.taken(store, "=ann"), "fraud")
        place = {"priority": 1 / 3, "queued_for": "novel"}
        event = journal.queued("case-1", happened_ms=NOW, **place)
        store.write(lambda work: journal.record(work, "cards", [event]))
        return as_csv(exported(store, "cards"))


def rows_of_bytes(content: bytes) -> list[int]:
    """Say for each byte of a CSV file which row it is in; 0 is the header."""
    text = content.decode()
    rows = list(csv.reader(io.StringIO(text, newline="")))
    numbers: list[int] = []
    for number, row in enumerate(rows):
        written = io.StringIO()
        csv.writer(written, lineterminator="\n").writerow(row)
        numbers += [number] * len(written.getvalue().encode())
    assert len(numbers) == len(content)
    return numbers


@pytest.mark.parametrize("change", [1, 32, 128])
def test_every_single_changed_byte_is_reported_at_its_row(small, change) -> None:
    whole = logs._read(logs.read_log(small))
    assert whole[2] is None
    assert len(whole[0]) == 4
    found = 0
    for place, row in enumerate(rows_of_bytes(small)):
        changed = bytearray(small)
        changed[place] ^= change
        events, shown, bad = logs._read(logs.read_log(bytes(changed)))
        if bad is None:
            assert (events, shown) == whole[:2]  # said in another way, but the same
            continue
        assert bad[0] == row, (place, bytes(changed[max(place - 20, 0) : place + 20]))
        found += 1
    assert found > 0.99 * len(small)


def test_a_changed_log_writes_nothing_and_says_where(small, database_url) -> None:
    changed = small.replace(b"matches known fraud", b"matches known frauD")
    with Store(database_url) as store:
        (found,) = imported(store, changed)
        assert (found.valid, found.first_bad) == (False, 3)
        assert "Event 3 of cards is not the one that was written" in found.sentence
        assert store.view("case_events").empty
        assert store.view("case_heads").empty


def test_rows_left_out_or_in_another_order_are_found(small) -> None:
    rows = list(logs.read_log(small))
    for changed, place in (
        ([*rows[:2], *rows[3:]], 2),
        ([*rows[:2], rows[3], rows[2], *rows[4:]], 2),
        ([*rows[:3], rows[2], *rows[3:]], 3),
        ([rows[0], *rows[2:]], 1),
        (rows[1:], 0),
    ):
        assert logs._read(changed)[2][0] == place


def test_a_log_is_taken_over_once(small, database_url) -> None:
    with Store(database_url) as store:
        imported(store, small)
        with pytest.raises(InputError, match=r"cards has 4 events already.*new database"):
            imported(store, small)
        with pytest.raises(NotAllowedError):
            logs.log_import(store, [], person=Person("sue", "supervisor"))


# In the terminal


@pytest.fixture
def played(tmp_path: Path) -> Path:
    path = tmp_path / "here.duckdb"
    with Store(str(path)) as store:
        facts.write_history(store)
    return path


def test_the_terminal_checks_a_log(run, played) -> None:
    ran = run("log", "verify", "--db", played, "--json")
    assert ran.code == 0
    assert ran.answer == {
        "events": 60,
        "valid": True,
        "first_bad": None,
        "workspaces": {"cards": 30, "story": 30},
    }
    assert run("log", "verify", "--workspace", "story", "--db", played, "--json").answer[
        "workspaces"
    ] == {"story": 30}


def test_the_terminal_says_where_a_log_was_changed(run, played) -> None:
    with Store(str(played)) as store, store._engine.transaction() as work:
        work.rows("UPDATE case_events SET note = 'x' WHERE workspace = 'story' AND number = 17")
    ran = run("log", "verify", "--db", played, "--json")
    assert ran.code == 2
    assert (ran.answer["valid"], ran.answer["first_bad"]) == (False, 17)
    assert "Event 17 of story" in ran.err


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_the_terminal_writes_a_log_out_and_takes_it_over(run, played, tmp_path, suffix) -> None:
    file, other = tmp_path / f"log.{suffix}", tmp_path / "other.duckdb"
    assert run("log", "export", file, "--db", played, "--json").answer["events"] == 60
    ran = run("log", "import", file, "--db", other, "--json")
    assert (ran.code, ran.answer["events"], ran.answer["valid"]) == (0, 60, True)
    with Store(str(played)) as here, Store(str(other)) as there:
        heads = [store.view("case_heads", order=("instance_id",)) for store in (here, there)]
    pd.testing.assert_frame_equal(*heads)
    check_refused(run("log", "import", file, "--db", other), "has 30 events already")


def test_the_terminal_reports_a_changed_byte_of_a_file(run, played, tmp_path) -> None:
    file, other = tmp_path / "log.csv", tmp_path / "other.duckdb"
    run("log", "export", file, "--db", played)
    content = bytearray(file.read_bytes())
    rows = rows_of_bytes(bytes(content))
    place = len(content) // 2
    content[place] ^= 1
    file.write_bytes(bytes(content))
    ran = run("log", "import", file, "--db", other, "--json")
    assert ran.code == 2
    assert (ran.answer["valid"], ran.answer["first_bad"]) == (False, rows[place])


def test_the_terminal_wants_a_file_where_there_is_one(run, played) -> None:
    check_refused(run("log", "export", "--db", played), "log export takes a file")
    check_refused(run("log", "verify", "x.csv", "--db", played), "log verify takes no file")
