"""Group differences: segments of the payment, the model's flags and people's decisions."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from hitl import fairness
from hitl.charts import comparison
from hitl.explain import text
from hitl.ui import frame, resources, wording
from hitl.workflow.materials import FIRST_DAY_MS
from hitl.workspaces import SECONDS_PER_HOUR, UNSURE, WORKSPACES, Workspace

NEWEST = 50_000
"""Rows that are read at most, newest first."""


@dataclass(frozen=True)
class Segmenting:
    """One way to part payments into groups; of a person if a sensitive column says so."""

    title: str
    groups: Callable[[pd.DataFrame, Workspace], Any]
    attribute: str = ""


@dataclass(frozen=True)
class Rate:
    """One rate of the comparison, in the words of either side."""

    name: fairness.Rate
    column: str
    rows: str
    model: str
    people: str
    of: str
    lacking: str


def _amounts(rows: pd.DataFrame, space: Workspace) -> Any:
    bands = fairness.amount_band(rows[space.amount_column])
    names = [re.sub(r"\d+", rf"{space.currency}\g<0>", band, count=1) for band in bands.categories]
    return bands.rename_categories(dict(zip(bands.categories, names, strict=True)))


def _hours(rows: pd.DataFrame, space: Workspace) -> Any:
    """Part by quarters of the day, or by hours when all rows lie in one quarter."""
    time = rows[space.time_column]
    quarters = fairness.hour_band(time)
    if quarters.codes.min() != quarters.codes.max():
        return quarters
    hours = (time // SECONDS_PER_HOUR % 24).astype(int)
    names = [f"{hour} to {hour + 1} h" for hour in range(24)]
    return pd.Categorical([names[hour] for hour in hours], categories=names, ordered=True)


def _person(column: str) -> Segmenting:
    title = column.replace("_", " ").capitalize()
    return Segmenting(title, lambda rows, _: rows[column], column)


SEGMENTINGS = {
    "Amount": Segmenting("Amount", _amounts),
    "Hour of day": Segmenting("Hour of day", _hours),
    **{found.title: found for w in WORKSPACES.values() for found in map(_person, w.sensitive)},
}

RATES = (
    Rate("flag", "flag_rate", "rows", "Flagged", "Called fraud", "of all", "no row"),
    Rate(
        "fpr",
        "fpr",
        "negative_rows",
        "Wrongly flagged",
        "Wrongly called fraud",
        "of legitimate",
        "no outcome says legitimate",
    ),
    Rate(
        "fnr",
        "fnr",
        "positive_rows",
        "Missed",
        "Missed by people",
        "of frauds",
        "no outcome says fraud",
    ),
)

VERDICTS = {
    fairness.NO_GAP: (":material/check_circle:", "green"),
    fairness.GAP: (":material/warning:", "orange"),
    fairness.CANNOT_TELL: (":material/help:", "gray"),
}
"""Icon and colour of each verdict; the word always stands beside them."""

PLAIN_WORDS = ((" negatives", " known legitimate payments"), (" positives", " known frauds"))
PEOPLE_WORDS = (("wrongly flagged", "wrongly called fraud"), (" flagged ", " called fraud "))
VERDICT_HELP = (
    "Gap shown: chance does not explain the difference. No gap shown: any difference is too small "
    "to matter. Cannot tell: too few rows to say either. Dots are shares, lines their 95 % "
    "intervals: were the count repeated, such a line would hold the true share 19 times in 20."
)


def choose() -> str:
    """Let the person choose the segments; the choice stands in the URL."""
    chosen = st.radio(
        "Segments",
        offered(frame.workspace()),
        horizontal=True,
        key="segment",
        bind="query-params",
        help=VERDICT_HELP,
    )
    return chosen or "Amount"


def offered(space: Workspace) -> list[str]:
    """Name the ways to part this workspace's payments."""
    return [
        name
        for name, found in SEGMENTINGS.items()
        if not found.attribute or found.attribute in space.sensitive
    ]


