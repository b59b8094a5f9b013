"""Two engines behind one face: a DuckDB file, or PostgreSQL when several processes share it.

Both offer ``rows``, ``table``, ``batches`` and ``append`` inside ``transaction()``.
"""

import contextlib
import io
import tempfile
import threading
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import duckdb
import pyarrow as pa

from hitl.errors import ConflictError, DatabaseLockedError, InputError, StoreError
from hitl.store.statements import INDEXES_ON_POSTGRES

Row = tuple[Any, ...]
BATCH_ROWS = 20_000
FEW_ROWS = 3
CONNECT_SECONDS = 10
CLOSING_SECONDS = 10.0
OTHER_FILE = "Name another file, or restore a backup."
WRITTEN_ALREADY = ("This was written already.", "Reload the page to see what is there.")
SAME_MOMENT = ("Somebody wrote at the same moment.", "Try again.")
SERVER_HINT = "Check HITL_DATABASE_URL and that the server is running."


class Transaction(Protocol):
    """One unit of work: everything in it is kept, or nothing is."""

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        """Run one statement and return its rows."""
        ...

    def table(self, sql: str, params: Sequence[Any] = ()) -> pa.Table:
        """Run one query and return its result as an Arrow table."""
        ...

    def batches(self, sql: str, params: Sequence[Any] = ()) -> Iterator[pa.Table]:
        """Run one query and give its result in parts that fit in memory."""
        ...

    def append(self, table: str, batch: pa.Table) -> int:
        """Append a batch to a table, columns matched by name."""
        ...


class DuckDBEngine:
    """One DuckDB file, one root connection, one writer at a time, one cursor per call."""

    kind = "duckdb"
    locked = ""
    indexes: tuple[str, ...] = ()

    def __init__(self, path: str, *, memory_limit: str, threads: int) -> None:
        self.path = path
        self.writer = threading.RLock()
        self._calls = threading.Condition()
        self._running = 0
        self._closed = False
        self._scratch = tempfile.TemporaryDirectory(
            prefix="second-look-", ignore_cleanup_errors=True
        )
        try:
            self._root = self._connect(memory_limit, threads)
        except BaseException:
            self._scratch.cleanup()
            raise

    @property
    def scratch(self) -> Path:
        """The one folder this connection may read and write besides its own file."""
        return Path(self._scratch.name)

    def _connect(self, memory_limit: str, threads: int) -> duckdb.DuckDBPyConnection:
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory_limit,
            "threads": threads,
            "temp_directory": str(self.scratch),
            "default_null_order": "nulls_last_on_asc_first_on_desc",  # as PostgreSQL sorts
            "autoload_known_extensions": False,
            "autoinstall_known_extensions": False,
            "allow_community_extensions": False,
            "allow_persistent_secrets": False,
        }
        try:
            if self.path != ":memory:":
                Path(self.path).parent.mkdir(parents=True, exist_ok=True)
            root = duckdb.connect(self.path, config=config)
        except (OSError, duckdb.Error) as error:
            raise _unopened(self.path, error) from error
        root.execute("SET allowed_directories = [$folder]", {"folder": str(self.scratch)})
        root.execute("SET enable_external_access = false")
        root.execute("SET lock_configuration = true")
        return root

    @contextlib.contextmanager
    def reading(self) -> Iterator[Transaction]:
        """Open a cursor for statements that change nothing."""
        with self._calls:
            if self._closed:
                raise _closed()
            cursor = self._root.cursor()
            self._running += 1
        try:
            yield _DuckDBTransaction(cursor)
        except duckdb.Error as error:
            raise _translated(error) from error
        finally:
            cursor.close()
            with self._calls:
                self._running -= 1
                self._calls.notify_all()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Open a transaction under the process's writer lock."""
        with self.writer, self.reading() as work:
            work.rows("BEGIN TRANSACTION")
            try:
                yield work
            except BaseException:
                with contextlib.suppress(duckdb.Error):  # a broken transaction is rolled back
                    work.rows("ROLLBACK")
                raise
            work.rows("COMMIT")

    snapshot = transaction
    """All of a transaction's statements see one state anyway."""

    def alone(self, table: str) -> contextlib.AbstractContextManager[Transaction]:
        """Open a transaction beside which nobody writes."""
        del table
        return self.transaction()

    @contextlib.contextmanager
    def migrating(self) -> Iterator[Transaction]:
        """Open the transaction that changes the schema; its journal is folded in."""
        with self.transaction() as work:
            yield work
        with self.reading() as work:
            work.rows("CHECKPOINT")

    def copy_to(self, path: Path) -> None:
        """Write a consistent copy of the live database to a new file in the scratch folder."""
        name = f"copy_{uuid.uuid4().hex}"
        with self.reading() as work:
            main = work.rows("SELECT current_database()")[0][0].replace('"', '""')
            target = str(path).replace("'", "''")
            work.rows(f"ATTACH '{target}' AS {name}")
            try:
                work.rows("BEGIN TRANSACTION")
                work.rows(f'COPY FROM DATABASE "{main}" TO {name}')
                work.rows("COMMIT")
            finally:
                with contextlib.suppress(duckdb.Error):  # there is none after a COMMIT
                    work.rows("ROLLBACK")
                work.rows(f"DETACH {name}")

    def close(self) -> None:
        """Close the file when running calls have ended; its journal is folded in."""
        with self._calls:
            if self._closed:
                return
            self._closed = True
            self._calls.wait_for(lambda: not self._running, timeout=CLOSING_SECONDS)
        self._root.close()
        self._scratch.cleanup()


