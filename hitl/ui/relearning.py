"""Retrain: what is new, the training, old against new, the gates, promotion and history."""

import json
import threading
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from hitl import workflow
from hitl.charts import comparison
from hitl.explain import text
from hitl.ui import frame, resources, wording
from hitl.ui.jobs import Job, Progress
from hitl.workflow import Person, times
from hitl.workspaces import Workspace

SCALES = {"share": 100, "count": 1, "number": 1}
NO_BREAK = "\N{NO-BREAK SPACE}"
NAMED = 10
"""Overruled cases that a gate names."""
BALANCED, NATURAL = "balanced", "natural"
_STARTING = threading.Lock()
STANDING_WORDS = {
    "better": ":green[:material/trending_up: better]",
    "worse": ":red[:material/trending_down: worse]",
    "cannot tell": "cannot\N{NO-BREAK SPACE}tell",
    "the same": "the\N{NO-BREAK SPACE}same",
}


@dataclass(frozen=True)
class Measure:
    """One measure in plain words: a share, a count or a number; sign −1 when less is better."""

    label: str
    words: str
    sign: int
    kind: str = "share"


MEASURES = {
    "average_precision": Measure(
        "Ranking (average precision, AP)", "How far up the frauds are ranked; 100 % is perfect", 1
    ),
    "roc_auc": Measure(
        "Telling apart (AUC)", "Chance that a fraud scores above a legitimate payment", 1
    ),
    "recall": Measure("Frauds found (recall)", "Flagged frauds, of all frauds", 1),
    "precision": Measure("Right alerts (precision)", "Frauds, of all flagged payments", 1),
    "balanced_accuracy": Measure(
        "Balanced accuracy", "Mean of frauds found and legitimate payments left alone", 1
    ),
    "recall_at_fpr_0_01": Measure(
        "Frauds found at 1 % false alarms", "Recall if 1 % of legitimate payments were flagged", 1
    ),
    "false_positive_rate": Measure(
        "False-alarm rate", "Flagged legitimate payments, of all legitimate ones", -1
    ),
    "brier": Measure(
        "Error of the probability (Brier)",
        "Mean squared distance from the truth; 0 is best",
        -1,
        "number",
    ),
    "false_positives": Measure("False alarms (FP)", "Legitimate payments flagged", -1, "count"),
    "false_negatives": Measure("Missed frauds (FN)", "Frauds not flagged", -1, "count"),
}


def news(space: Workspace) -> dict[str, int]:
    """Count what the champion has not learned from: decisions by verdict, and outcomes."""
    rows = resources.store().view("news_since_training", workspace=space.name)
    arrived = rows["source"] == "outcome"
    decided = rows[~arrived]
    counts = {
        "positive": decided["is_positive"].eq(True),
        "negative": decided["is_positive"].eq(False),
        "unsure": decided["is_positive"].isna(),
    }
    found = {name: int(decided.loc[mask, "n"].sum()) for name, mask in counts.items()}
    outcomes = int(rows.loc[arrived, "n"].sum())
    return {**found, "decisions": sum(found.values()), "outcomes": outcomes}


def news_shown(space: Workspace, champion_id: str, counts: dict[str, int]) -> None:
    """Say what is new since the champion was trained."""
    decisions, outcomes = (_counted(counts[f"{name}s"], name) for name in ("decision", "outcome"))
    st.markdown(
        f"**Since {champion_id}: {decisions}** ({counts['positive']:,} {space.positive}, "
        f"{counts['negative']:,} {space.negative}, {counts['unsure']:,} unsure) · **{outcomes}** "
        "that arrived by themselves"
    )