def no_person(space: Workspace) -> None:
    """Say what is known of persons, or that nothing is, so that nobody reads it into groups."""
    icon = ":material/science:" if space.is_simulated else ":material/person_off:"
    st.info(resources.materials(space.name).workspace.sensitive_note, icon=icon)


def scored(space: Workspace) -> pd.DataFrame:
    """Read the scored payments with amount, time and what is known of persons as columns."""
    rows = resources.store().view(
        "scored_instances", workspace=space.name, order=("-scored_ms", "-run", "-step"),
        limit=NEWEST,
    )  # fmt: skip
    columns = pd.DataFrame(
        [json.loads(body) for body in rows["features"]],
        columns=[space.amount_column, *space.sensitive],
    )
    columns[space.time_column] = (rows["occurred_ms"] - FIRST_DAY_MS) / 1_000
    return rows.drop(columns="features").assign(**columns)


def model_table(rows: pd.DataFrame, segmenting: Segmenting, space: Workspace) -> pd.DataFrame:
    """Count the model's flags by group, at natural prevalence; a payment played twice once."""
    once = _known(rows.drop_duplicates("source_row"), segmenting)
    if once.empty:
        return pd.DataFrame()
    groups = segmenting.groups(once, space)
    return fairness.by_group(
        groups, once["is_flagged"].astype(bool), once["outcome"], weight=once["weight"]
    )


def people_table(rows: pd.DataFrame, segmenting: Segmenting, space: Workspace) -> pd.DataFrame:
    """Count people's decisions by group; unsure ones are neither right nor wrong."""
    sure = _known(rows[rows["verdict"].notna() & (rows["verdict"] != UNSURE)], segmenting)
    if sure.empty:
        return pd.DataFrame()
    groups = segmenting.groups(sure, space)
    return fairness.by_group(groups, sure["verdict"] == space.positive, sure["outcome"])


def _known(rows: pd.DataFrame, segmenting: Segmenting) -> pd.DataFrame:
    """Leave out rows that belong to no person, so that they are not read as a group of people."""
    return rows[rows[segmenting.attribute].notna()] if segmenting.attribute else rows


def nothing_compared(space: Workspace) -> None:
    """Say why a workspace without segments shows no groups, and where there are some."""
    st.info(
        f"**Nothing is compared in {space.title}.** {space.sensitive_note} With neither an amount "
        "nor an hour there are no segments either.",
        icon=":material/info:",
    )
    st.page_link(
        "pages/fairness.py",
        label="Compare segments of the card payments",
        icon=":material/arrow_forward:",
        query_params={"workspace": "cards"},
    )


def nothing_scored(space: Workspace) -> None:
    """Say that nothing has been scored, and what to do."""
    st.info(
        f"No {space.noun} has been scored yet, so there is nothing to compare. Play the stream "
        "first.",
        icon=":material/info:",
    )
    st.page_link(
        "pages/monitor.py",
        label="Play the stream on Monitor",
        icon=":material/play_arrow:",
        query_params={"workspace": space.name},
    )


def known_and_unknown(rows: pd.DataFrame, space: Workspace) -> None:
    """Say what the numbers rest on, and what nobody knows."""
    known, decided = int(rows["outcome"].notna().sum()), int(rows["verdict"].notna().sum())
    models = rows["model_id"].value_counts()
    st.markdown(
        f"**Outcome known for {known:,} of {len(rows):,}** scored {space.noun}s; {decided:,} "
        f"decided by people. Misses among unflagged {space.noun}s can only be seen through "
        "outcomes and the audit share, the few that are queued at random."
    )
    st.caption(
        "Scored live by "
        + ", ".join(f"{name} ({count:,})" for name, count in models.items())
        + ". The model's shares are at natural prevalence: a sampled legitimate payment counts as "
        "often as the payments it stands for. n is always the rows that are really there. A line "
        "may leave its chart where n is under 30."
        + (f" Only the newest {NEWEST:,} are counted." if len(rows) == NEWEST else "")
    )


