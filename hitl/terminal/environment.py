"""What the terminal finds around it: settings, the database, the clock."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hitl import store as storage
from hitl.errors import StoreError
from hitl.settings import load


def settings() -> dict[str, Any]:
    """Read the settings from the environment."""
    return load(os.environ)


def store(url: str | None, *, may_be_new: bool = False) -> storage.Store:
    """Open a database: the given one, or that of the settings; refuse one that is not there."""
    chosen = settings()
    url = url or str(chosen["database_url"])
    path = url.removeprefix("duckdb:")
    if not (may_be_new or "://" in url or Path(path).exists()):
        raise StoreError(f"There is no database {path}.", "Check --db, or run: python -m hitl seed")
    return storage.Store(url, memory_limit=chosen["memory_limit"], threads=chosen["threads"])


def now_ms() -> int:
    """Read the wall clock, in milliseconds since 1970."""
    return int(datetime.now(UTC).timestamp() * 1_000)
