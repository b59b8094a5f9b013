"""Each setting once: its name, default, unit, sentence and range."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hitl.errors import InputError


@dataclass(frozen=True)
class Setting:
    """One setting: read from the environment or the secrets file, or its default.

    A number lies from `low` to `high`, both allowed.
    """

    name: str
    default: str | int | float | bool
    unit: str
    sentence: str
    low: float = -math.inf
    high: float = math.inf

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return f"HITL_{self.name.upper()}"


SETTINGS = (
    Setting(
        "database_url", "data/second_look.duckdb", "path or URL", "Where everything is stored."
    ),
    Setting("data_dir", "data", "folder", "Where the card data is looked for."),
    Setting("memory_limit", "512MB", "size", "Memory that DuckDB may use."),
    Setting("threads", 2, "threads", "Threads that DuckDB may use.", 1, 256),
    Setting(
        "lease_minutes",
        10.0,
        "minutes",
        "How long a claimed case stays with one reviewer.",
        0.1,
        10_080,
    ),
    Setting(
        "novelty_rate",
        0.001,
        "share",
        "Known legitimate cases that may be called novel.",
        0.0001,
        0.5,
    ),
    Setting(
        "audit_share",
        0.01,
        "share",
        "Unflagged cases queued at random, so misses can be seen.",
        0,
        1,
    ),
    Setting("seed", 0, "number", "Seed of training, sampling and explanations.", 0, 2**31 - 1),
    Setting(
        "payments_disparity",
        True,
        "yes or no",
        "Plant a disparity between age bands in the simulated payments.",
    ),
    Setting("tick_seconds", 1.0, "seconds", "How often a live page looks for news.", 0.1, 3_600),
    Setting("ephemeral", False, "yes or no", "Say that this machine's disk is lost on a restart."),
)


def load(
    environ: Mapping[str, str], secrets: Mapping[str, Any] | None = None
) -> dict[str, str | int | float | bool]:
    """Read every setting: environment first, then secrets, then the default.

    Parameters
    ----------
    environ
        Environment variables, as ``os.environ``.
    secrets
        Secrets by setting name, as ``st.secrets``; may be absent.

    Returns
    -------
    dict
        One value per setting, of the type of its default.

    Raises
    ------
    InputError
        If a value cannot be read as its default's type, is not finite or out of its range.

    Examples
    --------
    >>> load({"HITL_THREADS": "4"})["threads"]
    4
    """
    return {
        s.name: _value(s, environ.get(s.variable, (secrets or {}).get(s.name))) for s in SETTINGS
    }


def _value(setting: Setting, given: Any) -> str | int | float | bool:
    if given is None or given == "":
        return setting.default
    kind = type(setting.default)
    try:
        if kind is bool:
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[
                str(given).lower()
            ]
        value: str | int | float = kind(given)
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise InputError(
            f"{setting.variable} is {str(given)!r}, which is not {_article(kind)}.",
            f"Leave it out for the default, {setting.default!r}.",
        ) from error
    if not isinstance(value, str) and not setting.low <= value <= setting.high:
        raise InputError(
            f"{setting.variable} is {str(given)!r}, which is not between {setting.low:,} and "
            f"{setting.high:,} ({setting.unit}).",
            f"Give a value in that range, or leave it out for the default, {setting.default!r}.",
        )
    return value


def _article(kind: type) -> str:
    return {int: "a whole number", float: "a number", bool: "yes or no"}.get(kind, "a text")