def sides(model: pd.DataFrame, people: pd.DataFrame, segmenting: Segmenting) -> None:
    """Draw the model beside people: for each rate the verdict and the groups."""
    if segmenting.attribute:
        st.caption(
            f"Rows without {segmenting.title.lower()} belong to no person; they are left out."
        )
    if model.empty:
        st.info(f"No scored row has {segmenting.title.lower()} yet.", icon=":material/info:")
        return
    left, right = st.columns(2, gap="large")
    left.header("The model's flags", anchor=False)
    right.header("People's decisions", anchor=False)
    for rate in RATES:
        left, right = st.columns(2, gap="large")
        with left:
            _rate(model, rate, rate.model, segmenting, "model")
        with right:
            if len(people):
                _rate(people, rate, rate.people, segmenting, "people")
            elif rate is RATES[0]:
                _nothing_decided()
    left, right = st.columns(2, gap="large")
    with left:
        _numbers(model, segmenting, "model")
    with right:
        if len(people):
            _numbers(people, segmenting, "people")


def _nothing_decided() -> None:
    st.info("Nobody has decided a case yet, fraud or legitimate.", icon=":material/info:")
    st.page_link(
        "pages/review.py",
        label="Decide the waiting cases",
        icon=":material/arrow_forward:",
        query_params={"workspace": frame.workspace().name},
    )


def _rate(table: pd.DataFrame, rate: Rate, title: str, segmenting: Segmenting, side: str) -> None:
    found = fairness.gap(table, rate.name)
    icon, colour = VERDICTS[found.verdict]
    sentence = plain_sentence(found.sentence, by_people=side == "people")
    st.markdown(f"**{title}** :{colour}-badge[{icon} {found.verdict}] {sentence}")
    rows = table.rename(
        columns={rate.rows: "n", "n": "natural", rate.column: "share",
                 f"{rate.name}_low": "low", f"{rate.name}_high": "high"}
    )  # fmt: skip
    if rows["share"].isna().all():
        st.caption(f"There is nothing to count: {rate.lacking}.")
        return
    chart = comparison.group_intervals(
        rows, title=f"{title}, share {rate.of}, by {segmenting.title.lower()}"
    )
    st.altair_chart(
        chart,
        key=f"chart-{side}-{rate.name}",
        alt=f"{title} by {segmenting.title.lower()}, with 95 % intervals. {sentence}",
    )


def plain_sentence(sentence: str, *, by_people: bool) -> str:
    """Say a verdict's sentence in the words of the page, about the model or about people."""
    for term, words in PLAIN_WORDS + (PEOPLE_WORDS if by_people else ()):
        sentence = sentence.replace(term, words)
    return sentence


def _numbers(table: pd.DataFrame, segmenting: Segmenting, side: str) -> None:
    shown = pd.DataFrame(
        {
            segmenting.title: table["group_name"],
            "n": [wording.number(n) for n in table["rows"]],
            "Known frauds": [wording.number(n) for n in table["positive_rows"]],
            "Known legitimate": [wording.number(n) for n in table["negative_rows"]],
            **{_word(rate, side): shares(table, rate) for rate in RATES},
        }
    )
    owner = "model" if side == "model" else "people"
    st.table(shown, hide_index=True, alt=f"The figures by {segmenting.title.lower()}: {owner}.")


def _word(rate: Rate, side: str) -> str:
    return rate.model if side == "model" else rate.people


def points(share: float) -> str:
    """Write a share in percent with two significant digits."""
    return text.number(100 * share, digits=2)


def shares(table: pd.DataFrame, rate: Rate) -> list[str]:
    """Write each group's share with its interval, or that there is nothing to count."""
    columns: list[Any] = [table[c] for c in (rate.column, f"{rate.name}_low", f"{rate.name}_high")]
    return [
        "none to count"
        if share != share
        else f"{points(share)} % ({points(low)} to {points(high)})"
        for share, low, high in zip(*columns, strict=True)
    ]
