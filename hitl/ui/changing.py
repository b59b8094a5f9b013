"""What would change a verdict: found changes in sentences, and values to be tried by hand."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import streamlit as st

from hitl import workflow
from hitl.charts import reasons as charts
from hitl.explain import WhatIf, escape_markdown, out_of_range, what_if
from hitl.explain.text import MINUS, gives, number
from hitl.explain.whatif import Value
from hitl.ui import grounds, wording
from hitl.workspaces import Workspace

TRIED = 4
"""Features offered at first, the heaviest of the case."""
STEPS = 50
YES_NO = {1.0: "yes", 0.0: "no"}


def draw(case: Mapping[str, Any], evidence: Mapping[str, Any], space: Workspace) -> None:
    """Draw the changes that would turn the verdict, and controls to try others."""
    del case
    st.subheader("What would turn the verdict", anchor=False)
    found(evidence, space)
    if st.checkbox(
        "Try other values",
        key="try",
        bind="query-params",
        help="Change values by hand and see at once what the model would say; nothing is stored.",
    ):
        trying(evidence, grounds.ground(evidence["model_id"]), space)


# Found changes


def found(evidence: Mapping[str, Any], space: Workspace) -> None:
    """Say which few changes would turn the verdict, and what was left as it is."""
    ways = evidence.get("counterfactuals") or []
    if ways:
        lines = [f"{i}. {escape_markdown(str(way['sentence']))}" for i, way in enumerate(ways, 1)]
        st.markdown("\n".join(lines))
        st.dataframe(
            _change_table(str(evidence["key"]), evidence, space),
            hide_index=True,
            key="changes",
            alt="Each change that turns the verdict: feature, value now, value then.",
            column_config={
                "way": st.column_config.NumberColumn(width="small"),
                "probability then": st.column_config.NumberColumn(
                    format="%.4f", help="What the model would give with all changes of this way."
                ),
            },
        )
    else:
        st.info(nothing_sentence(evidence), icon=":material/search_off:")
    st.caption(
        "This is about the model and no advice: it says what the model would answer, not what "
        f"would make the {space.noun} {space.negative}. Every value is one of a known "
        f"{space.noun}. {fixed_sentence(evidence, space)}"
    )


@st.cache_resource(show_spinner=False, max_entries=128)
def _change_table(key: str, _evidence: Mapping[str, Any], _space: Workspace) -> pa.Table:
    del key
    rows = change_rows(_evidence["counterfactuals"], _evidence, _space)
    return pa.Table.from_pandas(rows, preserve_index=False)


def change_rows(
    ways: list[Mapping[str, Any]], evidence: Mapping[str, Any], space: Workspace
) -> pd.DataFrame:
    """Write changes as a table: one row a feature of a way."""
    features = tuple(evidence["contributions"])
    named = grounds.names(space, features)
    return pd.DataFrame(
        [
            {
                "way": i,
                "feature": named[feature],
                "from": grounds.written(feature, ends["from"], space, features),
                "to": grounds.written(feature, ends["to"], space, features),
                "probability then": float(way["probability"]),
            }
            for i, way in enumerate(ways, 1)
            for feature, ends in way["changes"].items()
        ]
    )


def nothing_sentence(evidence: Mapping[str, Any]) -> str:
    """Say how far the search for changes went without finding any."""
    how = evidence["recipe"]["parameters"].get("counterfactual", {})
    most = how.get("max_changed", 3)
    return (
        f"Nothing found: no change of up to {most} values to values of known rows would turn this "
        "verdict."
    )


def fixed_sentence(evidence: Mapping[str, Any], space: Workspace) -> str:
    """Name what the search must not change."""
    how = evidence["recipe"]["parameters"].get("counterfactual", {})
    fixed = how.get("immutable") or []
    if not fixed:
        return "No feature is held fixed."
    named = grounds.plain_names(space, tuple(evidence["contributions"]))
    listed = "; ".join(named[name] for name in fixed)
    return (
        f"Left as they are: {listed}. Whatever else happened before is varied, to show what the "
        "model reacts to."
    )


# Values tried by hand


@dataclass(frozen=True)
class Control:
    """One feature to be tried: where its values come from and what the case has."""

    feature: str
    name: str
    told: str
    own: Value
    kind: str
    low: float = 0.0
    high: float = 1.0
    choices: tuple[str, ...] = ()


def trying(evidence: Mapping[str, Any], base: workflow.Ground, space: Workspace) -> None:
    """Draw the controls and, beside them, what the model would say."""
    key = str(evidence["key"])
    controls, answer = st.columns([2, 3], gap="large")
    with controls:
        made = [control(name, evidence, base, space) for name in _chosen(key, evidence)]
        values, places = {}, {}
        for one in made:
            values[one.feature] = _value(one, key)
            places[one.feature] = st.empty()
        _more(key, evidence, space)
        st.button(
            "Reset",
            key="whatif_reset",
            icon=":material/restart_alt:",
            help="Every value as it is in the case, and the first features again.",
            on_click=_reset,
            args=(key, made),
        )
    changed = {
        one.feature: values[one.feature]
        for one in made
        if not is_same(values[one.feature], one.own)
    }
    found = answer_of(evidence, base, changed)
    gaps = [name for name in changed if is_gap(name, changed[name], base)]
    marks = [*found.out_of_range, *gaps]
    for feature, place in places.items():
        if feature in marks:
            place.markdown(mark(feature, base))
    with answer:
        answered(evidence, found, changed, marks, base, space)


def control(
    feature: str, evidence: Mapping[str, Any], base: workflow.Ground, space: Workspace
) -> Control:
    """Say how a feature's value is tried: from known values, from two, or as a number."""
    features = base.face.features
    name, own = grounds.names(space, features)[feature], grounds.values(evidence)[feature]
    told = grounds.full_names(space, features)[feature]
    if feature in base.face.categories:
        own = None if own is None else str(own)
        extra = () if own is None or own in base.face.categories[feature] else (own,)
        return Control(
            feature, name, told, own, "category", choices=(*base.face.categories[feature], *extra)
        )
    number = None if own is None else float(own)
    column = base.values[:, features.index(feature)]
    column = column[~np.isnan(column)]
    kinds = np.unique(column)
    if set(kinds.tolist()) == set(YES_NO) and (number is None or number in YES_NO):
        return Control(feature, name, told, number, "flag")
    if not len(column):
        return Control(feature, name, told, number, "number", 0.0, 0.0)
    low, high = (float(np.quantile(column, share)) for share in (0.01, 0.99))
    whole = bool(np.all(kinds == np.floor(kinds))) and (number is None or number.is_integer())
    return Control(feature, name, told, number, "count" if whole else "number", low, high)