class _DuckDBTransaction:
    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self.cursor = cursor

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        return self.cursor.execute(sql, list(params)).fetchall()

    def table(self, sql: str, params: Sequence[Any] = ()) -> pa.Table:
        return self.cursor.sql(sql, params=list(params)).to_arrow_table()

    def batches(self, sql: str, params: Sequence[Any] = ()) -> Iterator[pa.Table]:
        found = self.cursor.sql(sql, params=list(params))
        reader: pa.RecordBatchReader = found.to_arrow_reader(BATCH_ROWS)
        for batch in reader:
            yield pa.Table.from_batches([batch])

    def append(self, table: str, batch: pa.Table) -> int:
        columns = ", ".join(batch.column_names)
        if batch.num_rows <= FEW_ROWS:  # planning a scan of a batch costs more than they do
            marks = ", ".join("?" * batch.num_columns)
            statement = f"INSERT INTO {table} ({columns}) VALUES ({marks})"  # noqa: S608  as below
            for row in batch.to_pylist():
                self.cursor.execute(statement, list(row.values()))
            return int(batch.num_rows)
        self.cursor.register("incoming", batch)
        self.cursor.execute(
            f"INSERT INTO {table} ({columns}) SELECT {columns} FROM incoming"  # noqa: S608  names are checked by Store
        )
        self.cursor.unregister("incoming")
        return int(batch.num_rows)


