"""The store: opening, migrations, appends, transactions, hardening and what it refuses."""

import math
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import psycopg
import pytest

from hitl import store as storage
from hitl.errors import (
    AlreadyDecidedError,
    ConflictError,
    DatabaseLockedError,
    InputError,
    StoreError,
)
from hitl.store import MIGRATIONS, TABLES, VIEWS, Store
from tests import facts
from tests.facts import AWKWARD, evidence
from tests.servers import ROOT, free_port

ANN = "ann"


@pytest.fixture(scope="module", params=facts.ENGINES)
def database(request: pytest.FixtureRequest) -> Iterator[Store]:
    with facts.opened(request) as store:
        yield store


@pytest.fixture
def store(database: Store) -> Store:
    """A database without rows."""
    return facts.emptied(database)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "test.duckdb"


def run_sql(url: str, *statements: str) -> list[tuple[Any, ...]]:
    """Run statements past the store, as another program would, and return the last one's rows."""
    if url.startswith("postgresql"):
        with psycopg.connect(url) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []
    with duckdb.connect(url) as connection:
        for statement in statements:
            connection.execute(statement)
        return connection.fetchall()


def schema(url: str) -> list[tuple[Any, ...]]:
    """List every column of every table and view with its type."""
    return run_sql(
        url,
        "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns "
        "WHERE table_schema IN ('main', 'public') ORDER BY table_name, column_name",
    )


# Opening


def test_a_new_database_has_every_table_and_view(database_url) -> None:
    assert len(TABLES) == 14
    with Store(database_url) as store:
        for name in (*TABLES, *VIEWS):
            assert store.view(name).empty


def test_what_was_appended_is_there_after_reopening(database_url) -> None:
    with Store(database_url) as store:
        store.append("explanations", [evidence("a", AWKWARD)])
    with Store(database_url) as store:
        assert store.view("explanations")["body"].tolist() == [AWKWARD]


def test_a_reopened_database_has_the_schema_of_a_new_one(database_url) -> None:
    Store(database_url).close()
    new = schema(database_url)
    Store(database_url).close()
    assert schema(database_url) == new
    assert {name for name, *_ in new} == {*TABLES, *VIEWS, "migrations"}


@pytest.mark.parametrize("url", ["", "duckdb:", "mysql://ann:secret@host/db", "sqlite:///x.db"])
def test_an_address_of_another_kind_is_refused_without_telling_its_password(url) -> None:
    with pytest.raises(InputError, match="names no database") as raised:
        Store(url)
    assert "secret" not in str(raised.value)


def test_a_path_may_carry_the_name_of_the_engine_and_its_folder_is_made(tmp_path) -> None:
    path = tmp_path / "a folder" / "it's.duckdb"
    with Store(f"duckdb:{path}") as store:
        assert store.path == path
        assert store.kind == "duckdb"
    assert path.is_file()


def test_a_database_in_memory_has_no_path() -> None:
    with Store("duckdb::memory:") as store:
        assert store.path is None


@pytest.mark.parametrize("content", [b"", b"hello" * 5_000])
def test_a_file_that_is_no_database_is_refused(path, content) -> None:
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"cannot be opened as a database.*restore a backup"):
        Store(str(path))
    assert path.read_bytes() == content


def test_a_folder_that_cannot_be_made_is_refused(tmp_path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be opened"):
        Store(str(tmp_path / "file" / "test.duckdb"))


@pytest.mark.parametrize("limits", [{"memory_limit": "12 parsec"}, {"threads": 0}])
def test_a_limit_that_cannot_be_used_names_the_settings(path, limits) -> None:
    with pytest.raises(StoreError, match="HITL_MEMORY_LIMIT and HITL_THREADS"):
        Store(str(path), **limits)


def test_the_limits_reach_the_engine(path) -> None:
    with (
        Store(str(path), memory_limit="256MiB", threads=1) as store,
        store._engine.reading() as work,
    ):
        read = "SELECT current_setting('memory_limit'), current_setting('threads')"
        assert work.rows(read) == [("256.0 MiB", 1)]


def test_a_second_process_is_told_which_setting_lets_processes_share(path) -> None:
    with Store(str(path)):
        code = f"from hitl.store import Store; Store({str(path)!r})"
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
        )
    assert done.returncode == 1
    assert f"DatabaseLockedError: Another process has {path} open." in done.stderr
    assert "HITL_DATABASE_URL" in done.stderr


