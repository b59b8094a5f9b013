"""What was known about a customer and a terminal right before each payment."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hitl.datasets import check_rows

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

SECONDS_PER_DAY = 86_400
WINDOWS = (1, 7, 30)
"""Days looked back."""

RISK_DELAY_DAYS = 7
"""How long it takes until a payment is known to be fraud or not."""

HISTORY = (
    *(f"customer_count_{days}d" for days in WINDOWS),
    *(f"customer_mean_{days}d" for days in WINDOWS),
    "amount_ratio",
    "first_at_terminal",
    *(f"terminal_count_{days}d" for days in WINDOWS),
    *(f"terminal_risk_{days}d" for days in WINDOWS),
)


def history(payments: pd.DataFrame) -> pd.DataFrame:
    """Count what was known about a payment's customer and terminal right before it.

    Parameters
    ----------
    payments
        Columns ``time_s`` (whole seconds, at least 0), ``customer``, ``terminal``, ``amount``
        (whole cents count) and ``is_fraud``, in any order.

    Returns
    -------
    DataFrame
        The columns of `HISTORY`, shape ``(n_rows, 14)``, with the index of `payments`. With t
        the payment's time, d = 86,400 s and w = 1, 7, 30:

        * ``customer_count_wd``: payments of the customer in ``[t - w d, t)``;
        * ``customer_mean_wd``: their mean amount; where there are none that of the next longer
          window, and where the customer never paid in 30 days the payment's own amount;
        * ``amount_ratio``: amount ÷ ``customer_mean_30d`` (1 where both are 0);
        * ``first_at_terminal``: 1 if the customer never paid there before t, else 0;
        * ``terminal_count_wd``: payments at the terminal in ``[t - w d, t)``;
        * ``terminal_risk_wd``: share of frauds among those in ``[t - (7 + w) d, t - 7 d)``, in
          ``[0, 1]``; 0 where there are none.

    Raises
    ------
    DataError
        If a column is missing, not numeric or not finite, or there are no rows.

    Notes
    -----
    Nothing of the payment's own second enters a count, and no label younger than seven days.
    Sums run over whole cents, so they are exact, and the same rows give the same bits.

    Examples
    --------
    >>> rows = pd.DataFrame({"time_s": [0, 60], "customer": ["a", "a"], "terminal": ["x", "x"],
    ...     "amount": [10.0, 40.0], "is_fraud": [0, 0]})
    >>> columns = ["customer_count_1d", "customer_mean_1d", "amount_ratio", "first_at_terminal"]
    >>> history(rows)[columns].to_numpy().tolist()
    [[0.0, 10.0, 1.0, 1.0], [1.0, 10.0, 4.0, 0.0]]
    """
    check_rows(payments, features=("time_s", "amount", "is_fraud"))
    time = payments["time_s"].to_numpy(np.int64)
    customer, terminal = (_codes(payments[name]) for name in ("customer", "terminal"))
    amount = payments["amount"].to_numpy(np.float64)
    known = {
        **_spending(time, customer, amount),
        "first_at_terminal": _first(time, customer, terminal),
        **_places(time, terminal, payments["is_fraud"].to_numpy(np.int64)),
    }
    return pd.DataFrame({name: known[name] for name in HISTORY}, index=payments.index)


def _spending(time: Ints, customer: Ints, amount: Floats) -> dict[str, Any]:
    line = _Line(time, customer)
    cents = line.running(np.rint(100 * amount).astype(np.int64))
    known: dict[str, Any] = {}
    mean = amount
    for days in reversed(WINDOWS):
        start, end = line.window(days)
        count = end - start
        paid = (cents[end] - cents[start]) / 100
        mean = np.where(count > 0, paid / np.maximum(count, 1), line.sorted(mean))
        known[f"customer_count_{days}d"] = line.back(count).astype(np.int64)
        mean = known[f"customer_mean_{days}d"] = line.back(mean)
    usual = known[f"customer_mean_{WINDOWS[-1]}d"]
    ratio = np.divide(amount, usual, out=np.ones_like(amount), where=usual > 0)
    return {**known, "amount_ratio": ratio}


def _places(time: Ints, terminal: Ints, fraud: Ints) -> dict[str, Any]:
    line = _Line(time, terminal)
    frauds = line.running(fraud)
    known: dict[str, Any] = {}
    for days in WINDOWS:
        start, end = line.window(days)
        known[f"terminal_count_{days}d"] = line.back(end - start).astype(np.int64)
        start, end = line.window(days, RISK_DELAY_DAYS)
        share = (frauds[end] - frauds[start]) / np.maximum(end - start, 1)
        known[f"terminal_risk_{days}d"] = line.back(share)
    return known


def _first(time: Ints, customer: Ints, terminal: Ints) -> Ints:
    """Say whether a payment is in the first second in which its customer paid at its terminal."""
    pair = customer * (terminal.max() + 1) + terminal
    order = np.lexsort((time, pair))
    begins = np.r_[True, np.diff(pair[order]) != 0]
    first_time = time[order][begins][np.cumsum(begins) - 1]
    first = np.empty(len(time), dtype=np.int64)
    first[order] = time[order] == first_time
    return first


class _Line:
    """Payments of each owner one after the other, so that a window is a slice."""

    def __init__(self, time: Ints, owner: Ints) -> None:
        self._span = int(time.max()) + SECONDS_PER_DAY * (RISK_DELAY_DAYS + WINDOWS[-1]) + 1
        key = owner * self._span + time
        self._order = np.argsort(key, kind="stable")
        self._key, self._time = key[self._order], time[self._order]
        self._base = self._key - self._time
        self._edges: dict[int, Ints] = {}

    def sorted(self, values: Floats) -> Floats:
        return values[self._order]

    def running(self, values: Ints) -> Ints:
        """Sum of all values before each place."""
        sums: Ints = np.r_[0, np.cumsum(values[self._order])].astype(np.int64)
        return sums

    def window(self, days: int, delay: int = 0) -> tuple[Ints, Ints]:
        """Begin and end of the slice that lies up to `days` before each payment and its delay."""
        return self._edge(days + delay), self._edge(delay)

    def back(self, values: Any) -> Any:
        """Put values into the order of the payments given."""
        there = np.empty(len(values), dtype=np.float64)
        there[self._order] = values
        return there

    def _edge(self, days: int) -> Ints:
        """Place of the owner's first payment that is not older than so many days."""
        if days not in self._edges:
            since = np.maximum(self._time - days * SECONDS_PER_DAY, 0)
            found = np.searchsorted(self._key, self._base + since, side="left")
            self._edges[days] = found.astype(np.int64)
        return self._edges[days]


def _codes(names: pd.Series) -> Ints:
    if names.dtype.kind in "iu":
        return np.asarray(names.to_numpy(np.int64) - names.min(), dtype=np.int64)
    return np.asarray(pd.factorize(names)[0], dtype=np.int64)