class PostgresEngine:
    """A pool of connections to any server that speaks PostgreSQL's protocol."""

    kind = "postgres"
    locked = "FOR UPDATE"
    indexes = INDEXES_ON_POSTGRES
    scratch = None

    def __init__(self, url: str) -> None:
        try:
            import psycopg
            from psycopg_pool import ConnectionPool
        except ImportError as error:
            raise StoreError(
                "The PostgreSQL driver is not installed.",
                "Run: pip install -r requirements-postgres.txt",
            ) from error
        self.path = url
        self._errors = psycopg.errors
        self._base_error = psycopg.Error
        self._pool = ConnectionPool(
            url,
            min_size=1,
            max_size=8,
            timeout=CONNECT_SECONDS,
            open=False,
            check=ConnectionPool.check_connection,
            kwargs={
                "cursor_factory": psycopg.RawCursor,
                "client_encoding": "utf8",
                "connect_timeout": CONNECT_SECONDS,
                "prepare_threshold": None,  # so that it also works behind a connection pooler
            },
        )
        try:
            psycopg.connect(url, connect_timeout=CONNECT_SECONDS).close()  # says why at once
            self._pool.open(wait=True, timeout=CONNECT_SECONDS)
        except psycopg.Error as error:
            self._pool.close()
            raise StoreError(
                f"The PostgreSQL server cannot be reached: {_first_line(error)}", SERVER_HINT
            ) from error

    @contextlib.contextmanager
    def reading(self) -> Iterator[Transaction]:
        """Open a connection for statements that change nothing."""
        with self.transaction() as work:
            yield work

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Open a transaction on a pooled connection."""
        try:
            with self._pool.connection() as connection, connection.cursor() as cursor:
                yield _PostgresTransaction(cursor)
        except self._errors.UniqueViolation as error:
            raise ConflictError(*WRITTEN_ALREADY) from error
        except (self._errors.SerializationFailure, self._errors.DeadlockDetected) as error:
            raise ConflictError(*SAME_MOMENT) from error
        except self._base_error as error:
            hint = SERVER_HINT if isinstance(error, self._errors.OperationalError) else ""
            raise StoreError(f"The database refused: {_first_line(error)}", hint) from error

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Transaction]:
        """Open a transaction all of whose statements see one state of the database."""
        with self.transaction() as work:
            work.rows("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            yield work

    @contextlib.contextmanager
    def alone(self, table: str) -> Iterator[Transaction]:
        """Open a transaction that sees one state, taken when nobody writes to a table."""
        with self.transaction() as work:
            work.rows("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            work.rows(f"LOCK TABLE {table} IN EXCLUSIVE MODE")
            yield work

    @contextlib.contextmanager
    def migrating(self) -> Iterator[Transaction]:
        """Open the transaction that changes the schema; one process at a time."""
        with self.transaction() as work:
            work.rows("SELECT pg_advisory_xact_lock(20260101)")
            yield work

    def close(self) -> None:
        """Give all connections back."""
        self._pool.close()


class _PostgresTransaction:
    def __init__(self, cursor: Any) -> None:
        self.cursor = cursor

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        self.cursor.execute(sql, list(params) or None)
        return self.cursor.fetchall() if self.cursor.description else []

    def table(self, sql: str, params: Sequence[Any] = ()) -> pa.Table:
        return _arrow_table(self.rows(sql, params), self.cursor.description)

    def batches(self, sql: str, params: Sequence[Any] = ()) -> Iterator[pa.Table]:
        from psycopg import RawServerCursor

        with RawServerCursor(self.cursor.connection, "batches") as reader:
            reader.execute(sql, list(params) or None)
            while rows := reader.fetchmany(BATCH_ROWS):
                yield _arrow_table(rows, reader.description)

    def append(self, table: str, batch: pa.Table) -> int:
        from pyarrow import csv

        text = io.BytesIO()
        csv.write_csv(batch, text, csv.WriteOptions(include_header=False))
        columns = ", ".join(batch.column_names)
        with self.cursor.copy(f"COPY {table} ({columns}) FROM STDIN (FORMAT csv)") as copy:
            copy.write(text.getvalue())
        return int(batch.num_rows)


_ARROW_OF_POSTGRES = {16: pa.bool_(), 20: pa.int64(), 23: pa.int64(), 701: pa.float64()}
"""Arrow type by PostgreSQL type number: boolean, bigint, integer, double precision."""


def _arrow_table(rows: Sequence[Row], described: Any) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(described)
    arrays = [
        pa.array(values, type=_ARROW_OF_POSTGRES.get(column.type_code, pa.string()))
        for values, column in zip(columns, described, strict=True)
    ]
    return pa.table(arrays, names=[column.name for column in described])


def engine_for(url: str, *, memory_limit: str, threads: int) -> DuckDBEngine | PostgresEngine:
    """Open the engine a URL names: a file path, ``duckdb:PATH`` or ``postgresql://``."""
    if url.startswith(("postgresql://", "postgres://")):
        return PostgresEngine(url)
    path = url.removeprefix("duckdb:")
    if "://" in path or not path:
        raise InputError(
            f"{url.split('://')[0]!r} names no database this app can use.",
            "Give a file path, duckdb:PATH or postgresql://… as HITL_DATABASE_URL.",
        )
    return DuckDBEngine(path, memory_limit=memory_limit, threads=threads)


def _unopened(path: str, error: Exception) -> StoreError:
    if "Could not set lock" in str(error):
        return DatabaseLockedError(
            f"Another process has {path} open.",
            "Stop it, or set HITL_DATABASE_URL to a PostgreSQL server that processes can share.",
        )
    if isinstance(error, duckdb.ConnectionException):
        return DatabaseLockedError(f"This process has {path} open already.", "Close it first.")
    wrong_setting = isinstance(error, duckdb.ProgrammingError)
    return StoreError(
        f"{path} cannot be opened as a database: {_first_line(error)}",
        "Check HITL_MEMORY_LIMIT and HITL_THREADS." if wrong_setting else OTHER_FILE,
    )


def _translated(error: duckdb.Error) -> StoreError | ConflictError:
    said = str(error)
    if isinstance(error, duckdb.ConstraintException | duckdb.TransactionException):
        if "uplicate key" in said:
            return ConflictError(*WRITTEN_ALREADY)
        if "onflict" in said:
            return ConflictError(*SAME_MOMENT)
    return StoreError(f"The database refused: {_first_line(error)}")


def _closed() -> StoreError:
    return StoreError("The database is closed.", "Open it again.")


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
