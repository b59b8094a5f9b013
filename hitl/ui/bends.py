"""How the score follows features: along one, over two, over all known rows, and through a tree."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from hitl import explain, models, workflow
from hitl.charts import curves as charts
from hitl.explain import escape_markdown
from hitl.explain.text import number, plural
from hitl.explain.whatif import thinned
from hitl.ui import grounds, wording
from hitl.workspaces import Workspace

BARS = 10
OVERALL_ROWS = 300
"""Known rows that say what the model leans on; more change the picture little."""
GRID = 24
KEPT = 32
"""Drawings of each kind that are kept."""


def draw(case: Mapping[str, Any], evidence: Mapping[str, Any], space: Workspace) -> None:
    """Draw how this case's probability follows its features, and what the model is made of."""
    del case
    base = grounds.ground(evidence["model_id"])
    one, two = st.columns([1, 1], gap="large")
    with one:
        feature = one_feature(evidence, base, space)
        contributed(feature, evidence, base, space)
    with two:
        two_features(evidence, base, space)
        overall(base, space)
    acting_together(base, space)
    one_tree(evidence, base, space)


# Along one feature


def one_feature(evidence: Mapping[str, Any], base: workflow.Ground, space: Workspace) -> str:
    """Draw the probability along a chosen feature; give the feature."""
    st.subheader("Along one feature", anchor=False)
    feature = _choose("Feature", grounds.heaviest(evidence), "curve_feature", base, space)
    named = grounds.names(space, base.face.features)[feature]
    spec = _curve(base.current.model_id, str(evidence["key"]), feature, named, evidence)
    grounds.draw(
        spec, key="curve", words=f"Probability along {named}, for this case and on average."
    )
    st.caption(
        "Orange: this case with nothing but this value changed. Blue: the average over 100 known "
        f"{plural(space.noun)}. Both say what the model does, even where no such {space.noun} "
        "could exist."
    )
    return feature


@st.cache_data(show_spinner=False, max_entries=KEPT)
def _curve(
    model_id: str, key: str, feature: str, named: str, _evidence: Mapping[str, Any]
) -> dict[str, Any]:
    del key
    base = grounds.ground(model_id)
    row = grounds.values(_evidence)
    points = explain.curve(
        base.face,
        base.encoded(row),
        base.values,
        feature,
        unseen=base.face.unseen(base.frame(row)),
    )
    value = _own(_evidence, feature, base)
    return grounds.spec_of(
        charts.curve(
            _drawn(points),
            feature=named,
            value=np.nan if value is None else value,
            probability=float(_evidence["probability"]),
            threshold=base.face.threshold,
        )
    )


# Over two features


def two_features(evidence: Mapping[str, Any], base: workflow.Ground, space: Workspace) -> None:
    """Draw the probability over two features, with the one-sentence rule they come close to."""
    st.subheader("Over two features", anchor=False)
    numbers = [name for name in base.face.features if name not in base.face.categories]
    if len(numbers) < 2:
        st.info("This takes two features that are numbers; the model has fewer.")
        return
    first, second = starting_pair(numbers, evidence, space)
    with st.container(horizontal=True, key="surface_features"):
        x = _choose("Across", numbers, "surface_x", base, space, first)
        y = _choose("Up", numbers, "surface_y", base, space, second)
    if x == y:
        st.info("Choose two different features.", icon=":material/compare_arrows:")
        return
    named = grounds.names(space, base.face.features)
    rule = _rule(base.current.model_id, (x, y), tuple(named.items()), space.noun)
    spec = _surface(
        base.current.model_id, str(evidence["key"]), (x, y), (named[x], named[y]), rule, evidence
    )
    grounds.draw(spec, key="surface", words=f"Probability over {named[x]} and {named[y]}.")
    ruled(rule, space)


def starting_pair(
    numbers: list[str], evidence: Mapping[str, Any], space: Workspace
) -> tuple[str, str]:
    """Choose the two features to begin with: the workspace's own, else the heaviest."""
    if set(space.shown) <= set(numbers) and len(set(space.shown)) == 2:
        return space.shown
    heavy = [name for name in grounds.heaviest(evidence) if name in numbers]
    return heavy[0], heavy[1]


def ruled(rule: Mapping[str, Any], space: Workspace) -> None:
    """Say the rule and how far to believe it."""
    st.markdown(f"**{escape_markdown(str(rule['sentence']))}**")
    if not rule["conditions"]:
        return
    figures = pd.DataFrame(
        {
            "the rule against": ["what the model flags", f"what was {space.positive}"],
            "precision": [rule["precision"], rule["truth_precision"]],
            "recall": [rule["recall"], rule["truth_recall"]],
        }
    ).astype({"precision": float, "recall": float})
    st.dataframe(
        figures,
        hide_index=True,
        key="rule_figures",
        alt="Precision and recall of the rule.",
        column_config={
            "precision": st.column_config.NumberColumn(
                format="percent", help="Share of what the rule names that is right."
            ),
            "recall": st.column_config.NumberColumn(
                format="percent", help="Share of what there is that the rule names."
            ),
        },
    )
    st.caption(
        f"The rule names {rule['named']:,} and the model flags {rule['flagged']:,} of "
        f"{rule['n']:,} known rows, which hold more {space.positive} than daily life does. The "
        "model may use other features, too."
    )