def _counted(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def training(space: Workspace, counts: dict[str, int], *, is_first: bool) -> None:
    """Offer the training, first of all unless a challenger waits for promotion; show its course."""
    job = resources.jobs().get(space.name)
    if job is not None and job.is_running:
        st.fragment(_progress, run_every=resources.settings()["tick_seconds"])(job)
        return
    learnable = counts["decisions"] - counts["unsure"] + counts["outcomes"]
    pressed = st.button(
        "Train a challenger",
        type="primary" if is_first else "secondary",
        icon=":material/model_training:",
        disabled=learnable == 0,
        key="train",
        help=(
            "Continues the champion with every label so far, reviewed cases copied twenty times, "
            "then compares both. The champion stays in use until somebody promotes the new one."
        ),
    )
    if learnable == 0:
        st.caption("Nothing to learn yet: decide a waiting case, or let outcomes arrive.")
        st.page_link(
            "pages/review.py",
            label="Decide the waiting cases",
            icon=":material/arrow_forward:",
            query_params={"workspace": space.name},
        )
    if job is not None and job.trouble:
        st.error(f"**The last training ended early.** {job.trouble}", icon=":material/error:")
    if pressed:
        start(space, frame.person())
        st.rerun()


def start(space: Workspace, person: Person) -> Job:
    """Train and compare in the background; one training a workspace at a time."""
    store, rows, chosen = resources.store(), resources.materials(space.name), resources.settings()

    def work(progress: Progress) -> dict[str, Any]:
        challenger = workflow.retrain(
            store, rows, seed=chosen["seed"], person=person, now_ms=resources.now_ms(),
            novelty_rate=chosen["novelty_rate"], progress=progress,
        )  # fmt: skip
        return workflow.compare(
            store, rows, challenger, seed=chosen["seed"], now_ms=resources.now_ms(),
            progress=progress,
        )  # fmt: skip

    with _STARTING:
        running = resources.jobs().get(space.name)
        if running is None or not running.is_running:
            running = resources.jobs()[space.name] = Job(work)
    return running


def _progress(job: Job) -> None:
    st.progress(job.share, text=f"{job.sentence} …")
    if not job.is_running:
        st.rerun()


def newest(space: Workspace, champion_id: str) -> dict[str, Any] | None:
    """Read the newest comparison with the champion, and whether its challenger was rolled back."""
    found = resources.store().view(
        "newest_comparisons",
        workspace=space.name,
        champion_id=champion_id,
        order=("-compared_ms",),
        limit=1,
    )
    if found.empty:
        return None
    row = found.iloc[0]
    note = wording.rolled_back(resources.store(), space.name, row["challenger_id"])
    compared_ms = int(row["compared_ms"])
    return {**json.loads(row["body"]), "compared_ms": compared_ms, "rolled_back": note}


def is_recommended(found: dict[str, Any] | None) -> bool:
    """Say whether a challenger waits for promotion: every gate passed and never rolled back."""
    return found is not None and bool(found["is_passed"]) and not found["rolled_back"]


def nothing_compared(champion_id: str) -> None:
    """Say that the champion has no challenger."""
    st.info(
        f"{champion_id} has no challenger yet. Train one above; both are then compared on test "
        "payments that neither has seen.",
        icon=":material/info:",
    )


def headline(found: dict[str, Any]) -> None:
    """Say HOLD, ROLLED BACK or MAY BE PROMOTED, and why."""
    who = f"{found['challenger_id']} against {found['champion_id']}"
    blocked = [gate["sentence"] for gate in found["gates"] if not gate["passed"]]
    note = f"{found['challenger_id']} was {found['rolled_back']}"
    measured = f"{shown_different(found['metrics'])} {_ranking(found)}"
    if blocked:
        more = f"  \n{note}" if found["rolled_back"] else ""
        st.warning(f"**HOLD** {who}: {blocked[0]}{more}", icon=":material/front_hand:")
    elif found["rolled_back"]:
        st.warning(
            f"**ROLLED BACK** {note}  \nEvery gate is passed, so it can be promoted again, but no "
            f"gate knows the reason it was rolled back for. {measured}",
            icon=":material/undo:",
        )
    else:
        st.success(
            f"**MAY BE PROMOTED: every gate is passed.** {who}. {measured}",
            icon=":material/check_circle:",
        )
    st.caption(
        f"Compared {times.wall_time(found['compared_ms'])} on {found['test_rows']:,} locked test "
        f"payments, {found['test_positives']:,} of them fraud, that neither model was trained on."
    )


def shown_different(metrics: list[dict[str, Any]]) -> str:
    """Name the measures shown better and worse at natural prevalence."""
    rows = records(metric_rows(metrics, NATURAL))
    better, worse = (
        ", ".join(row["label"] for row in rows if row["standing"] == standing)
        for standing in ("better", "worse")
    )
    if not better and not worse:
        return "No measure is shown better or worse at natural prevalence."
    return (
        f"At natural prevalence shown better: {better or 'no measure'}; "
        f"shown worse: {worse or 'no measure'}."
    )


def _ranking(found: dict[str, Any]) -> str:
    names = {gate["name"]: gate["sentence"] for gate in found["gates"]}
    return str(names.get("Ranks no worse", ""))


def old_and_new(space: Workspace, found: dict[str, Any]) -> None:
    """Show both models on the same rows, on a balanced test set or at natural prevalence."""
    st.header("Old and new on the same payments", anchor=False)
    chosen = st.radio(
        "Test set",
        [NATURAL, BALANCED],
        horizontal=True,
        key="test_set",
        bind="query-params",
        help="Balanced: as many legitimate payments as frauds. Natural: as rare as in real life.",
    )
    test_set = chosen or NATURAL
    st.caption(_what(space, found, test_set))
    rows = metric_rows(found["metrics"], test_set)
    shares = rows[rows["kind"] == "share"]
    st.altair_chart(
        comparison.metric_differences(shares, title="New model against old, 95 % intervals"),
        key="differences",
        alt=_spoken(shares),
    )
    st.table(
        metric_table(rows),
        hide_index=True,
        alt=f"Old and new model on the {test_set} test set, measure by measure.",
    )
    if found.get("calibration") and test_set == NATURAL:
        st.markdown(_calibration(found["calibration"]))


def _what(space: Workspace, found: dict[str, Any], test_set: str) -> str:
    positives = found["test_positives"]
    if test_set == BALANCED:
        return (
            f"{positives:,} frauds and {positives:,} legitimate payments. **A balanced set cannot "
            "see false alarms**: one in a thousand payments hardly ever falls among so few, but is "
            "most of what reviewers get in real life. Read precision and false alarms under "
            "natural."
        )
    return (
        f"{found['test_rows']:,} test payments, weighted so that fraud is as rare as in real life "
        f"({wording.share(space.prevalence)}). False alarms are counted in original payments."
    )


def metric_rows(metrics: list[dict[str, Any]], test_set: str) -> pd.DataFrame:
    """Put a comparison's metrics in words: label, gain in points, and how it stands."""
    rows = []
    for metric in metrics:
        if metric["test_set"] == test_set and metric["metric"] in MEASURES:
            measure = MEASURES[metric["metric"]]
            rows.append({**metric, **_gain(metric, measure), "label": measure.label,
                         "words": measure.words, "kind": measure.kind})  # fmt: skip
    return pd.DataFrame(rows)


def _gain(metric: dict[str, Any], measure: Measure) -> dict[str, Any]:
    if metric["low"] is None or metric["difference"] is None:
        return {"gain": None, "gain_low": None, "gain_high": None, "standing": "cannot tell"}
    scale = measure.sign * SCALES[measure.kind]
    low, high = sorted((scale * metric["low"], scale * metric["high"]))
    standing = "better" if low > 0 else "worse" if high < 0 else "cannot tell"
    if low == high == metric["difference"] == 0:
        standing = "the same"
    return {"gain": scale * metric["difference"], "gain_low": low, "gain_high": high,
            "standing": standing}  # fmt: skip


def metric_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Write the metrics for people: old, new, difference with interval, standing."""
    return pd.DataFrame(
        {
            "Measure": rows["label"],
            "What it is": rows["words"],
            "Old": [_value(row, "champion") for row in records(rows)],
            "New": [_value(row, "challenger") for row in records(rows)],
            "Difference (95 % interval)": [_difference(row) for row in records(rows)],
            "New is": [STANDING_WORDS[standing] for standing in rows["standing"]],
        }
    )


def records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Give a table's rows as dictionaries."""
    return [{str(name): value for name, value in row.items()} for row in rows.to_dict("records")]


def _value(row: dict[str, Any], side: str) -> str:
    value = row[side]
    if value is None or value != value:
        return "nothing flagged"
    if row["kind"] == "share":
        return wording.share(value).replace(" ", NO_BREAK)
    return wording.number(round(value, 1) if row["kind"] == "count" else value)


def _difference(row: dict[str, Any]) -> str:
    if row["low"] is None or row["low"] != row["low"]:
        return "–"
    scale, unit = SCALES[row["kind"]], f"{NO_BREAK}points" if row["kind"] == "share" else ""
    change, low, high = (signed(scale * row[name]) for name in ("difference", "low", "high"))
    return f"{change}{unit} ({low} to {high})"


def signed(value: float) -> str:
    """Write a difference with its sign and two significant digits; nearly nothing is 0."""
    return "0" if abs(value) < 1e-9 else f"{'+' if value > 0 else ''}{text.number(value, 2)}"


def _spoken(rows: pd.DataFrame) -> str:
    parts = [f"{row.label}: {row.standing}" for row in rows.itertuples()]
    return "Difference of new and old model with 95 % intervals. " + "; ".join(parts)


def _calibration(found: dict[str, float]) -> str:
    old, new = (text.number(found[side]) for side in ("champion", "challenger"))
    return (
        f"**Calibration:** the old model expects {old} times as many frauds as there are, the new "
        f"one {new} times. 1 is right; below 1 its probabilities are too low."
    )


def gate_list(found: dict[str, Any]) -> None:
    """List every gate: passed or not, in words, with its sentence."""
    passed = sum(gate["passed"] for gate in found["gates"])
    st.header(f"Gates: {passed} of {len(found['gates'])} passed", anchor=False)
    for gate in found["gates"]:
        badge = (
            ":green-badge[:material/check: passed]"
            if gate["passed"]
            else ":red-badge[:material/close: blocked]"
        )
        st.markdown(f"{badge} **{gate['name']}**  \n{gate['sentence']}{_overruled(gate)}")
    st.caption(
        "Training again on a random redraw of the same payments loses a few known frauds too, "
        "with nothing new learned. A challenger may lose that many and 2 % on top."
    )


def _overruled(gate: dict[str, Any]) -> str:
    """Name the cases whose decision was overruled, as far as they fit on a line."""
    ids = gate["evidence"].get("overruled", [])
    if not ids:
        return ""
    more = f" and {len(ids) - NAMED:,} more" if len(ids) > NAMED else ""
    return f" Overruled: {', '.join(f'`{one}`' for one in ids[:NAMED])}{more}."


def changes(space: Workspace, found: dict[str, Any]) -> None:
    """List test payments that are newly right or wrong."""
    rows = workflow.changed_rows(resources.store(), resources.materials(space.name), found)
    wrong = int((rows["change"] == "newly wrong").sum())
    st.header(f"Newly wrong {wrong:,} · newly right {len(rows) - wrong:,}", anchor=False)
    if rows.empty:
        st.markdown("Both models give every test payment the same verdict.")
        return
    st.caption("Test payments whose verdict changes. They are not cases of the stream.")
    truth = {1: space.positive, 0: space.negative}
    shown = pd.DataFrame({"Change": rows["change"], "Row": rows["row"].map(str)})
    shown = shown.assign(**_amounts(rows, space), Truth=rows["truth"].map(truth))
    st.dataframe(
        shown.assign(**_probabilities(rows)),
        hide_index=True,
        key="changed",
        alt="Test payments that the new model newly gets wrong or right.",
    )


def flipped(space: Workspace, found: dict[str, Any]) -> None:
    """List stream cases whose verdict would change; a click opens the case."""
    rows = workflow.flips(
        resources.store(), resources.materials(space.name), found["challenger_id"]
    )
    st.header(f"Cases that would change: {len(rows):,}", anchor=False)
    if rows.empty:
        st.markdown("Both models give every one of the newest stream cases the same verdict.")
        return
    st.caption("Among the newest 2,000 cases of the stream. Choose a row to open it in Explain.")
    shown = _cases(rows, space)
    event = st.dataframe(
        shown,
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key="flips",
        alt="Stream cases that the new model judges differently.",
    )
    chosen = event["selection"]["rows"]
    if chosen and chosen[0] < len(shown):
        case = str(shown["Case"].iloc[chosen[0]])
        st.switch_page("pages/explain.py", query_params={"case": case})


def _cases(rows: pd.DataFrame, space: Workspace) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Case": rows["instance_id"],
            "Time": rows["occurred_ms"].map(times.event_time),
            **_amounts(rows, space),
            "Change": rows["change"],
            "Outcome": rows["outcome"].map({True: space.positive, False: space.negative}),
            "Decision": rows["verdict"],
            **_probabilities(rows),
        }
    ).fillna({"Outcome": "not known", "Decision": "none"})


def _amounts(rows: pd.DataFrame, space: Workspace) -> dict[str, Any]:
    if space.amount_column not in rows:
        return {}
    amounts = rows[space.amount_column].map(lambda amount: f"{amount:,.2f}")
    return {f"Amount ({space.currency})": amounts}


def _probabilities(rows: pd.DataFrame) -> dict[str, Any]:
    return {
        "Old probability": rows["champion_probability"].map(wording.share),
        "New probability": rows["challenger_probability"].map(wording.share),
    }
