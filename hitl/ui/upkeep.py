"""Settings: what this workspace is, its limits, where data lie, downloads, imports, a trial."""

import io
import lzma
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pandas as pd
import streamlit as st

from hitl import datasets, models, novelty, workflow
from hitl.errors import FileFormatError, HitlError, ModelFormatError
from hitl.settings import SETTINGS
from hitl.store import Store
from hitl.ui import frame, resources, wording
from hitl.workflow import Materials, Stored
from hitl.workspaces import Workspace

MODEL_FILES = ("model.txt", "card.json", "novelty.json")
NEEDED_FILES = MODEL_FILES[:2]
ID_NAMES = ("row", "id", "instance_id")
ROW_NUMBER = "row_number"
SHOWN_ROWS = 20
STATES_FIRST = ("novel and flagged", "known anomaly", "novel")
UNREADABLE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error,
    NotImplementedError, RuntimeError, OSError, EOFError, ValueError,
)  # fmt: skip
"""What reading a zip raises that is damaged, encrypted or packed in an unknown way."""
MAX_UNPACKED = 100_000_000
"""Bytes that one file of a zip may unpack to."""


def workspace_card(space: Workspace, rows: Materials) -> None:
    """Say what the workspace is and where its rows come from."""
    size = "the full public data set" if rows.is_full else "a bundled sample of the public data set"
    size = "none of them real" if space.is_simulated else size
    st.header(f"Workspace: {space.title}", anchor=False)
    st.markdown(space.sentence)
    _facts(
        {
            "Rows come from": f"{rows.source}, {size}",
            "Training · locked test · stream": (
                f"{len(rows.training):,} · {len(rows.test):,} · {len(rows.stream):,} rows, "
                "one after the other in time"
            ),
            "Fraud in real life": f"{wording.share(space.prevalence)} of {space.noun}s",
            f"Features ({len(space.features)})": ", ".join(space.features),
            "Outcomes arrive after": f"{wording.number(space.outcome_delay_s)} s of stream time",
        },
        "What this workspace is and where its rows come from.",
    )
    st.caption("Your name, written beside each decision, is the field at the top right.")


def thresholds(current: Stored) -> None:
    """Say from which values on a case is flagged or novel, and what that costs."""
    model, detector = current.model, current.detector
    st.header(f"Thresholds of {current.model_id}", anchor=False)
    _facts(
        {
            "Flagged from": (
                f"a probability of {wording.number(model.threshold)}. "
                + str(model.card.get("threshold_sentence", ""))
            ),
            "Its false-alarm budget": (
                f"{wording.share(model.card.get('budget'))} of legitimate cases may be flagged"
            ),
            "Novel above": (
                f"a distance of {wording.number(detector.limit)} from all known cases, whatever "
                "the model says"
            ),
            "Its rate": f"{wording.share(detector.rate)} of known legitimate cases may be novel",
        },
        "Thresholds of the model in use.",
    )
    st.caption(
        "Both come with the model. They change when a challenger is promoted or rolled back under "
        "Retrain."
    )


def storage() -> None:
    """Say where everything is kept and whether it survives a restart."""
    store = resources.store()
    lasts = resources.is_lasting()
    engine = "PostgreSQL server" if store.kind == "postgres" else "DuckDB file"
    st.header("Where it is kept", anchor=False)
    _facts(
        {
            "Engine": engine,
            "Place": place(store.url),
            "After a restart": "everything is still there"
            if lasts
            else "**everything is lost**: download a backup below, or set a PostgreSQL URL",
        },
        "Where the database is and whether it lasts.",
    )


def place(url: str) -> str:
    """Write where a database is, without name, password or options.

    Examples
    --------
    >>> place("postgresql://mina:secret@db.example:5432/look?sslpassword=x")
    'postgresql://db.example:5432/look'
    >>> place("duckdb:data/look.duckdb")
    'data/look.duckdb'
    """
    if "://" not in url:
        return url.removeprefix("duckdb:")
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def every_setting() -> None:
    """List each setting with its variable, value, unit and sentence."""
    st.header("All settings", anchor=False)
    st.table(
        settings_table(resources.settings()),
        hide_index=True,
        alt="Every setting with the variable that changes it, its value, unit and meaning.",
    )
    st.caption(
        "Set a variable in the environment, or the name in small letters without HITL_ in "
        ".streamlit/secrets.toml, and start the app again."
    )


def settings_table(values: dict[str, Any]) -> pd.DataFrame:
    """Write every setting for people, the database without its credentials."""
    return pd.DataFrame(
        [
            {
                "Variable": f"`{setting.variable}`",
                "Value": _value(setting.name, values[setting.name]),
                "Unit": setting.unit,
                "What it does": setting.sentence,
            }
            for setting in SETTINGS
        ]
    )