@st.cache_data(show_spinner=False, max_entries=KEPT)
def _rule(
    model_id: str, pair: tuple[str, str], named: tuple[tuple[str, str], ...], noun: str
) -> dict[str, Any]:
    base, names = grounds.ground(model_id), dict(named)
    spoken = called(base.face, names)
    x, y = (names[feature] for feature in pair)
    return asdict(explain.rule(spoken, base.values, x, y, truth=base.labels, noun=noun))


def called(face: explain.Scorer, named: Mapping[str, str]) -> explain.Scorer:
    """Call a model's features by other names; its encoded rows stay the same."""
    return replace(
        face,
        features=tuple(named[feature] for feature in face.features),
        categories={named[feature]: kinds for feature, kinds in face.categories.items()},
    )


@st.cache_data(show_spinner=False, max_entries=KEPT)
def _surface(
    model_id: str,
    key: str,
    pair: tuple[str, str],
    named: tuple[str, str],
    rule: Mapping[str, Any],
    _evidence: Mapping[str, Any],
) -> dict[str, Any]:
    del key
    base, (x, y) = grounds.ground(model_id), pair
    grid = explain.surface(
        base.face, grounds.encoded(_evidence, base), base.values, x, y, grid=GRID
    ).dropna()
    row = grounds.values(_evidence)
    here = tuple(np.nan if row[name] is None else float(row[name]) for name in pair)
    return grounds.spec_of(
        charts.surface(
            grid.astype({"x": float, "y": float}),
            x=named[0],
            y=named[1],
            case=(here[0], here[1]),
            threshold=base.face.threshold,
            box=box_of(rule["conditions"], *named),
        )
    )


def box_of(
    conditions: Mapping[str, Mapping[str, float | None]], x: str, y: str
) -> charts.Box | None:
    """Give the ends of a rule's box, nothing without a rule."""
    if not conditions:
        return None
    ends = [conditions.get(name, {}) for name in (x, y)]
    return (
        ends[0].get("above"),
        ends[0].get("below"),
        ends[1].get("above"),
        ends[1].get("below"),
    )


# Over all rows


def overall(base: workflow.Ground, space: Workspace) -> None:
    """Draw what the model leans on over known rows."""
    st.subheader("What the model leans on", anchor=False)
    named = tuple(grounds.names(space, base.face.features).items())
    spec, rows = _importance(base.current.model_id, named)
    grounds.draw(spec, key="importance", words="Mean size of each feature's contribution.")
    st.caption(
        f"Mean size of the contributions over {rows:,} known {plural(space.noun)}; this is the "
        "model as a whole, not this case."
    )


@st.cache_data(show_spinner=False, max_entries=8)
def _importance(model_id: str, named: tuple[tuple[str, str], ...]) -> tuple[dict[str, Any], int]:
    (face, rows), names = _sample(model_id), dict(named)
    found = explain.importance(face, rows).head(BARS)
    bars = pd.DataFrame(
        {
            "feature": [names[str(feature)] for feature in found["feature"]],
            "importance": found["mean_abs"],
        }
    )
    title = "mean size of the contribution in log-odds"
    return grounds.spec_of(charts.importance_bars(bars, title=title)), len(rows)


def contributed(
    feature: str, evidence: Mapping[str, Any], base: workflow.Ground, space: Workspace
) -> None:
    """Draw what the feature chosen above contributed in known rows."""
    named = grounds.names(space, base.face.features)[feature]
    st.subheader("What one feature contributed", anchor=False)
    spec = _dependence(base.current.model_id, str(evidence["key"]), feature, named, evidence)
    grounds.draw(spec, key="dependence", words=f"Contribution of {named} at each of its values.")
    st.caption(
        f"Each dot is a known {space.noun}: the value of the feature chosen above and what it "
        "contributed there. Dots above one another differ in their other values."
    )


@st.cache_data(show_spinner=False, max_entries=KEPT)
def _dependence(
    model_id: str, key: str, feature: str, named: str, _evidence: Mapping[str, Any]
) -> dict[str, Any]:
    del key
    base = grounds.ground(model_id)
    points = explain.dependence(*_sample(model_id), feature)
    return grounds.spec_of(
        charts.dependence(
            _drawn(points),
            feature=named,
            value=_own(_evidence, feature, base),
            contribution=float(_evidence["contributions"][feature]),
        )
    )


# Pairs


def acting_together(base: workflow.Ground, space: Workspace) -> None:
    """Measure, when asked, which features act together."""
    st.subheader("Features that act together", anchor=False)
    if len(base.face.features) < 2:
        st.info("The model has one feature only.")
        return
    place = f"pairs_{base.current.model_id}"
    if not st.session_state.get(place):
        st.button(
            "Measure pairs",
            key="measure_pairs",
            icon=":material/join_inner:",
            help="Takes about a second.",
            on_click=_ask,
            args=(place,),
        )
        st.caption("Which pairs move the score otherwise together than one by one.")
        return
    named = tuple(grounds.names(space, base.face.features).items())
    spec, sentence = _interactions(base.current.model_id, named)
    grounds.draw(spec, key="interactions", words="How strongly pairs of features act together.")
    st.caption(sentence)


