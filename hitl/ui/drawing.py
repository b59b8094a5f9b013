"""Charts whose specification is made once and sent again on every run."""

from collections.abc import Callable
from typing import Any

import altair as alt
import pyarrow as pa
import streamlit as st


def kept_chart(
    make: Callable[[], alt.TopLevelMixin], *, stamp: tuple[str, ...], key: str, name: str
) -> None:
    """Draw a chart that is made once for each stamp.

    Parameters
    ----------
    make
        Makes the chart; asked the first time only.
    stamp
        What the chart follows from: the key of an explanation and what of it is drawn.
    key
        The chart's key on the page.
    name
        What a screen reader calls it.
    """
    st.vega_lite_chart(spec=_spec((key, *stamp), make), key=key, alt=name, width="stretch")


@st.cache_data(show_spinner=False, max_entries=512)
def _spec(stamp: tuple[str, ...], _make: Callable[[], alt.TopLevelMixin]) -> dict[str, Any]:
    del stamp
    with alt.theme.enable("none"):  # Streamlit's theme is laid over it in the browser
        spec = dict(_make().to_dict())
    tables = {name: _arrow(rows) for name, rows in spec.get("datasets", {}).items()}
    return {**spec, "datasets": tables}


def _arrow(rows: list[dict[str, Any]]) -> bytes:
    """Write rows as they are sent to the browser."""
    table, out = pa.Table.from_pylist(rows), pa.BufferOutputStream()
    with pa.ipc.new_stream(out, table.schema) as stream:
        stream.write_table(table)
    return bytes(out.getvalue())
