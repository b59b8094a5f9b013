"""What the lower parts of Explain share: the model of a case, its features' names, their looks."""

from collections.abc import Mapping
from typing import Any

import altair as alt
import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from hitl import dictionaries, workflow
from hitl.explain import escape_markdown, fact
from hitl.ui import resources
from hitl.workspaces import Workspace

Floats = npt.NDArray[np.float64]

_WINDOWS = {"1d": "24 hours", "7d": "7 days", "30d": "30 days"}
SHORT = {
    "amount": "Amount",
    "Amount": "Amount",
    "hour": "Time of day",
    "weekend": "Weekend",
    "amount_ratio": "Amount against usual",
    "first_at_terminal": "First time at terminal",
    **{f"customer_count_{days}": f"Customer's payments, {said}" for days, said in _WINDOWS.items()},
    **{f"customer_mean_{days}": f"Customer's mean, {said}" for days, said in _WINDOWS.items()},
    **{f"terminal_count_{days}": f"Terminal's payments, {said}" for days, said in _WINDOWS.items()},
    **{
        f"terminal_risk_{days}": f"Terminal's fraud share, {said}"
        for days, said in _WINDOWS.items()
    },
}
"""Names that fit beside a bar; the reason dictionary's own are half a sentence."""


@st.cache_resource(show_spinner=False, max_entries=4)
def ground(model_id: str) -> workflow.Ground:
    """Give what all explanations of a stored model stand on."""
    return workflow.ground(workflow.stored(resources.store(), model_id))


def words(space: Workspace, features: tuple[str, ...]) -> dictionaries.Dictionary:
    """Give the words of a workspace's features."""
    return dictionaries.dictionary(
        space.name,
        features,
        noun=space.noun,
        negative=space.negative,
        positive=space.positive,
        currency=space.currency,
    )


def names(space: Workspace, features: tuple[str, ...]) -> dict[str, str]:
    """Name features for people, shortly and each one differently."""
    spoken = words(space, features)
    short = {name: short_name(spoken.reason(name)) for name in features}
    counts = pd.Series(short).value_counts()
    return {
        feature: name if counts[name] == 1 else f"{name} · {feature}"
        for feature, name in short.items()
    }


def short_name(reason: dictionaries.Reason) -> str:
    """Shorten a feature's name; a column without words of its own keeps its name whole."""
    if reason.name == reason.feature:
        return reason.feature
    return SHORT.get(reason.feature, reason.name.split(" (")[0])


def full_names(space: Workspace, features: tuple[str, ...]) -> dict[str, str]:
    """Name features as reasons do, where Markdown is read."""
    spoken = words(space, features)
    return {name: escape_markdown(spoken.reason(name).name) for name in features}


def plain_names(space: Workspace, features: tuple[str, ...]) -> dict[str, str]:
    """Name features for people where Markdown is read."""
    return {feature: escape_markdown(name) for feature, name in names(space, features).items()}


def values(evidence: Mapping[str, Any]) -> dict[str, Any]:
    """Give the values that a case's explanation was made from."""
    return dict(evidence["recipe"]["row"])


def encoded(evidence: Mapping[str, Any], base: workflow.Ground) -> Floats:
    """Write a case as its model reads it, shape ``(n_features,)``."""
    return base.encoded(values(evidence))


def heaviest(evidence: Mapping[str, Any]) -> list[str]:
    """List the features of a case, largest contribution first."""
    parts = evidence["contributions"]
    return sorted(parts, key=lambda name: -abs(float(parts[name])))


def written(feature: str, value: Any, space: Workspace, features: tuple[str, ...]) -> str:
    """Write a value with its unit; missing is a word."""
    if value is None or value != value:
        return "missing"
    return fact(feature, {feature: value}, {}, words(space, features)).written


def spec_of(chart: alt.LayerChart) -> dict[str, Any]:
    """Write a chart as its specification, unchecked: tests of the charts have checked it."""
    found: dict[str, Any] = chart.to_dict(validate=False)
    return found


def draw(spec: dict[str, Any], *, key: str, words: str) -> None:
    """Draw a chart whose specification was made before."""
    st.vega_lite_chart(spec=spec, key=key, alt=words, width="stretch")
