"""The only module that talks to the database: open, append, read views, back up.

Facts are append-only tables and meaning is views; both live in ``hitl/sql``. Statements are run by
name, so nothing outside this module holds SQL.
"""

import contextlib
import hashlib
import os
import re
import shutil
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
import pyarrow as pa

from hitl.errors import BackupError, ConflictError, DatabaseLockedError, StoreError
from hitl.store.chains import chain_old_events
from hitl.store.engines import DuckDBEngine, PostgresEngine, Row, Transaction, engine_for
from hitl.store.statements import STATEMENTS

SQL_FOLDER = Path(__file__).parent.parent / "sql"
Result = TypeVar("Result")
RETRIES = 5
SCRATCH = "second-look-"
CHAINED = "0003_journal"
"""The migration after which events are chained."""

FILE_HEADER = 3 * 4_096
"""Bytes of a DuckDB file before its first block."""


def _statements_of(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("--")]
    return [part.strip() for part in "\n".join(lines).split(";\n") if part.strip(" \n;")]


def _named(kind: str, text: str) -> tuple[str, ...]:
    return tuple(re.findall(rf"CREATE {kind} (\w+)", text))


VIEWS_SQL = (SQL_FOLDER / "views.sql").read_text(encoding="utf-8")
MIGRATIONS = {
    path.stem: path.read_text(encoding="utf-8") for path in sorted(SQL_FOLDER.glob("0*.sql"))
}
VIEWS = _named("VIEW", VIEWS_SQL)
TABLES = tuple(name for text in MIGRATIONS.values() for name in _named("TABLE", text))


class Work:
    """One transaction: statements by name, appends by table."""

    def __init__(self, inner: Transaction, locked: str = "") -> None:
        self._inner = inner
        self._locked = locked
        self.ends: dict[str, tuple[int, str]] = {}
        """Number and hash with which each chain that this transaction has locked ends."""

    def rows(self, statement: str, *params: Any) -> list[Row]:
        """Run a statement of `STATEMENTS` and return its rows."""
        return self._inner.rows(STATEMENTS[statement].replace("{locked}", self._locked), params)

    def batches(self, statement: str, *params: Any) -> Iterator[pa.Table]:
        """Run a reading statement of `STATEMENTS` and give its rows in parts that fit in memory."""
        return self._inner.batches(STATEMENTS[statement], params)

    def append(self, table: str, rows: Sequence[Mapping[str, Any]] | pd.DataFrame) -> int:
        """Append rows to a fact table, columns matched by name."""
        if table not in TABLES:
            raise ValueError(f"{table} is not a table")
        if len(rows) == 0:
            return 0
        batch = (
            pa.Table.from_pandas(rows, preserve_index=False)
            if isinstance(rows, pd.DataFrame)
            else pa.Table.from_pylist([dict(row) for row in rows])
        )
        _check_names(batch.column_names)
        return self._inner.append(table, batch)

    def view(
        self, name: str, /, *, order: Sequence[str] = (), limit: int | None = None, **equals: Any
    ) -> pd.DataFrame:
        """Read a view or table, kept to rows where each named column has the given value.

        ``order`` holds column names, with a leading ``-`` for descending.
        """
        sql = _select(name, tuple(equals), tuple(order), limit)
        found: pd.DataFrame = self._inner.table(sql, tuple(equals.values())).to_pandas()
        return found


