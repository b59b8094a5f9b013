"""A second opinion on one score: LIME, how far to trust it, and how it was made."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pandas as pd
import streamlit as st

from hitl import explain, workflow
from hitl.charts import reasons as charts
from hitl.explain import Surrogate, escape_markdown
from hitl.ui import drawing, resources, wording
from hitl.ui.reasons import plain

LIME_BARS = 8
SHOWN_FEATURES = 4
TRUST: dict[str, tuple[str, str]] = {
    "good": (":material/check_circle:", "green"),
    "weak": (":material/error:", "orange"),
    "do not use": (":material/block:", "red"),
}
VARIANTS = {"lime_local": "local variant", "lime": "stock LIME"}
METHODS = {"lime_local": "lime-local", "lime": "lime"}
MEANING = {
    "lime_local": "The local variant changes few of the features at a time, together, to "
    "values of one known row, and fits the log-odds.",
    "lime": "Stock LIME, as the lime package does it, changes every feature by itself, without "
    "regard to the others, and fits the probability.",
}
FORMULA = r"\xi(x)=\underset{g}{\operatorname{argmin}}\;L(f,g,\pi_x)+\Omega(g)"


def draw(evidence: Mapping[str, Any]) -> None:
    """Draw LIME's answer under its verdict, with the figures that the verdict rests on."""
    variant = st.radio(
        "Which LIME",
        list(VARIANTS),
        key="lime_variant",
        horizontal=True,
        bind="query-params",
        format_func=VARIANTS.__getitem__,
        label_visibility="collapsed",
    )
    name = str(variant)
    found = Surrogate(**evidence[name])
    st.markdown(badge(found))
    strip(found)
    chart, words = st.columns([3, 2], gap="large")
    with chart:
        bars(found, evidence["key"])
    words.caption(
        f"{MEANING[name]} Thin lines: least and greatest weight over seeds {found.seeds[0]} to "
        f"{found.seeds[-1]}, {found.samples:,} samples each; the same seeds, the same answer."
    )
    opened = st.expander("How was this made", key="making", on_change="rerun")
    if opened.open:
        with opened:
            making(evidence, name, found)


def badge(found: Surrogate) -> str:
    """Write the verdict as a badge, and what it rests on."""
    icon, colour = TRUST[found.verdict]
    return f":{colour}-badge[{icon} {found.verdict}] {escape_markdown(found.why)}"


def bars(found: Surrogate, key: str) -> None:
    """Draw the heaviest weights with their range over the seeds."""
    if found.is_flat:
        return

    def chart() -> Any:
        rows = charts.surrogate_rows(asdict(found), top=LIME_BARS)
        return charts.surrogate_bars(rows, unit=found.unit)

    drawing.kept_chart(
        chart,
        stamp=(key, found.method),
        key="lime",
        name="LIME's weights, heaviest first, with their range over the seeds.",
    )


def figures(found: Surrogate) -> list[tuple[str, str, str]]:
    """Give the figures of the strip: name, value, and a sentence on how to read it."""
    model = wording.number(found.model_prediction)
    return [
        (
            "Local R²",
            wording.number(round(found.r2, 3)),
            "Share of the model's answers around this case that LIME's straight line reproduces: "
            "1 is all, 0 is none. Good from 0.6, do not use below 0.3.",
        ),
        (
            "LIME's own prediction",
            wording.number(found.local_prediction),
            f"What the straight line gives for this very case; the model gives {model}. Good "
            "within 0.15, do not use beyond 0.2.",
        ),
        ("The model's prediction", model, "The probability that all of this is to explain."),
        (
            "Stable over seeds",
            share(found.stability),
            "How much of its five heaviest features two runs with other random rows have in "
            "common, on average. Good from 65 %.",
        ),
        (
            "Overlap with contributions",
            share(found.shap_overlap),
            "Share of the five largest contributions that are also among LIME's five heaviest.",
        ),
        (
            "Same direction",
            share(found.sign_agreement),
            "Share of the five largest contributions that LIME moves the same way, up or down.",
        ),
    ]


def share(value: float | None) -> str:
    """Write a share as a whole percentage.

    Examples
    --------
    >>> share(0.8), share(None)
    ('80 %', '–')
    """
    return "–" if value is None else f"{100 * value:.0f} %"


def strip(found: Surrogate) -> None:
    """Draw the figures side by side."""
    with st.container(horizontal=True, gap="large", key="lime_strip"):
        for name, value, meaning in figures(found):
            st.metric(name, value, help=meaning, width="content")


# How it was made


def making(evidence: Mapping[str, Any], name: str, found: Surrogate) -> None:
    """Draw the five steps with the rows that were really used, and the formula filled in."""
    made, sizes, widths = _made(evidence["key"], METHODS[name], evidence)
    top = heaviest(found)
    st.markdown(
        f"**1. The case.** Seed {made.seed}. For the line, a feature is either as in the case or "
        f"changed. Shown are the {len(top)} heaviest of {made.complexity}."
    )
    _table("case_as_coded", coded_rows(made, top), "What counts as in the case")
    st.markdown(
        f"**2. Changed copies, and what the model says of them.** The first {len(made.rows)} of "
        f"{made.samples:,}; the case itself comes first."
    )
    _table("perturbed", perturbed_rows(made, top), "The first rows the model was asked about")
    st.markdown(f"**3. How much each copy counts.** {nearness(made)}")
    if len(widths):
        _table("widths", widths, "What other kernel widths would answer")
    st.markdown(f"**4. A straight line through them.** {line_sentence(made)}")
    st.markdown(
        "**5. Is a shorter line enough?** The features in the order in which they help, and how "
        "well the line fits with each one more."
    )
    _table("sizes", sizes, "How well a line of each length fits")
    card(made)


