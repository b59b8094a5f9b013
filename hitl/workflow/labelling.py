"""Labels from elsewhere: read them, show what they would change, then take them over."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from hitl.errors import InputError, MissingColumnsError
from hitl.explain.keys import canonical
from hitl.store import Store, Work
from hitl.workflow import people
from hitl.workflow.deciding import tidied
from hitl.workflow.people import Person
from hitl.workspaces import UNSURE, Workspace

KINDS = ("outcome", "weak")
"""What a label from elsewhere is worth: an outcome stands above every verdict, a weak one below."""

GRADES = {"outcome": 1, "adjudicated": 2, "decided": 3, "weak": 4}
"""What stands where several say something about one case: the smallest."""

EFFECTS = ("new", "replaces", "confirms", "outranked", "here already", "no label", "unknown case",
           "not a verdict", "contradicts the file")  # fmt: skip
"""What a line would do; the last three cannot be taken over."""

USABLE = EFFECTS[:6]
APART = re.compile(r"[\s,;|]+")
"""What separates several ids in one field."""

YES, NO = frozenset({"1", "1.0", "true", "yes"}), frozenset({"0", "0.0", "false", "no"})


@dataclass(frozen=True)
class LabelColumns:
    """Which column of a file says what: the ids, the verdict, and what the ids are.

    `by` is ``instance_id``, the name of a case, or ``source_row``, the number a row has in the
    data; one such number may be of several cases.
    """

    ids: str
    verdict: str
    by: str = "instance_id"


def preview_labels(
    store: Store, workspace: Workspace, rows: pd.DataFrame, columns: LabelColumns, *, kind: str
) -> pd.DataFrame:
    """Say what the labels of a file would do, case by case; nothing is written.

    Parameters
    ----------
    rows
        One line for one or several cases: a field of ids may hold many, separated by commas,
        semicolons or blanks. A verdict is one of the workspace's words, or yes and no, 1 and 0.
    kind
        One of `KINDS`.

    Returns
    -------
    DataFrame
        ``line`` (from 1), ``instance_id``, ``verdict`` as written, ``is_positive``, ``now`` (the
        label so far), ``now_from`` (its source) and ``effect``, one of `EFFECTS`.

    Raises
    ------
    MissingColumnsError
        If a named column is not there.
    InputError
        If there is no such kind, or no such way to name cases.
    """
    _check_request(rows, columns, kind)
    known = _known(store, workspace, columns.by)
    standing = store.view("label_grades", workspace=workspace.name).set_index("instance_id")
    now: dict[Any, dict[Any, Any]] = standing.to_dict("index")
    found: list[dict[str, Any]] = []
    said: dict[str, bool] = {}
    for line, (ids, verdict) in enumerate(
        zip(rows[columns.ids], rows[columns.verdict], strict=True), start=1
    ):
        given = _read_verdict(workspace, verdict)
        for name in [part for part in APART.split(_text(ids)) if part] or [""]:
            for case in known.get(_row_number(name, columns.by), [""]):
                effect = _effect(case, given, now.get(case), said, kind)
                found.append(
                    {
                        "line": line,
                        "instance_id": case or name,
                        "verdict": _text(verdict),
                        "is_positive": given if isinstance(given, bool) else None,
                        "now": now[case]["is_positive"] if case in now else None,
                        "now_from": now[case]["source"] if case in now else "",
                        "effect": effect,
                    }
                )
    return pd.DataFrame(found, columns=[*PREVIEWED])


PREVIEWED = ("line", "instance_id", "verdict", "is_positive", "now", "now_from", "effect")


def import_labels(
    store: Store,
    workspace: Workspace,
    preview: pd.DataFrame,
    *,
    kind: str,
    source: str,
    person: Person,
    now_ms: int,
    leave_out: bool = False,
) -> int:
    """Take over the labels of a preview; all of them or none, and the same again changes nothing.

    Parameters
    ----------
    preview
        What `preview_labels` returned for the same kind.
    source
        Where the labels are from, such as ``chargebacks``; a later import of the same source
        replaces its earlier label of a case.
    leave_out
        Leave lines out that cannot be taken over, instead of refusing the file.

    Returns
    -------
    int
        Labels that are new.

    Raises
    ------
    NotAllowedError
        If the person's role may not.
    InputError
        If a line cannot be taken over, or the source has no name.
    """
    people.check(person, "import_labels")
    source = tidied(source)
    if not source or source in ("outcome", "reviewer", "import", "adjudicator"):
        raise InputError(
            f"{source!r} is no name for a source from elsewhere.", "Write chargebacks, say."
        )
    unusable = preview[~preview["effect"].isin(USABLE)]
    if len(unusable) and not leave_out:
        first = unusable.iloc[0]
        raise InputError(
            f"Line {first['line']}, {first['instance_id'] or 'no id'}: {first['effect']} "
            f"({len(unusable)} of {len(preview)} cannot be taken over).",
            "Correct the file, or leave these lines out.",
        )
    wanted = preview[preview["effect"].isin(USABLE) & preview["is_positive"].notna()]
    labels = dict(zip(wanted["instance_id"], wanted["is_positive"].astype(bool), strict=True))

    def verb(work: Work) -> int:
        before = work.view("outside_labels", workspace=workspace.name, source=source)
        before = before.sort_values(["imported_ms", "label_id"])
        last = dict(zip(before["instance_id"], before["is_positive"], strict=True))
        count = before["instance_id"].value_counts().to_dict()
        new = {case: said for case, said in labels.items() if last.get(case) != said}
        records = [
            {
                "label_id": _label_id(workspace, case, source, count.get(case, 0)),
                "workspace": workspace.name,
                "instance_id": case,
                "source": source,
                "kind": kind,
                "is_positive": said,
                "imported_by": person.name,
                "imported_ms": now_ms,
            }
            for case, said in new.items()
        ]
        return work.append("outside_labels", records)

    return store.write(verb)


def _check_request(rows: pd.DataFrame, columns: LabelColumns, kind: str) -> None:
    missing = [name for name in (columns.ids, columns.verdict) if name not in rows.columns]
    if missing:
        raise MissingColumnsError(
            f"There is no column {' or '.join(missing)}.",
            f"The columns are: {', '.join(map(str, rows.columns))}.",
        )
    if kind not in KINDS:
        raise InputError(f"There is no label of the kind {kind!r}.", f"Use {' or '.join(KINDS)}.")
    if columns.by not in ("instance_id", "source_row"):
        raise InputError(f"Cases have no {columns.by}.", "Use instance_id or source_row.")


def _known(store: Store, workspace: Workspace, by: str) -> dict[str, list[str]]:
    rows = store.view("instances", workspace=workspace.name, order=("instance_id",))
    known: dict[str, list[str]] = {}
    for name, case in zip(rows[by].astype(str), rows["instance_id"], strict=True):
        known.setdefault(name, []).append(case)
    return known


def _row_number(name: str, by: str) -> str:
    """Take the point off a row number that a spreadsheet wrote as a decimal."""
    return name.removesuffix(".0") if by == "source_row" else name


def _read_verdict(workspace: Workspace, value: Any) -> bool | str:
    """Read a verdict: true, false, or the effect that it has instead."""
    word = _text(value).lower()
    if word in YES | {workspace.positive}:
        return True
    if word in NO | {workspace.negative}:
        return False
    return "no label" if word == UNSURE else "not a verdict"


def _effect(
    case: str, given: bool | str, now: Mapping[Any, Any] | None, said: dict[str, bool], kind: str
) -> str:
    if not case:
        return "unknown case"
    if isinstance(given, str):
        return given
    if said.setdefault(case, given) != given:
        return "contradicts the file"
    if now is None:
        return "new"
    if now["is_positive"] == given:
        return "here already" if now["grade"] <= GRADES[kind] else "confirms"
    return "outranked" if now["grade"] < GRADES[kind] else "replaces"


def _label_id(workspace: Workspace, case: str, source: str, number: int) -> str:
    text = canonical([workspace.name, case, source, number])
    return "label-" + hashlib.sha256(text.encode()).hexdigest()[:24]


def _text(value: Any) -> str:
    return "" if pd.isna(value) else tidied(str(value))