def answer_of(
    evidence: Mapping[str, Any], base: workflow.Ground, changed: Mapping[str, Value]
) -> WhatIf:
    """Ask the model about the case with some values changed; unchanged, it has answered before."""
    if not changed:
        values = grounds.encoded(evidence, base)
        answer = ("probability", "score", "base_value", "contributions")
        return WhatIf(
            **{name: evidence[name] for name in answer},
            flagged=evidence["is_flagged"],
            out_of_range=out_of_range(base.face, values, base.limits),
        )
    return what_if(base.face, grounds.encoded(evidence, base), changed, base.limits)


def is_same(one: Value, other: Value) -> bool:
    """Say whether two values are one, missing being like missing."""
    return one == other or (one is None and other is None)


def is_gap(feature: str, value: Value, base: workflow.Ground) -> bool:
    """Say whether a value is missing that never was among the known rows."""
    column = base.values[:, base.face.features.index(feature)]
    return value is None and not bool(np.isnan(column).any())


def mark(feature: str, base: workflow.Ground) -> str:
    """Mark a value that training never saw, and say what it saw."""
    limits = base.limits.get(feature)
    seen = f"{number(limits[0])} to {number(limits[1])}" if limits else "other values"
    return f":orange-badge[:material/explore: out of range] training saw {seen}"


def answered(
    evidence: Mapping[str, Any],
    found: WhatIf,
    changed: Mapping[str, Value],
    outside: list[str],
    base: workflow.Ground,
    space: Workspace,
) -> None:
    """Draw what the model would say: figures, a sentence, the waterfall."""
    named = grounds.names(space, base.face.features)
    before, now = float(evidence["probability"]), found.probability
    with st.container(horizontal=True, key="whatif_figures"):
        st.metric(
            "Probability",
            number(now, 4),
            delta=None if now == before else number(now - before).replace(MINUS, "-"),
            delta_color="inverse",
            help="What the model would give, and the difference to the case as it is.",
        )
        st.metric(
            "Score",
            wording.number(found.score),
            help="In log-odds: 0 is even odds, +1 is 2.7 times the odds.",
        )
        st.metric("Verdict", "Flagged" if found.flagged else "Not flagged")
    st.markdown(answer_sentence(evidence, found, changed, named))
    if outside:
        listed = ", ".join(escape_markdown(named[name]) for name in outside)
        st.warning(
            f"Outside of what training saw: {listed}. The model guesses there.",
            icon=":material/explore:",
        )
    if found.contributions is None or found.base_value is None:
        st.markdown("The score of this model cannot be split by feature.")
        return
    spec = _waterfall(base.face.threshold, tuple(named.items()), asdict(found))
    grounds.draw(
        spec,
        key="whatif_waterfall",
        words="Waterfall of the tried case, from the start of every score to its score.",
    )