def _value(name: str, value: Any) -> str:
    if name == "database_url":
        return place(str(value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def downloads(space: Workspace, current: Stored) -> None:
    """Offer everything to take away; each file is made when it is asked for."""
    store = resources.store()
    st.header("Take it with you", anchor=False)
    offers = (
        ("Decisions (CSV)", "decisions.csv", "text/csv", lambda: decisions_csv(store, space)),
        ("Scored rows (CSV)", "scored.csv", "text/csv", lambda: scored_csv(store, space)),
        ("Model in use (zip)", "model.zip", "application/zip", lambda: model_zip(current)),
        ("Whole database (backup)", "backup.duckdb", None, lambda: backup_bytes(store)),
    )
    with st.container(horizontal=True):
        for label, name, mime, make in offers:
            whole = name.startswith("backup")
            st.download_button(
                label,
                make,
                file_name=f"second-look-{name}" if whole else f"{space.name}-{name}",
                mime=mime,
                key=f"download_{name.split('.')[0]}",
                on_click="ignore",
                icon=":material/download:",
            )
    st.caption(
        "The backup holds both workspaces and is put back with python -m hitl restore. A model is "
        "plain text with its card, never a program."
    )


def decisions_csv(store: Store, space: Workspace) -> bytes:
    """Write the standing decisions as CSV, as the import reads them."""
    return workflow.export_decisions(store, space).to_csv(index=False).encode()


def scored_csv(store: Store, space: Workspace) -> bytes:
    """Write every scored row with its score, state, outcome and decision as CSV."""
    rows = store.view("scored_instances", workspace=space.name, order=("run", "step"))
    return rows.to_csv(index=False).encode()


def model_zip(current: Stored) -> bytes:
    """Pack the model's text, its card and its novelty detector."""
    packed = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(packed, "w", 8) as archive:
        target = Path(folder) / current.model_id
        models.save(current.model, target)
        novelty.save(current.detector, target)
        for name in MODEL_FILES:
            archive.write(target / name, name)
    return packed.getvalue()


def backup_bytes(store: Store) -> bytes:
    """Copy the whole database, consistent while others write."""
    with tempfile.TemporaryDirectory() as folder:
        return store.backup(Path(folder) / "backup.duckdb").read_bytes()


def bring_decisions(space: Workspace) -> None:
    """Import a file of decisions: all of them, or none and the reason."""
    st.header("Bring decisions back", anchor=False)
    given = st.file_uploader(
        "File of decisions (CSV)",
        type=["csv"],
        key="decisions_file",
        help="A file in the layout of the download. One wrong row, and nothing is imported.",
    )
    pressed = st.button(
        "Import decisions",
        icon=":material/upload:",
        disabled=given is None,
        key="import_decisions",
    )
    if pressed and given is not None:
        added = workflow.import_decisions(
            resources.store(),
            space,
            datasets.read_table(given.getvalue(), given.name, as_text=True),
            now_ms=resources.now_ms(),
            person=frame.person(),
        )
        st.success(
            f"{added:,} new decisions from {given.name}." if added
            else f"Every decision in {given.name} is here already; nothing was changed.",
            icon=":material/check_circle:",
        )  # fmt: skip


def trial() -> None:
    """Try any model on any table: nothing of either is kept."""
    st.header("Try a model on your data", anchor=False)
    st.caption(
        "Nothing is stored. The model is checked before it is used: its checksum, its text, and "
        "its own test rows, which a separate process must score the same."
    )
    left, right = st.columns(2, gap="large")
    files = left.file_uploader(
        "Model: model.txt, card.json and novelty.json, or their zip",
        accept_multiple_files=True,
        key="model_files",
        help="As downloaded above. Without novelty.json nothing is said about novelty.",
    )
    table = right.file_uploader(
        "Rows: CSV or Parquet with the model's features",
        key="rows_file",
        help="Columns are taken by name. A column named row, id or instance_id must be unique.",
    )
    pressed = st.button(
        "Try it",
        icon=":material/play_arrow:",
        disabled=not files or table is None,
        key="try_model",
    )
    if pressed and files and table is not None:
        with st.spinner("Checking the model, then scoring …"):
            model, detector = foreign_model([(file.name, file.getvalue()) for file in files])
            rows = foreign_rows(table.getvalue(), table.name, model)
            _trial_shown(score(model, detector, rows), model, table.name)


def _trial_shown(scored: pd.DataFrame, model: models.Model, name: str) -> None:
    flagged = int(scored["flagged"].sum())
    st.success(
        f"{model.model_id} flags {flagged:,} of {len(scored):,} rows of {name} "
        f"(from a probability of {wording.number(model.threshold)}).",
        icon=":material/check_circle:",
    )
    st.caption(
        f"{min(SHOWN_ROWS, len(scored))} of {len(scored):,} rows: novel and flagged ones first, "
        "then by probability."
    )
    st.dataframe(
        trial_table(scored),
        hide_index=True,
        key="trial",
        alt=f"Scored rows of {name}, novel and flagged ones first.",
    )
    st.download_button(
        "All scored rows (CSV)",
        lambda: scored.to_csv(index=False).encode(),
        file_name="second-look-trial.csv",
        mime="text/csv",
        key="download_trial",
        on_click="ignore",
        icon=":material/download:",
    )


def foreign_model(files: Sequence[tuple[str, bytes]]) -> tuple[models.Model, Any]:
    """Read an uploaded model, and its novelty detector if it is there, trusting nothing.

    Raises
    ------
    ModelFormatError, TamperedModelError, FeatureMismatchError
        As `hitl.models.load`; also if a file is missing.
    FileFormatError
        If a zip is damaged or unpacks to too much.
    """
    found = _named(files)
    if "model.txt" in found:
        models.check_text(found["model.txt"])
    missing = [name for name in NEEDED_FILES if name not in found]
    if missing:
        raise ModelFormatError(
            f"The upload lacks {' and '.join(missing)}.",
            "Upload model.txt with its card.json, or the zip downloaded above.",
        )
    with tempfile.TemporaryDirectory() as folder:
        for name, content in found.items():
            (Path(folder) / name).write_bytes(content)
        try:
            model = models.load(Path(folder), trusted=False)
            known = novelty.load(Path(folder)) if "novelty.json" in found else None
        except HitlError as error:
            shown = error.message.replace(f"{folder}/", "").replace(folder, "the upload")
            raise type(error)(shown, error.hint) from error
    return model, known


def _named(files: Sequence[tuple[str, bytes]]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for name, content in files:
        found |= _unzipped(content) if content.startswith(b"PK") else {_role(name): content}
    return found


def _role(name: str) -> str:
    """Tell by its name which of a model's files a file is; whatever is not JSON is the model."""
    if not name.lower().endswith(".json"):
        return "model.txt"
    return "novelty.json" if "novelty" in name.lower() else "card.json"


def _unzipped(content: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = {Path(m.filename).name: m for m in archive.infolist()}
            wanted = [members[name] for name in MODEL_FILES if name in members]
            if any(member.file_size > MAX_UNPACKED for member in wanted):
                raise FileFormatError(
                    f"A file of the zip unpacks to more than {MAX_UNPACKED:,} bytes.",
                    "Upload the three files one by one.",
                )
            return {Path(m.filename).name: archive.read(m) for m in wanted}
    except UNREADABLE as error:
        raise FileFormatError(
            "The zip cannot be read: it is damaged, encrypted or packed in an unknown way.",
            "Download the model again, or upload its three files one by one.",
        ) from error


def foreign_rows(content: bytes, name: str, model: models.Model) -> pd.DataFrame:
    """Read an uploaded table and refuse it unless the model can score every row.

    Raises
    ------
    DataError
        If the file is not a table, or a feature or the id cannot be used.
    """
    rows = datasets.read_table(content, name)
    identity = next((c for c in rows.columns if str(c).lower() in ID_NAMES), None)
    datasets.check_rows(rows, features=model.features, id_column=identity)
    return rows


def score(model: models.Model, detector: Any, rows: pd.DataFrame) -> pd.DataFrame:
    """Score rows: probability, verdict and, with a detector, novelty and state, in file order.

    Without a column that names the rows they are numbered from 0.
    """
    flagged = models.flagged(model, rows)
    identity = next((c for c in rows.columns if str(c).lower() in ID_NAMES), None)
    names = rows[identity].to_numpy() if identity else range(len(rows))
    scored = pd.DataFrame({identity or ROW_NUMBER: names})
    scored["probability"] = models.probabilities(model, rows)
    scored["flagged"] = flagged
    if detector is not None:
        scored["novelty"] = novelty.distances(detector, rows)
        scored["state"] = novelty.states(flagged, scored["novelty"].to_numpy() > detector.limit)
    return scored


def trial_table(scored: pd.DataFrame) -> pd.DataFrame:
    """Write the rows most worth a look for people: novel and flagged, flagged, novel, others."""
    rank = {state: place for place, state in enumerate(STATES_FIRST)}
    order = scored["state"].map(rank) if "state" in scored else scored["flagged"].map({True: 0})
    ranked = scored.assign(_rank=order.fillna(len(rank)))
    ranked = ranked.sort_values(["_rank", "probability"], ascending=[True, False], kind="stable")
    top = ranked.head(SHOWN_ROWS)
    identity = scored.columns[0]
    named = "Row, counted from 0" if identity == ROW_NUMBER else identity
    shown = pd.DataFrame({named: top[identity].map(str)})
    shown["Probability"] = top["probability"].map(wording.share)
    shown["Flagged"] = top["flagged"].map({True: "yes", False: "no"})
    if "state" in scored:
        shown["Distance from known"] = top["novelty"].map(wording.number)
        shown["State"] = top["state"]
    return shown


def notice(space: Workspace) -> None:
    """Show the licence of data and program."""
    st.header("Licence", anchor=False)
    st.markdown(
        f"{space.notice} The program is under the MIT licence. The sample's source, recipe and "
        "licence text are in `data/SOURCES.md`."
    )


def _facts(facts: dict[str, str], alt: str) -> None:
    table = pd.DataFrame({"What": list(facts), "How it stands": list(facts.values())})
    st.table(table, hide_index=True, hide_header=True, border="horizontal", alt=alt)