class Store:
    """One database, whichever engine holds it.

    Parameters
    ----------
    url
        A file path, ``duckdb:PATH``, ``duckdb::memory:`` or ``postgresql://…``.
    memory_limit, threads
        Limits for DuckDB.

    Raises
    ------
    DatabaseLockedError
        If another process has the file open.
    StoreError
        If the database cannot be opened or a migration fails.

    Examples
    --------
    >>> with Store("duckdb::memory:") as store:
    ...     store.view("loop_counts", workspace="cards").empty
    True
    """

    def __init__(self, url: str, *, memory_limit: str = "512MB", threads: int = 2) -> None:
        self.url = url
        self._engine = engine_for(url, memory_limit=memory_limit, threads=threads)
        self.kind = self._engine.kind
        self.writes = 0
        """Transactions this object has committed; on DuckDB nobody else writes the file."""
        self._counting = threading.Lock()
        try:
            self._migrate()
        except BaseException:
            self._engine.close()
            raise

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def path(self) -> Path | None:
        """The database file, or nothing on a server or in memory."""
        named = self.kind == "duckdb" and self._engine.path != ":memory:"
        return Path(self._engine.path) if named else None

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Work]:
        """Open a transaction: everything in it is kept, or nothing is."""
        with self._engine.transaction() as inner:
            yield Work(inner, self._engine.locked)
        with self._counting:
            self.writes += 1

    def write(self, verb: Callable[[Work], Result]) -> Result:
        """Run a verb in a transaction, again if somebody wrote at the same moment."""
        for _ in range(RETRIES - 1):
            try:
                with self.transaction() as work:
                    return verb(work)
            except ConflictError as error:
                if type(error) is not ConflictError:  # the verb's own refusal
                    raise
        with self.transaction() as work:
            return verb(work)

    def rows(self, statement: str, *params: Any) -> list[Row]:
        """Run a reading statement of `STATEMENTS`."""
        with self._engine.reading() as inner:
            return Work(inner).rows(statement, *params)

    def view(
        self, name: str, /, *, order: Sequence[str] = (), limit: int | None = None, **equals: Any
    ) -> pd.DataFrame:
        """Read a view or table, as `Work.view`."""
        with self._engine.reading() as inner:
            return Work(inner).view(name, order=order, limit=limit, **equals)

    def append(self, table: str, rows: Sequence[Mapping[str, Any]] | pd.DataFrame) -> int:
        """Append rows to a fact table in a transaction of their own."""
        with self.transaction() as work:
            return work.append(table, rows)

    def backup(self, path: Path) -> Path:
        """Write a consistent copy of everything to a DuckDB file, while others go on writing.

        Raises
        ------
        BackupError
            If there is such a file already, or it cannot be written.
        """
        if path.exists():
            raise BackupError(f"{path} is there already.", "Name a new file for the backup.")
        with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=self._engine.scratch) as folder:
            copy = Path(folder) / "copy.duckdb"
            if isinstance(self._engine, DuckDBEngine):
                self._engine.copy_to(copy)
            else:
                self._copy_tables_to(copy)
            _put_in_place(copy, path)
        return path

    def forget(self, workspace: str) -> None:
        """Delete everything of one workspace, for a fresh start.

        Raises
        ------
        ConflictError
            If somebody wrote to it at the same moment; nothing is deleted then.
        """
        with self._engine.alone("chain_heads") as inner:
            for table in TABLES:
                inner.rows(f"DELETE FROM {table} WHERE workspace = $1", (workspace,))  # noqa: S608  a name of TABLES

    def close(self) -> None:
        """Close the database."""
        self._engine.close()

    def _copy_tables_to(self, path: Path) -> None:
        with (
            self._engine.snapshot() as inner,
            Store(str(path)) as copy,
            copy._engine.transaction() as target,
        ):
            _copy_tables(inner, target)

    def _migrate(self) -> None:
        with self._engine.migrating() as inner:
            inner.rows(
                "CREATE TABLE IF NOT EXISTS migrations "
                "(name TEXT PRIMARY KEY, sha256 TEXT NOT NULL)"
            )
            done: dict[str, str] = dict(inner.rows("SELECT name, sha256 FROM migrations"))
            _check_migrations(done)
            missing = [name for name in MIGRATIONS if name not in done]
            meaning = _sha256("\n".join((VIEWS_SQL, *self._engine.indexes)))
            if not missing and done.get("views") == meaning:
                return
            _drop_views(inner, done)
            for name in missing:
                _run_all(inner, _statements_of(MIGRATIONS[name]))
                _record(inner, name, _sha256(MIGRATIONS[name]))
            if CHAINED in missing:
                chain_old_events(inner)
            _run_all(inner, [*_statements_of(VIEWS_SQL), *self._engine.indexes])
            for position, view in enumerate(VIEWS):
                _record(inner, f"view {position:03} {view}", "")
            _record(inner, "views", meaning)


def restore(url: str, backup: Path, *, replace: bool = False) -> dict[str, int]:
    """Put a backup in place of a database.

    Parameters
    ----------
    url
        Where to restore to, as for `Store`.
    backup
        A file written by `Store.backup`.
    replace
        Allow a database that holds instances or decisions to be replaced.

    Returns
    -------
    dict
        Rows restored by table.

    Raises
    ------
    BackupError
        If the file is not a backup, or the database holds rows and `replace` is false.
    """
    if not backup.is_file():
        raise BackupError(f"There is no file {backup}.", "Name a file written by a backup.")
    with tempfile.TemporaryDirectory(prefix=SCRATCH) as folder:
        copy = Path(folder) / "copy.duckdb"
        counts = _checked(copy, backup)
        with _opened_for_replacement(url, replace=replace) as target:
            if isinstance(target, Path):
                target.with_name(target.name + ".wal").unlink(missing_ok=True)
                _put_in_place(copy, target)
            else:
                _refill(copy, target)
    return counts


