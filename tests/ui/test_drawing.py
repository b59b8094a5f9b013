"""A chart is made once for each stamp, and sent whole every time."""

import altair as alt
import pandas as pd
import pyarrow as pa
import pytest
import streamlit as st

from hitl.ui import drawing


@pytest.fixture
def sent(monkeypatch):
    """What is sent to the browser."""
    st.cache_data.clear()
    specs: list[dict] = []
    monkeypatch.setattr(drawing.st, "vega_lite_chart", lambda *, spec, **_: specs.append(spec))
    return specs


def test_a_chart_is_made_once_for_each_stamp(sent):
    made = []

    def make():
        made.append(1)
        rows = pd.DataFrame({"x": [1.0, 2.0], "y": ["a", None]})
        return alt.Chart(rows).mark_bar().encode(x="x:Q", y="y:N")

    for stamp in ("one", "one", "two"):
        drawing.kept_chart(make, stamp=(stamp,), key="chart", name="A chart.")
    assert len(made) == 2
    assert sent[0]["mark"] == sent[1]["mark"] == {"type": "bar"}
    (written,) = sent[1]["datasets"].values()
    table = pa.ipc.open_stream(written).read_all()
    assert table.to_pylist() == [{"x": 1.0, "y": "a"}, {"x": 2.0, "y": None}]


def test_what_is_sent_can_be_changed_without_changing_what_is_kept(sent):
    def make():
        return alt.Chart(pd.DataFrame({"x": [1.0]})).mark_point().encode(x="x:Q")

    drawing.kept_chart(make, stamp=("a",), key="chart", name="A chart.")
    sent[0]["datasets"].clear()
    drawing.kept_chart(make, stamp=("a",), key="chart", name="A chart.")
    assert len(sent[1]["datasets"]) == 1
