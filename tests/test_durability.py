"""What survives: backups taken while others write, restores, and a process killed at work."""

import math
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from hitl import store as storage
from hitl.errors import BackupError, DatabaseLockedError, StoreError
from hitl.store import TABLES, VIEWS, Store, restore
from hitl.workflow import Person, claim, decide
from hitl.workspaces import CARDS
from tests import facts
from tests.facts import AWKWARD, NOW, evidence
from tests.servers import ROOT

POSTGRES = pytest.mark.postgres
GROUP = 5


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "test.duckdb"


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A whole history that these tests only read."""
    with Store(str(tmp_path_factory.mktemp("source") / "source.duckdb")) as store:
        facts.write_history(store)
        yield store


@pytest.fixture(scope="module")
def backup_of_history(history: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return history.backup(tmp_path_factory.mktemp("backup") / "backup.duckdb")


@pytest.fixture
def backup(backup_of_history: Path, tmp_path: Path) -> Path:
    """A backup of a whole history, to do with as one likes."""
    return Path(shutil.copy(backup_of_history, tmp_path / "backup.duckdb"))


def same_rows(one: Store, other: Store) -> None:
    for table in TABLES:
        here, there = (
            found.sort_values(list(found.columns[:2]), ignore_index=True)
            for found in (one.view(table), other.view(table))
        )
        pd.testing.assert_frame_equal(here, there, check_exact=True, obj=table)


def scratch_in(folder: Path) -> dict[str, str]:
    """Return the environment of a process that dies without tidying up."""
    return {**os.environ, "TMPDIR": str(folder)}


# Backup and restore


def review(store: Store, busy: threading.Event) -> None:
    """Claim and decide a case, and queue more when there is none."""
    claimed = claim(store, CARDS, Person("ann"), now_ms=NOW)
    if claimed is None:
        facts.add_cases(store, 20, prefix=f"more-{len(store.view('case_heads'))}")
        return
    facts.decide(store, CARDS, claimed, "fraud")
    busy.set()


def append_a_group(store: Store, busy: threading.Event) -> None:
    """Append rows to two tables in one transaction."""
    number = len(store.view("explanations"))
    with store.transaction() as work:
        rows = [evidence(f"group-{number}-{n}", AWKWARD) for n in range(GROUP)]
        work.append("explanations", rows)
        row = facts.event(facts.head(number, prefix="group"), number=-1 - number)
        work.append("case_events", [row])
    busy.set()


@contextmanager
def two_writers(store: Store) -> Iterator[None]:
    """Let two threads write for as long as the block runs."""
    stop, trouble = threading.Event(), []
    busy = {work: threading.Event() for work in (review, append_a_group)}

    def again_and_again(work: Callable[[Store, threading.Event], None]) -> None:
        try:
            while not stop.is_set():
                work(store, busy[work])
        except BaseException as error:  # noqa: BLE001  told below
            trouble.append(error)

    threads = [threading.Thread(target=again_and_again, args=(work,)) for work in busy]
    for thread in threads:
        thread.start()
    try:
        for event in busy.values():
            assert event.wait(30)
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not trouble


def whole(store: Store) -> int:
    """Check that no transaction of `two_writers` is there in part, and count decisions."""
    events = store.view("case_events")
    groups = events[events["instance_id"].str.startswith("group-")]
    texts = store.view("explanations")
    counts = texts["explanation_id"].str.rpartition("-")[0].value_counts().to_dict()
    assert counts == dict.fromkeys(groups["instance_id"], GROUP)
    assert set(texts["body"]) <= {AWKWARD}
    cases = events[~events["instance_id"].str.startswith("group-")]
    assert facts.heads(store) == facts.fold(cases)
    return int((events["kind"] == "decided").sum())


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("duckdb", "duckdb"),
        pytest.param("duckdb", "postgres", marks=POSTGRES),
        pytest.param("postgres", "duckdb", marks=POSTGRES),
        pytest.param("postgres", "postgres", marks=POSTGRES),
    ],
)
def test_a_backup_taken_while_others_write_restores_to_a_whole_database(
    source, target, tmp_path, request
) -> None:
    urls = {"duckdb": str(tmp_path / f"{source}.duckdb")}
    if "postgres" in (source, target):
        urls["postgres"] = request.getfixturevalue("fresh_postgres_url")
    with Store(urls[source]) as store:
        facts.add_cases(store, 200)
        with two_writers(store):
            backups = [store.backup(tmp_path / f"backup-{n}.duckdb") for n in range(2)]
        final = whole(store)
    decided = []
    for backup in backups:
        url = str(tmp_path / f"restored-{backup.stem}.duckdb")
        url = urls["postgres"] if target == "postgres" else url
        counts = restore(url, backup, replace=True)
        with Store(url) as restored, Store(str(backup)) as original:
            decided.append(whole(restored))
            same_rows(restored, original)
            assert counts == {table: len(restored.view(table)) for table in TABLES}
            facts.decide(
                restored, CARDS, claim(restored, CARDS, Person("bob"), now_ms=NOW), "fraud"
            )
    assert 0 < decided[0] <= decided[1] <= final


def test_backups_at_one_moment_do_not_disturb_each_other(database_url, tmp_path) -> None:
    trouble = []

    def back_up(number: int) -> None:
        try:
            store.backup(tmp_path / "deep" / "er" / f"{number}.duckdb")
        except BaseException as error:  # noqa: BLE001  told below
            trouble.append(error)

    with Store(database_url) as store:
        facts.write_history(store)
        threads = [threading.Thread(target=back_up, args=(n,)) for n in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not trouble
        found = sorted((tmp_path / "deep" / "er").iterdir())
        assert [file.name for file in found] == ["0.duckdb", "1.duckdb", "2.duckdb"]
        for file in found:
            with Store(str(file)) as copy:
                same_rows(copy, store)


@POSTGRES
def test_a_whole_history_goes_there_and_back(
    path, fresh_postgres_url, backup, history, tmp_path
) -> None:
    restore(fresh_postgres_url, backup)
    with Store(fresh_postgres_url) as there:
        there.backup(tmp_path / "again.duckdb")
    restore(str(path), tmp_path / "again.duckdb")
    with Store(str(path)) as back:
        same_rows(back, history)
        for view in VIEWS:
            assert len(back.view(view)) == len(history.view(view)) > 0


def test_many_rows_are_copied_in_parts(database_url, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(storage.engines, "BATCH_ROWS", 100)
    with Store(database_url) as store:
        store.append("explanations", pd.DataFrame([evidence(f"{n}") for n in range(1_050)]))
        store.backup(tmp_path / "backup.duckdb")
    assert restore(database_url, tmp_path / "backup.duckdb", replace=True)["explanations"] == 1_050
    with Store(database_url) as store:
        assert store.view("explanations")["explanation_id"].nunique() == 1_050


def test_a_database_in_memory_can_be_backed_up(tmp_path) -> None:
    with Store("duckdb::memory:") as store:
        store.append("explanations", [evidence("a")])
        store.backup(tmp_path / "backup.duckdb")
    assert restore("duckdb::memory:", tmp_path / "backup.duckdb")["explanations"] == 1


def test_a_backup_never_overwrites_a_file(database_url, tmp_path) -> None:
    file = tmp_path / "precious.txt"
    file.write_text("precious")
    with Store(database_url) as store:
        with pytest.raises(BackupError, match=r"precious\.txt is there already"):
            store.backup(file)
        with pytest.raises(BackupError, match="is there already"):
            store.backup(tmp_path)
    assert file.read_text() == "precious"


def test_a_backup_that_cannot_be_written_leaves_nothing(database_url, tmp_path) -> None:
    (tmp_path / "file").touch()
    with Store(database_url) as store:
        before = sorted(tmp_path.iterdir())
        with pytest.raises(BackupError, match="cannot be written"):
            store.backup(tmp_path / "file" / "backup.duckdb")
        assert sorted(tmp_path.iterdir()) == before
        assert store.view("instances").empty


def test_a_backup_carries_its_views_and_opens_without_rebuilding(backup) -> None:
    with duckdb.connect(str(backup), read_only=True) as connection:
        found = connection.execute("SELECT view_name, comment FROM duckdb_views()").fetchall()
    comments = dict(found)
    assert all(comments[view] for view in VIEWS)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.95, 0.9999999])
def test_a_truncated_backup_is_refused_and_the_target_untouched(
    share, path, backup, tmp_path
) -> None:
    with Store(str(path)) as store:
        store.append("explanations", [evidence("mine")])
    before = path.read_bytes()
    content = backup.read_bytes()
    cut = tmp_path / "cut.duckdb"
    cut.write_bytes(content[: math.floor(share * len(content))])
    with pytest.raises(BackupError, match=r"cut\.duckdb is not a usable backup.*cut off"):
        restore(str(path), cut, replace=True)
    assert path.read_bytes() == before
    assert cut.read_bytes() == content[: math.floor(share * len(content))]


@POSTGRES
def test_a_truncated_backup_leaves_a_server_untouched(fresh_postgres_url, backup) -> None:
    with Store(fresh_postgres_url) as store:
        store.append("explanations", [evidence("mine")])
    content = backup.read_bytes()
    backup.write_bytes(content[: len(content) // 2])
    with pytest.raises(BackupError, match="is not a usable backup"):
        restore(fresh_postgres_url, backup, replace=True)
    with Store(fresh_postgres_url) as store:
        assert store.view("explanations")["explanation_id"].tolist() == ["mine"]


def test_a_flipped_byte_in_the_rows_is_noticed(path, backup) -> None:
    content = bytearray(backup.read_bytes())
    place = content.find(b"m-never promoted"[:8])
    place = place if place > 0 else content.find(b"known anomaly")
    content[place] ^= 0xFF
    backup.write_bytes(bytes(content))
    with pytest.raises(BackupError, match="is not a usable backup"):
        restore(str(path), backup)


def test_what_is_not_a_backup_is_refused_and_left_alone(path, tmp_path) -> None:
    with pytest.raises(BackupError, match="There is no file"):
        restore(str(path), tmp_path / "missing.duckdb")
    with pytest.raises(BackupError, match="There is no file"):
        restore(str(path), tmp_path)
    other = tmp_path / "other.duckdb"
    with duckdb.connect(str(other)) as connection:
        connection.execute("CREATE TABLE customers AS SELECT 1 AS n")
    before = other.read_bytes()
    with pytest.raises(BackupError, match="it is a database of another program"):
        restore(str(path), other)
    text = tmp_path / "other.csv"
    text.write_text("a,b\n1,2\n" * 10_000)
    with pytest.raises(BackupError, match="is not a usable backup"):
        restore(str(path), text)
    assert other.read_bytes() == before
    assert not path.exists()


def test_a_backup_of_a_newer_version_is_refused(path, backup) -> None:
    with duckdb.connect(str(backup)) as connection:
        connection.execute("INSERT INTO migrations VALUES ('0099_later', 'x')")
    with pytest.raises(BackupError, match="does not know: 0099_later"):
        restore(str(path), backup)
    assert not path.exists()


def test_a_database_with_rows_is_only_replaced_when_that_is_said(database_url, backup) -> None:
    with Store(database_url) as store:
        store.append("explanations", [evidence("mine")])
    with pytest.raises(BackupError, match=r"not empty.*--replace"):
        restore(database_url, backup)
    with Store(database_url) as store:
        assert store.view("explanations")["explanation_id"].tolist() == ["mine"]
    counts = restore(database_url, backup, replace=True)
    with Store(database_url) as store:
        assert counts["explanations"] == len(store.view("explanations")) == 6
        facts.check_heads(store)


def test_the_same_backup_can_be_restored_twice(database_url, backup, history) -> None:
    before = backup.read_bytes()
    for _ in range(2):
        restore(database_url, backup, replace=True)
    assert backup.read_bytes() == before
    with Store(database_url) as store:
        same_rows(store, history)


def test_a_database_in_use_is_not_replaced(path, backup) -> None:
    with Store(str(path)) as store:
        with pytest.raises(DatabaseLockedError):
            restore(str(path), backup, replace=True)
        store.append("explanations", [evidence("mine")])
    with Store(str(path)) as store:
        assert store.view("explanations")["explanation_id"].tolist() == ["mine"]


def test_a_damaged_database_is_replaced_when_that_is_said(path, backup, history) -> None:
    path.write_bytes(b"damaged" * 5_000)
    Path(f"{path}.wal").write_bytes(b"damaged")
    with pytest.raises(StoreError, match="restore a backup"):
        restore(str(path), backup)
    restore(str(path), backup, replace=True)
    assert not Path(f"{path}.wal").exists()
    with Store(str(path)) as store:
        same_rows(store, history)


def test_a_journal_of_the_replaced_database_is_not_replayed(
    path, backup, tmp_path, tmp_path_factory
) -> None:
    write_and_die = (
        "import os, sys\nfrom hitl.store import Store\nfrom tests.facts import evidence\n"
        "store = Store(sys.argv[1])\nstore.append('explanations', [evidence('mine')])\n"
        "os._exit(1)"
    )
    run = [sys.executable, "-c", write_and_die, str(path)]
    subprocess.run(run, cwd=ROOT, env=scratch_in(tmp_path_factory.mktemp("scratch")), check=False)
    assert Path(f"{path}.wal").exists()
    restore(str(path), backup, replace=True)
    with Store(str(path)) as store:
        assert "mine" not in set(store.view("explanations")["explanation_id"])
    assert {file.name for file in tmp_path.iterdir()} == {"backup.duckdb", "test.duckdb"}


# Killed at work


AT_WORK = """
import os, sys, threading
from hitl.store import Store
from hitl.workflow import Person, claim
from hitl.workspaces import CARDS
from tests import facts