def heaviest(found: Surrogate) -> list[str]:
    """Name the features with the heaviest weights, heaviest first; what is stored has no order."""
    return sorted(found.weights, key=lambda name: -abs(found.weights[name]))[:SHOWN_FEATURES]


def coded_rows(made: explain.Making, features: list[str]) -> pd.DataFrame:
    """Say for some features what the case has and what counts as the same."""
    return pd.DataFrame(
        {
            "feature": features,
            "value": [plain(made.case[name]) for name in features],
            "as in the case if": [made.conditions[name] for name in features],
        }
    )


def perturbed_rows(made: explain.Making, features: list[str]) -> pd.DataFrame:
    """Write the first samples as a table: answer, weight, how many features changed, values."""
    changed = [sum(1 - bit for bit in bits.values()) for bits in made.coding]
    rows = pd.DataFrame(
        {
            "row": ["the case", *(f"copy {i}" for i in range(1, len(made.rows)))],
            f"model, {made.unit}": made.answers,
            "counts": made.proximity,
            "changed": changed,
        }
    )
    values = {name: [plain(row[name]) for row in made.rows] for name in features}
    return rows.assign(**values)


def nearness(made: explain.Making) -> str:
    """Say how the copies are weighted, and how far from the case they lie."""
    away = wording.number(made.distances[made.method])
    far = f"Half of them lie more than {away} standard deviations from the case."
    if made.kernel_width is None:
        return f"All count alike, however much is changed. {far}"
    return (
        "The more features are changed, the less: √exp(−changed ÷ width²), with kernel width "
        f"{wording.number(made.kernel_width)}. {far} Other widths would answer otherwise:"
    )


def line_sentence(made: explain.Making) -> str:
    """Say what was fitted and how well."""
    name, weight = next(iter(made.weights.items()))
    return (
        f"Ridge regression with penalty {wording.number(made.alpha)} on all "
        f"{made.complexity} features: R² {wording.number(round(made.r2, 3))}, intercept "
        f"{wording.number(made.intercept)}. The heaviest weight is "
        f"{wording.number(weight)} for {escape_markdown(name)}."
    )


def card(made: explain.Making) -> None:
    """Draw the formula with this case's values."""
    with st.container(border=True, key="formula"):
        st.latex(FORMULA)
        st.markdown(filled(made))


def filled(made: explain.Making) -> str:
    """Fill the formula with this case's values."""
    width = (
        "π: all copies count alike"
        if made.kernel_width is None
        else f"π: kernel width **{wording.number(made.kernel_width)}**"
    )
    return (
        f"Of all straight lines g, the one that differs least from the model f near the case x. "
        f"L, the weighted squared error over {made.samples:,} copies: "
        f"**{wording.number(made.loss)}** · {width} · Ω, the features in the line: "
        f"**{made.complexity}**"
    )


@st.cache_data(show_spinner="Drawing the same rows again …", max_entries=64)
def _made(
    key: str, method: str, _evidence: Mapping[str, Any]
) -> tuple[explain.Making, pd.DataFrame, pd.DataFrame]:
    del key
    recipe = _evidence["recipe"]
    base = workflow.ground(workflow.stored(resources.store(), _evidence["model_id"]))
    row = base.frame(recipe["row"])
    seed, samples = recipe["seed"], recipe["parameters"][method]["samples"]
    made = explain.making(
        base.face, row, base.background, method=method, seed=seed, samples=samples
    )
    sizes = explain.fidelity_by_size(
        base.face, row, base.background, method=method, seed=seed, samples=samples
    )
    if method != "lime":
        return made, _sizes(sizes), pd.DataFrame()
    widths = explain.fidelity_by_width(base.face, row, base.background, seed=seed, samples=samples)
    return made, _sizes(sizes), _widths(widths)


def _sizes(found: pd.DataFrame) -> pd.DataFrame:
    return found.rename(columns={"k": "features", "feature": "joins", "r2": "R²"})


def _widths(found: pd.DataFrame) -> pd.DataFrame:
    names = {
        "width": "width, × √features",
        "r2": "R²",
        "local_prediction": "own prediction",
        "effective": "worth so many copies",
        "top": "heaviest features",
    }
    listed = found.assign(top=found["top"].map(", ".join))
    return listed.rename(columns=names)


def _table(key: str, rows: pd.DataFrame, name: str) -> None:
    numbers = rows.select_dtypes("float").columns
    st.dataframe(
        rows,
        key=key,
        hide_index=True,
        alt=name,
        height="auto" if len(rows) <= 10 else 300,
        column_config={column: st.column_config.NumberColumn(format="%.3f") for column in numbers},
    )