@st.cache_data(show_spinner="Measuring pairs …", max_entries=8)
def _interactions(model_id: str, named: tuple[tuple[str, str], ...]) -> tuple[dict[str, Any], str]:
    base, names = grounds.ground(model_id), dict(named)
    found = explain.interactions(base.face, base.values).head(BARS)
    pairs = [
        f"{names[a]} × {names[b]}" for a, b in zip(found["first"], found["second"], strict=True)
    ]
    bars = pd.DataFrame({"pair": pairs, "strength": found["size"]})
    share = wording.share(float(found["strength"].iloc[0]))
    title = "what neither explains alone, in log-odds"
    spec = grounds.spec_of(charts.interaction_bars(bars, title=title))
    sentence = (
        f"Strongest: {escape_markdown(pairs[0])}, where {share} of what the two do together is "
        "explained by neither alone."
    )
    return spec, sentence


def _ask(place: str) -> None:
    st.session_state[place] = True


# One tree


def one_tree(evidence: Mapping[str, Any], base: workflow.Ground, space: Workspace) -> None:
    """Write, when asked, how this case goes through one tree."""
    st.subheader("Through one tree", anchor=False)
    count = models.booster(base.current.model).num_trees()
    if not st.toggle("Show a tree's path", key="show_tree"):
        st.caption(
            f"The score is the sum of {count:,} trees, each a few questions about the values."
        )
        return
    tree = int(
        st.number_input(
            f"Tree, 0 to {count - 1}", 0, count - 1, value=0, step=1, key="tree", width=200
        )
    )
    row = base.frame(grounds.values(evidence))
    path = explain.tree_path(base.current.model, row, tree)
    st.dataframe(
        path_rows(path, base, space),
        hide_index=True,
        key="tree_path",
        alt=f"The questions of tree {tree} and this case's answers.",
        column_config={
            "step": st.column_config.NumberColumn(width=50),
            "question": st.column_config.TextColumn(width="large"),
            "here": st.column_config.TextColumn(width=80),
            "answer": st.column_config.TextColumn(width=70),
        },
    )
    st.markdown(leaf_sentence(path, tree, count))


def path_rows(path: pd.DataFrame, base: workflow.Ground, space: Workspace) -> pd.DataFrame:
    """Write the questions of a tree and the case's answers."""
    features = base.face.features
    named, asked = grounds.names(space, features), path[path["feature"] != "leaf"]
    return pd.DataFrame(
        {
            "step": asked["step"],
            "question": [
                f"Is “{named[feature]}” {condition}?"
                for feature, condition in zip(asked["feature"], asked["condition"], strict=True)
            ],
            "here": [
                value
                if isinstance(value, str)
                else "missing"
                if value is None
                else number(value, 4)
                for value in asked["value"]
            ],
            "answer": asked["went"],
        }
    )


def leaf_sentence(path: pd.DataFrame, tree: int, count: int) -> str:
    """Say what a tree adds."""
    value = float(path["leaf_value"].iloc[-1])
    verb = "adds" if value >= 0 else "takes"
    rest = "to" if value >= 0 else "from"
    return (
        f"Tree {tree} {verb} **{wording.number(abs(value))}** {rest} the raw score, the sum over "
        f"{count:,} trees; calibration turns that sum into the score shown."
    )


# Parts of the above


def _choose(
    label: str,
    order: list[str],
    key: str,
    base: workflow.Ground,
    space: Workspace,
    first: str | None = None,
) -> str:
    named = grounds.names(space, base.face.features)
    chosen: str = st.selectbox(
        label,
        order,
        index=order.index(first) if first else 0,
        format_func=lambda name: named[name],
        key=f"{key}_{base.current.model_id}",
    )
    return chosen


def _own(evidence: Mapping[str, Any], feature: str, base: workflow.Ground) -> float | str | None:
    value = grounds.values(evidence)[feature]
    if value is None:
        return None
    if feature not in base.face.categories:
        return float(value)
    return str(value)


@st.cache_resource(show_spinner=False, max_entries=4)
def _sample(model_id: str) -> tuple[explain.Scorer, npt.NDArray[np.float64]]:
    """Give known rows, and the model's face that has split just these once and for all."""
    face, values = grounds.ground(model_id).face, grounds.ground(model_id).values
    rows = values[thinned(np.arange(len(values)), OVERALL_ROWS)]
    if face.split is None:
        return face, rows
    parts = face.split(rows)
    return replace(face, split=lambda _: parts), rows


def _drawn(points: pd.DataFrame) -> pd.DataFrame:
    """Leave out what has no place on an axis, and give numbers their type back."""
    kept = points.dropna(subset=["value"])
    return kept.assign(value=kept["value"].infer_objects())