url, tag = sys.argv[1:]
store = Store(url)

def told(text):
    os.write(1, (text + "\\n").encode())  # one line is written whole

def ingest():
    number = 0
    while True:
        prefix = f"{tag}-{number}"
        facts.add_cases(store, 4, prefix=prefix)
        told(f"queued {prefix}")
        number += 1

def review(name):
    while True:
        claimed = claim(store, CARDS, Person(f"{tag} {name}"), now_ms=facts.NOW)
        if claimed:
            facts.decide(store, CARDS, claimed, "fraud")
            told(f"decided {claimed.instance_id} {claimed.fence}")

for target, args in [(ingest, ()), *[(review, (n,)) for n in range(3)]]:
    threading.Thread(target=target, args=args, daemon=True).start()
threading.Event().wait()
"""
ACKNOWLEDGED = 20


def killed_at_work(url: str, tag: str, scratch: Path) -> list[str]:
    """Let a process work, kill it without a warning, and return what it said was done."""
    process = subprocess.Popen(
        [sys.executable, "-c", AT_WORK, url, tag],
        cwd=ROOT,
        env=scratch_in(scratch),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    giving_up = threading.Timer(120.0, process.kill)
    giving_up.daemon = True
    giving_up.start()
    said: list[str] = []
    while sum(line.startswith("decided") for line in said) < ACKNOWLEDGED:
        said.append(process.stdout.readline().rstrip("\n"))
        assert said[-1], "the process ended by itself"
    giving_up.cancel()
    os.kill(process.pid, signal.SIGKILL)
    rest = process.communicate()[0].splitlines()
    assert process.returncode == -signal.SIGKILL
    return [*said, *rest]


def test_nothing_acknowledged_is_lost_or_doubled_when_the_process_is_killed(
    database_url, tmp_path
) -> None:
    Store(database_url).close()
    acknowledged: list[str] = []
    for attempt in range(3):
        acknowledged += killed_at_work(database_url, f"round-{attempt}", tmp_path)
        with Store(database_url) as store:
            facts.check_heads(store)
            events = store.view("case_events")
            heads = store.view("case_heads")
        assert events["event_id"].is_unique
        batches = heads["instance_id"].str.rpartition("-")[0].value_counts()
        assert set(batches) == {4}  # every batch is there as a whole
        assert len(events[events["kind"] == "queued"]) == len(heads)
        queued = {line.split()[1] for line in acknowledged if line.startswith("queued")}
        decided = {tuple(line.split()[1:]) for line in acknowledged if line.startswith("decided")}
        assert queued <= set(batches.index)
        kept = events[events["kind"] == "decided"]
        assert kept["instance_id"].is_unique
        assert decided <= {
            (i, str(f - 1)) for i, f in zip(kept.instance_id, kept.fence, strict=True)
        }
        assert queued
        assert decided
    with Store(database_url) as store:  # and the work goes on
        claimed = claim(store, CARDS, Person("ann"), now_ms=NOW, instance_id=_open_case(store))
        assert claimed is not None
        decide(
            store, CARDS, claimed, verdict="unsure", reason="needs the customer", key="last",
            now_ms=NOW,
        )  # fmt: skip
        facts.check_heads(store)


def _open_case(store: Store) -> str:
    facts.add_cases(store, 1, prefix="last")
    return "last-0"