def test_a_second_store_in_one_process_is_refused(path) -> None:
    with Store(str(path)), pytest.raises(DatabaseLockedError, match="This process has"):
        Store(str(path))
    Store(str(path)).close()


def test_a_closed_store_says_so_and_may_be_closed_again(database_url) -> None:
    store = Store(database_url)
    store.close()
    store.close()
    with pytest.raises(StoreError):
        store.view("instances")
    with pytest.raises(StoreError):
        store.append("explanations", [evidence("a")])


def test_closing_waits_for_calls_that_run(path) -> None:
    store = Store(str(path))
    entered, go_on = threading.Event(), threading.Event()
    seen = []

    def read() -> None:
        with store._engine.reading() as work:
            entered.set()
            go_on.wait()
            seen.append(work.rows("SELECT 1"))

    reader = threading.Thread(target=read)
    reader.start()
    entered.wait()
    closer = threading.Thread(target=store.close)
    closer.start()
    while not store._engine._closed:
        pass
    go_on.set()
    reader.join()
    closer.join()
    assert seen == [[(1,)]]
    Store(str(path)).close()


def test_the_scratch_folder_goes_with_the_store(path) -> None:
    store = Store(str(path))
    scratch = store._engine.scratch
    assert scratch.is_dir()
    store.close()
    assert not scratch.exists()


# Migrations


def test_views_are_rebuilt_when_their_text_changed(database_url) -> None:
    Store(database_url).close()
    new = schema(database_url)
    run_sql(
        database_url,
        "DROP VIEW newest_comparisons",
        "CREATE VIEW newest_comparisons AS SELECT 1 AS stale",
        "CREATE VIEW gone AS SELECT * FROM labels",
        "INSERT INTO migrations VALUES ('view 999 gone', '')",
        "UPDATE migrations SET sha256 = 'older' WHERE name = 'views'",
    )
    assert schema(database_url) != new
    Store(database_url).close()
    assert schema(database_url) == new


def test_views_are_left_alone_when_their_text_did_not_change(database_url) -> None:
    Store(database_url).close()
    mine = "CREATE VIEW mine AS SELECT count(*) AS n FROM labels"
    run_sql(database_url, mine)
    Store(database_url).close()
    assert run_sql(database_url, "SELECT n FROM mine") == [(0,)]