@st.cache_data(show_spinner=False, max_entries=16)
def _waterfall(
    threshold: float, named: tuple[tuple[str, str], ...], found: Mapping[str, Any]
) -> dict[str, Any]:
    bars = charts.steps(_as_evidence(found, dict(named)))
    return grounds.spec_of(charts.waterfall(bars, threshold=threshold))


def answer_sentence(
    evidence: Mapping[str, Any],
    found: WhatIf,
    changed: Mapping[str, Value],
    named: Mapping[str, str],
) -> str:
    """Say what the changes do to the verdict."""
    if not changed:
        return "Nothing is changed yet: this is the case as it is."
    what = ", ".join(escape_markdown(named[name]) for name in changed)
    turned = found.flagged != bool(evidence["is_flagged"])
    verdict = "**The verdict turns**" if turned else "The verdict stays"
    return (
        f"{verdict}: the model would give "
        f"{gives(found.probability, float(evidence['threshold']))}. Changed: {what}."
    )


def _as_evidence(found: Mapping[str, Any], named: Mapping[str, str]) -> dict[str, Any]:
    parts = found["contributions"]
    return {
        "base_value": found["base_value"],
        "score": found["score"],
        "table": [
            {"feature": name, "label": named[name], "contribution": parts[name]}
            for name in sorted(parts, key=lambda name: -abs(parts[name]))
        ],
    }


# Widgets


def _chosen(key: str, evidence: Mapping[str, Any]) -> list[str]:
    first = grounds.heaviest(evidence)[:TRIED]
    chosen: list[str] = st.session_state.setdefault(f"whatif_features_{key}", first)
    return chosen


def _more(key: str, evidence: Mapping[str, Any], space: Workspace) -> None:
    """Offer the features that are not tried yet, the heaviest of the case first."""
    rest = [name for name in grounds.heaviest(evidence) if name not in _chosen(key, evidence)]
    named = grounds.names(space, tuple(evidence["contributions"]))
    if rest:
        st.selectbox(
            "Try another feature",
            rest,
            index=None,
            format_func=lambda name: named[name],
            placeholder="Choose a feature",
            key=f"whatif_more_{key}",
            help="The heaviest of this case stand above; here are all others.",
            on_change=_add,
            args=(key,),
        )


def _add(key: str) -> None:
    place, one = f"whatif_features_{key}", st.session_state[f"whatif_more_{key}"]
    if one is not None and one not in st.session_state[place]:
        st.session_state[place] = [*st.session_state[place], one]
    st.session_state[f"whatif_more_{key}"] = None


def _value(one: Control, key: str) -> Value:
    place, label = _place(key, one.feature), escape_markdown(one.name)
    if one.kind in ("category", "flag"):
        options: list[Value] = [*one.choices] if one.kind == "category" else [*YES_NO]
        options = options if one.own is not None else [None, *options]
        chosen: Value = st.selectbox(
            label,
            options,
            index=options.index(one.own),
            format_func=_choice,
            key=place,
            help=one.told,
        )
        return chosen
    return _number(one, place, label)


def _number(one: Control, place: str, label: str) -> float | None:
    """Draw a field to type any number and a slider over the usual ones; they follow each other."""
    slider, own = f"{place}_slider", one.own
    st.session_state.setdefault(place, own)
    typed = st.session_state[place]
    if one.high > one.low:
        at = one.low if typed is None else min(max(float(typed), one.low), one.high)
        st.session_state[slider] = at
    step = 1.0 if one.kind == "count" else _step(one)
    usual = (
        f"98 % of known rows lie between {number(one.low)} and {number(one.high)}; any other "
        "number may be typed."
        if one.high > one.low
        else "Known rows have no range of values; any number may be typed."
    )
    value: float | None = st.number_input(
        label,
        key=place,
        value=None,
        step=step,
        format="%.0f" if one.kind == "count" else "%.6g",
        placeholder="missing",
        help=f"{one.told}. {usual}",
    )
    if one.high > one.low:
        st.slider(
            f"{label}, slider",
            one.low,
            one.high,
            step=step,
            format="%.4g",
            key=slider,
            label_visibility="collapsed",
            on_change=_slid,
            args=(place, slider),
        )
    return value


def _choice(value: Value) -> str:
    """Write a choice: a category as it is, a flag as yes or no."""
    if value is None:
        return "missing"
    return value if isinstance(value, str) else YES_NO[value]


def _step(one: Control) -> float:
    return float(f"{(one.high - one.low) / STEPS:.0e}") or 1.0


def _slid(place: str, slider: str) -> None:
    st.session_state[place] = st.session_state[slider]


def _reset(key: str, made: list[Control]) -> None:
    st.session_state.pop(f"whatif_features_{key}", None)
    for one in made:
        st.session_state[_place(key, one.feature)] = one.own


def _place(key: str, feature: str) -> str:
    return f"whatif_{key}_{feature}"