@contextlib.contextmanager
def _opened_for_replacement(url: str, *, replace: bool) -> Iterator["Path | Store"]:
    """Hold a database so that nobody else can open its file; a damaged file may be replaced."""
    try:
        store = Store(url)
    except DatabaseLockedError:
        raise
    except StoreError:
        path = Path(url.removeprefix("duckdb:"))
        if not (replace and path.is_file()):
            raise
        yield path
        return
    with store:
        if not replace and any(len(store.view(table, limit=1)) for table in TABLES):
            raise BackupError(
                "The database to restore to is not empty.",
                "Say --replace to put the backup in its place, or name a new database.",
            )
        yield store.path or store


def _put_in_place(copy: Path, path: Path) -> None:
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(copy, partial)
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise BackupError(
            f"{path} cannot be written: {error.strerror}.", "Name a file in another folder."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def _refill(copy: Path, target: Store) -> None:
    with target._engine.transaction() as inner, Store(str(copy)) as source:
        for table in TABLES:
            inner.rows(f"TRUNCATE {table}")
        with source._engine.reading() as reading:
            _copy_tables(reading, inner)


def _copy_tables(source: Transaction, target: Transaction) -> None:
    for table in TABLES:
        for batch in source.batches(f"SELECT * FROM {table}"):  # noqa: S608  a name of TABLES
            target.append(table, batch)


def _checked(copy: Path, backup: Path) -> dict[str, int]:
    """Copy a backup and read every row, so that a damaged one is found out before it is used.

    The backup itself is never opened, because opening may write.
    """
    try:
        shutil.copyfile(backup, copy)
    except OSError as error:
        raise BackupError(
            f"{backup} cannot be copied: {error.strerror}.", "Check the file and the free space."
        ) from error
    try:
        with contextlib.closing(engine_for(str(copy), memory_limit="512MB", threads=2)) as engine:
            _check_file(engine, copy.stat().st_size)
        with Store(str(copy)) as store, store._engine.reading() as inner:
            return {
                table: sum(
                    batch.num_rows
                    for batch in inner.batches(f"SELECT * FROM {table}")  # noqa: S608  as above
                )
                for table in TABLES
            }
    except StoreError as error:
        raise BackupError(
            f"{backup} is not a usable backup: {error.message.replace(str(copy), backup.name)}",
            "Name a file written by `backup`; it may be cut off.",
        ) from error


def _select(name: str, equals: tuple[str, ...], order: tuple[str, ...], limit: int | None) -> str:
    if name not in VIEWS + TABLES:
        raise ValueError(f"{name} is not a view or table")
    _check_names((*equals, *(column.removeprefix("-") for column in order)))
    where = " AND ".join(f"{column} = ${i}" for i, column in enumerate(equals, 1))
    by = ", ".join(f"{c[1:]} DESC" if c.startswith("-") else c for c in order)
    return (
        f"SELECT * FROM {name}"  # noqa: S608  names are checked above
        + (f" WHERE {where}" if where else "")
        + (f" ORDER BY {by}" if by else "")
        + (f" LIMIT {int(limit)}" if limit is not None else "")
    )


def _run_all(inner: Transaction, statements: Sequence[str]) -> None:
    for statement in statements:
        inner.rows(statement)


def _check_file(engine: DuckDBEngine | PostgresEngine, size: int) -> None:
    with engine.reading() as inner:
        blocks = "SELECT total_blocks * block_size FROM pragma_database_size()"
        if size < FILE_HEADER + inner.rows(blocks)[0][0]:
            raise StoreError("it is cut off.")
        if not inner.rows("SELECT 1 FROM information_schema.tables WHERE table_name='migrations'"):
            raise StoreError("it is a database of another program.")


def _check_migrations(done: Mapping[str, str]) -> None:
    for name, sha256 in done.items():
        if name == "views" or name.startswith("view "):
            continue
        if name not in MIGRATIONS:
            raise StoreError(
                f"The database has a migration this version does not know: {name}.",
                "Use the newer version of the app that wrote it.",
            )
        if sha256 != _sha256(MIGRATIONS[name]):
            raise StoreError(
                f"Migration {name} was changed after this database was made.",
                "Put the change into a new migration, or begin with a new database.",
            )


def _drop_views(inner: Transaction, done: Mapping[str, str]) -> None:
    """Drop the views made last time, also those that are no more, dependent ones first."""
    made = [name.split()[-1] for name in sorted(done) if name.startswith("view ")]
    for view in (*reversed(made), *reversed(VIEWS)):
        inner.rows(f"DROP VIEW IF EXISTS {view}")
    inner.rows("DELETE FROM migrations WHERE name LIKE 'view%'")


def _record(inner: Transaction, name: str, sha256: str) -> None:
    inner.rows("INSERT INTO migrations (name, sha256) VALUES ($1, $2)", (name, sha256))


def _check_names(names: Sequence[str]) -> None:
    for name in names:
        if not re.fullmatch(r"[a-z_][a-z0-9_]*", name):
            raise ValueError(f"{name!r} is not the name of a column")


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