def test_a_new_migration_is_run_once_and_views_see_its_columns(
    database_url, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(database_url) as store:
        facts.write_history(store)
    change = "-- One more column.\nALTER TABLE predictions ADD COLUMN remark TEXT;\n"
    monkeypatch.setitem(MIGRATIONS, "0002_remark", change)
    for _ in range(2):
        with Store(database_url) as store:
            assert store.view("live_predictions")["remark"].isna().all()
            assert len(store.view("live_predictions")) == 20
            facts.check_heads(store)


def test_a_migration_of_a_newer_version_is_refused(database_url) -> None:
    Store(database_url).close()
    run_sql(database_url, "INSERT INTO migrations VALUES ('0099_later', 'x')")
    with pytest.raises(StoreError, match=r"does not know: 0099_later\. Use the newer version"):
        Store(database_url)


def test_a_migration_that_was_edited_is_refused(database_url) -> None:
    Store(database_url).close()
    run_sql(database_url, "UPDATE migrations SET sha256 = 'x' WHERE name = '0001_facts'")
    with pytest.raises(StoreError, match="0001_facts was changed"):
        Store(database_url)


def test_a_migration_that_fails_leaves_the_database_as_it_was(
    database_url, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(database_url) as store:
        store.append("explanations", [evidence("a")])
    before = schema(database_url)
    broken = "CREATE TABLE half (a TEXT);\nALTER TABLE nowhere ADD COLUMN b TEXT;\n"
    with monkeypatch.context() as patched:
        patched.setitem(MIGRATIONS, "0002_broken", broken)
        with pytest.raises(StoreError, match="nowhere"):
            Store(database_url)
    assert schema(database_url) == before
    with Store(database_url) as store:
        assert len(store.view("explanations")) == 1


@pytest.mark.postgres
def test_postgres_gets_its_indexes_and_duckdb_none(path, fresh_postgres_url) -> None:
    Store(fresh_postgres_url).close()
    Store(str(path)).close()
    named = {n for (n,) in run_sql(fresh_postgres_url, "SELECT indexname FROM pg_indexes")}
    assert {"instances_time", "open_cases", "events_of_case", "events_in_order"} <= named
    assert run_sql(str(path), "SELECT count(*) FROM duckdb_indexes()") == [(0,)]


@pytest.mark.postgres
def test_processes_that_open_a_new_server_database_at_once_all_succeed(fresh_postgres_url) -> None:
    code = f"from hitl.store import Store; Store({fresh_postgres_url!r}).close()"
    started = [
        subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    for process in started:
        _, said = process.communicate()
        assert process.returncode == 0, said.decode()


# Appending


TEXTS = ["", " ", AWKWARD, '"', '""', "\\.", "\\N", "NULL", "a,b", "\r\n", "x\r", "—…\u2028", "0"]


def test_every_text_survives(store) -> None:
    store.append("explanations", [evidence(f"{n}", text) for n, text in enumerate(TEXTS)])
    frame = pd.DataFrame([evidence(f"{n}-frame", text) for n, text in enumerate(TEXTS)])
    store.append("explanations", frame)
    kept = store.view("explanations").set_index("explanation_id")["body"]
    for n, text in enumerate(TEXTS):
        assert kept[f"{n}"] == text
        assert kept[f"{n}-frame"] == text
        assert store.view("explanations", body=text, explanation_id=f"{n}").shape[0] == 1


@pytest.mark.parametrize(
    "values", [[None], [None, None], [True], [None, True, False], [False, None]]
)
def test_an_unknown_truth_value_stays_unknown(store, values) -> None:
    heads = [facts.head(n) for n in range(len(values))]
    rows = [
        facts.event(head, is_positive=value, number=number)
        for number, (head, value) in enumerate(zip(heads, values, strict=True))
    ]
    frame = pd.DataFrame(rows).assign(event_id=lambda t: t.event_id + "-frame", workspace="story")
    store.append("case_events", rows)
    store.append("case_events", frame)
    kept = store.view("case_events", order=("event_id",))["is_positive"]
    assert [None if pd.isna(v) else bool(v) for v in kept] == [v for v in values for _ in "ab"]


def test_an_unknown_text_stays_apart_from_an_empty_one(store) -> None:
    with pytest.raises(StoreError, match=r"(?i)null"):
        store.append("explanations", [evidence("a") | {"body": None}])
    store.append("explanations", [evidence("a", "")])
    assert store.view("explanations")["body"].tolist() == [""]


NUMBERS = [
    0.0,
    -0.0,
    0.1 + 0.2,
    2 / 3,
    5e-324,
    1.7976931348623157e308,
    -1e-300,
    math.inf,
    -math.inf,
]


def test_every_number_survives_to_the_last_bit(store) -> None:
    rows = [facts.head(n) | {"priority": value} for n, value in enumerate(NUMBERS)]
    store.append("case_heads", rows)
    store.append("case_heads", [facts.head(99) | {"priority": math.nan, "fence": 2**62}])
    kept = store.view("case_heads").set_index("instance_id")
    for n, value in enumerate(NUMBERS):
        assert np.float64(kept["priority"][f"case-{n}"]).tobytes() == np.float64(value).tobytes()
    assert math.isnan(kept["priority"]["case-99"])
    assert kept["fence"]["case-99"] == 2**62
    given = list(facts.head(0))[1:]
    assert kept[given].dtypes.astype(str).to_dict() == {
        "workspace": "str",
        "status": "str",
        "holder": "str",
        "lease_until_ms": "int64",
        "fence": "int64",
        "queued_for": "str",
        "inclusion": "float64",
        "priority": "float64",
        "queued_ms": "int64",
    }


def test_columns_are_matched_by_name_and_nothing_is_nothing(store) -> None:
    row = evidence("a", "text")
    assert store.append("explanations", [dict(reversed(row.items()))]) == 1
    assert store.append("explanations", []) == 0
    assert store.append("explanations", pd.DataFrame()) == 0
    assert store.view("explanations").iloc[0].to_dict() == row


def test_categories_are_texts(store) -> None:
    frame = pd.DataFrame([evidence("a", "x"), evidence("b", "y")]).astype({"body": "category"})
    store.append("explanations", frame)
    assert store.view("explanations", order=("explanation_id",))["body"].tolist() == ["x", "y"]


def test_ten_thousand_rows_are_one_append(store) -> None:
    frame = pd.DataFrame([evidence(f"{n}") for n in range(10_000)])
    assert store.append("explanations", frame) == 10_000
    assert len(store.view("explanations")) == 10_000


@pytest.mark.parametrize("table", ["loop_counts", "migrations", "instances; DROP TABLE instances"])
def test_only_a_table_is_appended_to(store, table) -> None:
    with pytest.raises(ValueError, match="is not a table"):
        store.append(table, [evidence("a")])


def test_a_column_name_is_never_sql(store) -> None:
    with pytest.raises(ValueError, match="is not the name of a column"):
        store.append("explanations", [{"explanation_id) SELECT 'x' --": "a"}])
    with pytest.raises(ValueError, match="is not the name of a column"):
        store.view("instances", order=("step; DROP TABLE instances",))
    with pytest.raises(ValueError, match="is not the name of a column"):
        store.view("instances", **{"1=1 OR step": 1})
    with pytest.raises(ValueError, match="is not a view"):
        store.view("instances, models")


def test_a_column_that_is_not_there_is_refused(store) -> None:
    with pytest.raises(StoreError, match="colour"):
        store.append("explanations", [evidence("a") | {"colour": "red"}])
    with pytest.raises(StoreError, match="colour"):
        store.view("explanations", colour="red")
    assert store.view("explanations").empty


def test_views_are_filtered_ordered_and_cut(store) -> None:
    rows = [evidence(f"{n}", "even" if n % 2 == 0 else "odd", explained_ms=n) for n in range(6)]
    store.append("explanations", rows)
    found = store.view("explanations", order=("-body", "explained_ms"), seed=0)
    assert found["explanation_id"].tolist() == ["1", "3", "5", "0", "2", "4"]
    found = store.view("explanations", order=("-explained_ms",), limit=2, body="even")
    assert found["explanation_id"].tolist() == ["4", "2"]
    assert store.view("explanations", limit=0).empty


# Transactions


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, SystemExit])
def test_a_verb_that_fails_or_is_stopped_half_way_leaves_nothing(store, error) -> None:
    def verb(work: storage.Work) -> None:
        work.append("explanations", [evidence("a")])
        assert len(work.view("explanations")) == 1
        raise error

    with pytest.raises(error):
        store.write(verb)
    assert store.view("explanations").empty
    assert store.append("explanations", [evidence("a")]) == 1


def test_the_same_id_twice_is_a_conflict_and_leaves_the_first(store) -> None:
    store.append("explanations", [evidence("a", "first")])

    def verb(work: storage.Work) -> int:
        work.append("explanations", [evidence("b")])
        return work.append("explanations", [evidence("a", "second")])

    with pytest.raises(ConflictError, match="written already"):
        store.write(verb)
    assert store.view("explanations")["body"].tolist() == ["first"]


def test_others_see_nothing_before_the_end_of_a_transaction(store) -> None:
    with store.transaction() as work:
        work.append("explanations", [evidence("a")])
        assert store.view("explanations").empty
    assert len(store.view("explanations")) == 1


def test_every_kept_transaction_is_counted_and_no_other(store) -> None:
    before = store.writes
    store.append("explanations", [evidence("a")])
    with pytest.raises(ConflictError):
        store.append("explanations", [evidence("a")])
    store.view("explanations")
    threads = [
        threading.Thread(target=store.append, args=("explanations", [evidence(f"t{i}")]))
        for i in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.writes - before == 9


def test_a_conflict_is_tried_again_and_then_told(store) -> None:
    store.append("explanations", [evidence("a")])
    tries = []

    def verb(work: storage.Work) -> int:
        tries.append(1)
        return work.append("explanations", [evidence("a" if len(tries) < 3 else "b")])

    assert store.write(verb) == 1
    assert len(tries) == 3
    tries.clear()

    def hopeless(work: storage.Work) -> int:
        tries.append(1)
        return work.append("explanations", [evidence("a")])

    with pytest.raises(ConflictError):
        store.write(hopeless)
    assert len(tries) == storage.RETRIES


def test_a_refusal_of_the_verb_itself_is_not_tried_again(store) -> None:
    tries = []

    def verb(work: storage.Work) -> None:
        tries.append(1)
        raise AlreadyDecidedError("decided")

    with pytest.raises(AlreadyDecidedError):
        store.write(verb)
    assert len(tries) == 1


BUMP = "UPDATE case_heads SET fence = fence + 1"


def bump_under_a_snapshot(engine: Any, begin: str, between: Callable[[], None]) -> None:
    """Read, let somebody else write the same row, then write it too."""
    with engine.reading() as work:
        work.rows(begin)
        work.rows("SELECT * FROM case_heads")
        between()
        work.rows(BUMP)


def test_two_writers_of_one_row_are_a_conflict(store) -> None:
    begin = {
        "duckdb": "BEGIN TRANSACTION",
        "postgres": "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    }
    facts.add_cases(store, 1)

    def somebody_else() -> None:
        with store._engine.transaction() as work:
            work.rows(BUMP)

    with pytest.raises(ConflictError, match="same moment"):
        bump_under_a_snapshot(store._engine, begin[store.kind], somebody_else)
    assert store.view("case_heads")["fence"].tolist() == [1]


def test_threads_that_write_and_read_at_once_get_their_own_rows(store) -> None:
    trouble: list[BaseException] = []

    def work_on(name: str) -> None:
        try:
            for n in range(15):
                store.append("explanations", [evidence(f"{name}-{n}", name)])
                mine = store.view("explanations", body=name)
                assert set(mine["body"]) == {name}
                assert len(mine) == n + 1
        except BaseException as error:  # noqa: BLE001  told below
            trouble.append(error)

    threads = [threading.Thread(target=work_on, args=(f"t{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not trouble
    assert len(store.view("explanations")) == 90


def test_a_forgotten_workspace_is_gone_and_can_begin_again(store) -> None:
    facts.write_history(store)
    other = store.view("case_events", workspace="story", order=("event_id",))
    store.forget("cards")
    for table in TABLES:
        assert set(store.view(table)["workspace"]) == {"story"}
    facts.check_heads(store)
    store.forget("story")
    facts.write_history(store)  # the same ids once more
    again = store.view("case_events", workspace="story", order=("event_id",))
    pd.testing.assert_frame_equal(again, other)
    facts.check_heads(store)


def test_a_workspace_is_not_forgotten_in_part_while_others_write(store) -> None:
    stop, trouble = threading.Event(), []

    def queue() -> None:
        number = 0
        try:
            while not stop.is_set():
                facts.add_cases(store, 2, prefix=f"batch-{number}")
                number += 1
        except BaseException as error:  # noqa: BLE001  told below
            trouble.append(error)

    thread = threading.Thread(target=queue)
    thread.start()
    try:
        for _ in range(10):
            store.forget("cards")
    finally:
        stop.set()
        thread.join()
    assert not trouble
    facts.check_heads(store)


# A hardened DuckDB


ESCAPES = [
    "SELECT * FROM read_csv('{outside}')",
    "SELECT * FROM read_text('{outside}')",
    "SELECT * FROM read_blob('{outside}')",
    "SELECT * FROM read_parquet('{outside}')",
    "SELECT * FROM read_json('{outside}')",
    "SELECT * FROM sniff_csv('{outside}')",
    "SELECT * FROM glob('{folder}/*')",
    "SELECT * FROM '{outside}'",
    "COPY explanations TO '{folder}/out.csv'",
    "COPY explanations FROM '{outside}'",
    "EXPORT DATABASE '{folder}/export'",
    "IMPORT DATABASE '{folder}'",
    "ATTACH '{folder}/other.duckdb'",
    "ATTACH '{folder}/other.duckdb' (READ_ONLY)",
    "INSTALL httpfs",
    "INSTALL httpfs FROM community",
    "LOAD httpfs",
    "LOAD '{outside}'",
    "SELECT * FROM read_csv('https://example.invalid/a.csv')",
    "SET enable_external_access = true",
    "SET lock_configuration = false",
    "SET allowed_directories = ['/']",
    "SET allowed_paths = ['{outside}']",
    "SET memory_limit = '64GB'",
    "SET threads = 64",
    "SET temp_directory = '{folder}'",
    "SET autoinstall_known_extensions = true",
    "SET allow_community_extensions = true",
    "RESET memory_limit",
    "RESET enable_external_access",
    "CALL enable_logging(storage='file')",
    "CALL enable_logging()",
    "CREATE PERSISTENT SECRET s (TYPE http, BEARER_TOKEN 'x')",
    "SELECT getenv('HOME')",
    "SELECT * FROM local_variable",
]


@pytest.fixture(scope="module")
def hardened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("hardened")
    (folder / "outside.csv").write_text("secret\n")
    with Store(str(folder / "test.duckdb")) as store:
        yield store


@pytest.mark.parametrize("statement", ESCAPES)
def test_sql_cannot_leave_the_database(statement, hardened) -> None:
    folder = hardened.path.parent
    local_variable = pd.DataFrame({"secret": [1]})
    before = {file.name for file in folder.iterdir()} - {"test.duckdb.wal"}
    with (
        pytest.raises(StoreError, match="The database refused"),
        hardened._engine.reading() as work,
    ):
        work.rows(statement.format(outside=folder / "outside.csv", folder=folder))
    assert {file.name for file in folder.iterdir()} - {"test.duckdb.wal"} == before
    assert len(local_variable) == hardened.append("explanations", [evidence(statement)])


# PostgreSQL's own troubles


def test_a_server_that_is_not_there_is_told_with_its_setting() -> None:
    with pytest.raises(
        StoreError, match=r"cannot be reached.*refused.*HITL_DATABASE_URL"
    ) as raised:
        Store(f"postgresql://ann:secret@127.0.0.1:{free_port()}/nothing")
    assert "secret" not in str(raised.value)


@pytest.mark.postgres
def test_a_database_that_is_not_there_is_told(postgres_url) -> None:
    with pytest.raises(StoreError, match=r'cannot be reached.*"missing" does not exist'):
        Store(postgres_url.rpartition("/")[0] + "/missing")


def test_an_address_that_cannot_be_read_is_told() -> None:
    with pytest.raises(StoreError, match="cannot be reached"):
        Store("postgresql://127.0.0.1:port/nothing")


def test_a_missing_driver_is_told_with_what_to_install() -> None:
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from hitl.store import Store\n"
        "with Store('duckdb::memory:') as store: store.view('instances')\n"
        "Store('postgresql://127.0.0.1/nothing')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "StoreError: The PostgreSQL driver is not installed." in done.stderr
    assert "pip install -r requirements-postgres.txt" in done.stderr


KILL_OTHERS = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@pytest.mark.postgres
def test_connections_that_died_between_uses_are_replaced_unseen(fresh_postgres_url) -> None:
    with Store(fresh_postgres_url) as store:
        store.append("explanations", [evidence("a")])
        assert run_sql(fresh_postgres_url, KILL_OTHERS)[0][0] > 0
        assert len(store.view("explanations")) == 1
        store.append("explanations", [evidence("b")])
        assert len(store.view("explanations")) == 2


@pytest.mark.postgres
def test_a_connection_that_dies_during_a_transaction_is_told_and_leaves_nothing(
    fresh_postgres_url,
) -> None:
    with Store(fresh_postgres_url) as store:

        def verb(work: storage.Work) -> None:
            work.append("explanations", [evidence("a")])
            run_sql(fresh_postgres_url, KILL_OTHERS)
            work.append("explanations", [evidence("b")])

        with pytest.raises(StoreError, match=r"terminat.*the server is running"):
            store.write(verb)
        assert store.view("explanations").empty


@pytest.mark.postgres
def test_a_text_postgres_cannot_hold_is_refused_as_a_whole(fresh_postgres_url) -> None:
    with Store(fresh_postgres_url) as store:
        with pytest.raises(StoreError, match="0x00"):
            store.append("explanations", [evidence("a"), evidence("b", "\x00")])
        assert store.view("explanations").empty


@pytest.mark.postgres
def test_a_server_with_another_encoding_stores_the_same_text(postgres_url) -> None:
    options = "ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"
    with facts.server_database(postgres_url, options) as url, Store(url) as store:
        store.append("explanations", [evidence("a", "Grüße")])
        assert store.view("explanations")["body"].tolist() == ["Grüße"]
        assert len(store.view("explanations", body="Grüße")) == 1
