"""One case as one file: complete, self-contained, safe to open and the same every time."""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
import pytest

from hitl.dossier import dossier_html, dossier_json
from hitl.dossier.page import HIDDEN, LIMIT_BYTES
from hitl.workflow.materials import FIRST_DAY_MS
from hitl.workspaces import CARDS, STORY
from tests import browser as chromium

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

MADE = 1_790_000_000_000
HOSTILE = "</style></title><script>alert(1)</script>\"'&<img src=x onerror=alert(1)> javascript:x"
VOID = {"meta", "br", "img", "rect", "line", "circle", "polygon", "polyline"}

TABLE = [
    ("V14", -6.6, 3.9, -1.2, 1.1, 0.1),
    ("V4", 4.1, 2.1, -1.9, 2.2, 99.8),
    ("V12", -3.3, 1.4, -1.4, 1.3, 0.6),
    ("Amount", 412.0, -0.9, 1.0, 365.0, 95.4),
    ("V10", -2.7, 0.8, -1.3, 1.4, 1.2),
    ("V17", -1.9, 0.5, -1.1, 1.2, 2.0),
    ("V3", -0.4, -0.3, -2.1, 2.0, 40.0),
    ("V11", 1.4, 0.25, -1.5, 1.6, 90.0),
]
WEIGHTS = {"V14": 3.1, "V4": 1.6, "V12": 0.9, "Amount": -0.7, "V10": 0.4}


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def curve_points() -> list[dict[str, Any]]:
    values = np.linspace(-12, 3, 40)
    return [
        {"value": float(v), "kind": kind, "probability": sigmoid(-slope * float(v) - shift)}
        for kind, slope, shift in (("this case", 0.8, 5.26), ("average", 0.4, 7.0))
        for v in values
    ]


CASE: dict[str, Any] = {
    "instance_id": "cards-1-48213",
    "occurred_ms": FIRST_DAY_MS + 43_389_000,
    "features": {"V14": -6.6, "V4": 4.1, "Amount": 412.0, "Time": 43_389.0},
    "state": "novel and flagged",
    "status": "decided",
    "verdict": "fraud",
    "reviewer": "Mina",
    "outcome": True,
    "decisions": [
        {
            "happened_ms": 1_789_999_000_000,
            "reviewer": "Ada",
            "verdict": "unsure",
            "reason": "needs the customer",
            "note": "",
            "explanation_key": "x-51c0",
        },
        {
            "happened_ms": 1_789_999_900_000,
            "reviewer": "Mina",
            "verdict": "fraud",
            "reason": "customer confirmed fraud",
            "note": "Caller: “not me”, لم أفعل",
            "explanation_key": "x-51c0",
        },
    ],
}

EVIDENCE: dict[str, Any] = {
    "key": "x-51c0a7d9",
    "recipe": {
        "model": {
            "id": "m-7c1f",
            "sha256": "7c1f" * 16,
            "threshold": 0.0153,
            "slope": 0.93,
            "intercept": -0.41,
        },
        "row_sha256": "0a" * 32,
        "background_sha256": "b1" * 32,
        "method": "all",
        "parameters": {"samples": 1000, "kept": 0.7},
        "seeds": [1, 2, 3, 4, 1_234_567_890],
        "versions": {"hitl": "0.1.0", "lightgbm": "4.7.0", "lime": "0.2.0.1"},
        "words": {"dictionary": "cards-1"},
    },
    "model_id": "m-7c1f",
    "score": 0.02,
    "probability": sigmoid(0.02),
    "threshold": 0.0153,
    "base_value": -8.03,
    "contributions": {name: part for name, _, part, *_ in TABLE} | {"other": 0.3},
    "residual": 3e-14,
    "table": [
        {
            "feature": name,
            "label": None,
            "value": value,
            "contribution": part,
            "typical_low": low,
            "typical_high": high,
            "percentile": percentile,
        }
        for name, value, part, low, high, percentile in TABLE
    ]
    + [
        {
            "feature": "other features",
            "value": None,
            "contribution": 0.3,
            "typical_low": None,
            "typical_high": None,
            "percentile": None,
        }
    ],
    "novelty": 14.2,
    "novelty_limit": 2.0,
    "nearest": {"id": 4711, "label": 1, "distance": 3.3},
    "unfamiliar": {
        "out_of_range": [
            {
                "feature": "V14",
                "value": -6.6,
                "low": -5.9,
                "high": 4.0,
                "sentence": "V14 is −6.6; training rows lie between −5.9 and 4.",
            }
        ]
    },
    "sentence": "Flagged: the model gives 0.505 against a limit of 0.0153.",
    "cost": "Expected loss €208 (€412 × 0.505) against €6 of review.",
    "told": [
        {
            "sentence": "V14 is −6.6, lower than 99.9 % of legitimate payments.",
            "direction": "raises",
        },
        {
            "sentence": "V4 is 4.1, higher than 99 % of legitimate payments.",
            "direction": "raises",
        },
        {
            "sentence": "Amount is 412, higher than 95 % of legitimate payments.",
            "direction": "lowers",
        },
    ],
    "lime_local": {
        "method": "local",
        "unit": "log-odds",
        "weights": WEIGHTS,
        "conditions": {"V14": "V14 is −6.6", "V4": "V4 is 4.1"},
        "low": {name: weight - 0.2 for name, weight in WEIGHTS.items()},
        "high": {name: weight + 0.3 for name, weight in WEIGHTS.items()},
        "intercept": -7.0,
        "r2": 0.68,
        "local_prediction": 0.47,
        "model_prediction": 0.505,
        "stability": 0.84,
        "shap_overlap": 0.8,
        "sign_agreement": 1.0,
        "samples": 1000,
        "seeds": [1, 2, 3, 4, 5],
        "kept": 0.7,
        "verdict": "good",
        "why": "it follows the model closely and names the same features at every seed",
    },
    "lime": {
        "weights": {"V14 <= -1.20": 0.31, "V4 > 2.2": 0.12, "1.2 < Amount <= 365": -0.05},
        "r2": 0.18,
        "local_prediction": 0.11,
        "model_prediction": 0.505,
        "samples": 5000,
        "seed": 1_234_567_890,
        "verdict": "do not use",
    },
    "counterfactuals": [
        {
            "changes": {"V14": {"from": -6.6, "to": -1.0}},
            "probability": 0.0031,
            "sentence": "With V14 at −1 instead of −6.6 it would not be flagged (0.0031).",
        },
        {
            "changes": {
                "V4": {"from": 4.1, "to": 0.2},
                "V12": {"from": -3.3, "to": 0.1},
            },
            "probability": 0.0122,
            "sentence": "With V4 at 0.2 and V12 at 0.1 it would not be flagged (0.0122).",
        },
    ],
    "neighbours": [
        {
            "id": "row 4711",
            "distance": 3.3,
            "decision": "",
            "truth": "fraud",
            "known_from": "training",
            "amount": 99.99,
        },
        {
            "id": "cards-1-311",
            "distance": 3.9,
            "decision": "legitimate",
            "truth": "",
            "known_from": "stream",
            "amount": 1.0,
        },
    ],
    "neighbours_sentence": "9 of the 10 nearest known cases were fraud.",
    "curves": [{"feature": "V14", "points": curve_points(), "value": -6.6}],
    "difference": {
        "old_model": "m-55d0",
        "new_model": "m-7c1f",
        "sentence": "V14 counts less, V4 more.",
        "flipped": False,
        "table": [
            {"feature": "V14", "old": 4.4, "new": 3.9, "change": -0.5, "status": "weaker"},
            {"feature": "V4", "old": 1.7, "new": 2.1, "change": 0.4, "status": "stronger"},
            {"feature": "V12", "old": 1.4, "new": None, "change": None, "status": "gone"},
        ],
    },
}


class Reader(HTMLParser):
    """Checks that tags close, and keeps what a person would read and every attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.headings: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text.append(data)
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)

    def words(self) -> str:
        return " ".join(" ".join(self.text).split())

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    return reader


def whole(case: Any = CASE, evidence: Any = EVIDENCE, space: Any = CARDS) -> Reader:
    return read(dossier_html(case, evidence, space, made_ms=MADE))


def poisoned(value: Any) -> Any:
    """Put hostile text into every text, every name and every list."""
    if isinstance(value, dict):
        return {name: poisoned(inner) for name, inner in value.items()} | {HOSTILE: HOSTILE}
    if isinstance(value, list):
        return [*(poisoned(inner) for inner in value), HOSTILE]
    return f"{value}{HOSTILE}" if isinstance(value, str) else value


# What it says


def test_the_sections_come_in_the_order_one_asks() -> None:
    assert whole().headings == [
        "What people decided",
        "Similar past cases",
        "Reasons",
        "What moved the score",
        "A second opinion: LIME",
        "What would change it",
        "If one value were another",
        "Old model against new",
        "Where this comes from",
    ]


@pytest.mark.parametrize(
    "words",
    [
        "Case cards-1-48213",
        "day 1 12:03:09",
        "€412.00",
        "novel and flagged",
        "fraud by Mina",
        "2026-09-21 14:13:20 UTC",
        "Its novelty, how far it lies from known payments, is 14.2; the limit is 2.",
        "The nearest known row is 4711 (fraud)",
        "V14 is −6.6; training rows lie between −5.9 and 4.",
        "Expected loss €208",
        "needs the customer",
        "لم أفعل",
        "9 of the 10 nearest known cases were fraud.",
        "cards-1-311 3.9 legitimate not known yet stream 1.00",
        "V4 4.1 −1.9 to 2.2 99.8 +2.1",
        "✓ It adds up: start −8.03 + contributions 8.05 = score 0.02",
        "Amount is 412, higher than 95 % of legitimate payments.",
        "it follows the model closely",
        "do not use",
        "With V4 at 0.2 and V12 at 0.1",
        "this case: 0.505",
        "The verdict is the same.",
        "7c1f" * 16,
        "python -m hitl replay x-51c0a7d9",
        "1, 2, 3, 4, 1234567890",
        "samples 1,000 , kept 0.7",
        "lightgbm 4.7.0",
        "Open Database License",
    ],
)
def test_the_page_says(words: str) -> None:
    assert words.replace(" ", "") in whole().words().replace(" ", "")


def test_the_starting_point_is_never_called_an_average_risk() -> None:
    assert "average risk" not in whole().words().lower()


def test_the_warning_stands_before_the_verdict_and_any_reason() -> None:
    words = whole().words()
    places = [
        words.index(part)
        for part in ("Unlike anything", "Flagged: the model", "Reasons", "What moved")
    ]
    assert places == sorted(places)


def test_an_ordinary_case_is_not_warned_about() -> None:
    ordinary = {**EVIDENCE, "novelty": 0.5}
    page = whole({**CASE, "state": "known anomaly"}, {**ordinary, "state": "known anomaly"})
    assert "Unlike anything" not in page.words()


def test_a_receipt_that_does_not_add_up_says_so() -> None:
    assert "does not add up" in whole(evidence={**EVIDENCE, "residual": 0.2}).words()


def test_a_receipt_is_reckoned_from_the_table_when_nothing_else_is_given() -> None:
    bare = {k: v for k, v in EVIDENCE.items() if k not in ("residual", "contributions")}
    assert "✓ It adds up" in whole(evidence=bare).words()


def test_companion_columns_are_shown_as_not_used() -> None:
    space = replace(CARDS, companions=("Amount", "Time", "terminal"))
    features = {**CASE["features"], "terminal": "T-17"}
    words = whole({**CASE, "features": features}, space=space).words()
    assert "terminal (the model does not use it) T-17" in words
    assert "43,389" not in words


def test_a_label_for_people_stands_in_drawings_and_tables() -> None:
    table = [{**EVIDENCE["table"][0], "label": "principal component 14"}, *EVIDENCE["table"][1:]]
    assert whole(evidence={**EVIDENCE, "table": table}).words().count("principal component 14") >= 3


# What it must not say


@pytest.mark.parametrize("status", ["open", "claimed"])
def test_the_truth_of_a_waiting_case_is_in_neither_file(status: str) -> None:
    waiting = {**CASE, "status": status, "verdict": None, "outcome": True, "decisions": []}
    assert f"truth {HIDDEN}" in whole(waiting).words()
    held = json.loads(dossier_json(waiting, {}, CARDS))["case"]
    assert held["outcome"] is None
    assert held["outcome_hidden"] is True
    other = {**waiting, "outcome": False}
    assert dossier_json(waiting, EVIDENCE, CARDS) == dossier_json(other, EVIDENCE, CARDS)


def test_a_case_of_unknown_status_is_taken_to_wait_until_it_has_a_verdict() -> None:
    unknown = {"instance_id": "a", "outcome": True}
    assert json.loads(dossier_json(unknown, {}, CARDS))["case"]["outcome"] is None
    known = {**unknown, "verdict": "fraud"}
    assert json.loads(dossier_json(known, {}, CARDS))["case"]["outcome"] is True


def test_a_case_nobody_has_to_decide_shows_its_truth() -> None:
    case = {"instance_id": "a", "status": None, "verdict": None, "outcome": False}
    assert "truth legitimate" in whole(case).words()


# What is missing


def test_a_row_explained_in_the_terminal_has_no_case() -> None:
    page = whole({})
    assert "Explanation of one payment" in page.words()
    assert "What people decided" not in page.headings


@pytest.mark.parametrize("name", sorted(EVIDENCE))
def test_any_part_may_be_missing_or_empty(name: str) -> None:
    for evidence in (
        {k: v for k, v in EVIDENCE.items() if k != name},
        EVIDENCE | {name: None},
        EVIDENCE | {name: {}},
        EVIDENCE | {name: []},
    ):
        page = whole(evidence=evidence)
        assert len(page.named("h1")) == 1
        assert "None" not in page.words()
        assert "nan" not in page.words().split()


@pytest.mark.parametrize("name", sorted(CASE))
def test_any_part_of_the_case_may_be_missing(name: str) -> None:
    page = whole({k: v for k, v in CASE.items() if k != name})
    assert "None" not in page.words()


def test_nothing_at_all_is_still_a_page() -> None:
    page = read(dossier_html({}, {}, STORY))
    assert page.headings == []
    assert len(page.named("h1")) == 1


def test_missing_numbers_are_dashes() -> None:
    table = [{**EVIDENCE["table"][0], "value": float("nan"), "percentile": math.inf}]
    page = whole(evidence={**EVIDENCE, "table": table})
    assert "nan" not in page.words()
    assert "V14 – −1.2 to 1.1 – +3.9" in page.words()


def test_a_category_is_a_value_like_any_other() -> None:
    row = {"feature": "channel", "value": "web", "contribution": 1.0}
    points = [{"value": v, "kind": "this case", "probability": 0.4} for v in ("web", "shop")]
    curve = {"feature": "channel", "points": points, "value": "web"}
    page = whole(evidence={**EVIDENCE, "table": [row], "curves": [curve]})
    assert "channel web" in page.words()
    assert "shop" in page.words()


# Safe, self-contained, accessible


def test_it_asks_for_nothing_and_runs_nothing() -> None:
    page = whole()
    [policy] = [
        meta["content"]
        for meta in page.named("meta")
        if meta.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:")
    assert not {"script", "link", "img", "iframe", "object", "a"} & {tag for tag, _ in page.tags}
    names = {name for _, attributes in page.tags for name in attributes}
    assert not {"href", "src", "style"} & names
    assert not [name for name in names if name.startswith("on")]


def test_hostile_text_stays_text_wherever_it_stands() -> None:
    clean, hostile = whole(), whole(poisoned(CASE), poisoned(EVIDENCE))
    kinds = {tag for tag, _ in clean.tags}
    assert {tag for tag, _ in hostile.tags} <= kinds | {"bdi"}
    for tag in ("style", "title", "svg", "h1"):
        assert len(hostile.named(tag)) == len(clean.named(tag)), tag
    assert hostile.headings == clean.headings
    assert "<script>alert(1)</script>" in hostile.words()


def test_halves_of_characters_and_control_characters_do_no_harm() -> None:
    odd = "\ud800\x00\x1f\u202e"
    page = dossier_html({**CASE, "reviewer": odd}, {**EVIDENCE, "sentence": odd}, CARDS)
    page.encode()
    assert "\x00" not in page
    dossier_json({**CASE, "reviewer": odd}, {}, CARDS).encode()


def test_a_key_cannot_smuggle_a_second_command() -> None:
    words = whole(evidence={**EVIDENCE, "key": "x; rm -rf ~"}).words()
    assert "python -m hitl replay 'x; rm -rf ~'" in words


@pytest.mark.parametrize("size", [1, 100_000])
def test_it_stays_below_its_limit_however_much_is_written(size: int) -> None:
    much = {
        "reasons": ["&" * size] * 500,
        "neighbours": [{"id": "<" * size, "distance": 1.0, "truth": "&" * size}] * 500,
        "table": [{"feature": "&" * size, "contribution": 0.1, "value": "<" * size}] * 300,
        "counterfactuals": [{"changes": {"&" * size: {"from": 1, "to": 2}}}] * 300,
        "recipe": {"versions": {f"{i}{'&' * size}": "1" for i in range(1_000)}},
    }
    decided = [{"note": "'" * size, "happened_ms": 1}] * 500
    page = dossier_html({**CASE, "decisions": decided}, {**EVIDENCE, **much}, CARDS)
    read(page)
    assert len(page.encode()) < LIMIT_BYTES


def test_an_ordinary_page_is_a_tenth_of_its_limit() -> None:
    page = dossier_html(CASE, EVIDENCE, CARDS, made_ms=MADE)
    assert len(page.encode()) < LIMIT_BYTES / 10


def test_tables_and_drawings_name_their_parts() -> None:
    page = whole()
    assert page.named("html") == [{"lang": "en"}]
    assert len(page.named("h1")) == 1
    assert all(cell.get("scope") in ("row", "col") for cell in page.named("th"))
    assert len(page.named("caption")) == len(page.named("table"))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for drawing in page.named("svg"):
        assert drawing["role"] == "img"
        assert set(drawing["aria-labelledby"].split()) <= set(ids)


def test_every_drawing_is_readable_on_its_own() -> None:
    page = dossier_html(CASE, EVIDENCE, CARDS)
    found = re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)
    assert len(found) == 5
    for drawing in found:
        assert ElementTree.fromstring(drawing).tag.endswith("svg")


# The same every time


def test_the_same_case_gives_the_same_bytes() -> None:
    copies = json.loads(json.dumps((CASE, EVIDENCE)))
    for write in (dossier_html, dossier_json):
        assert write(CASE, EVIDENCE, CARDS, made_ms=MADE) == write(*copies, CARDS, made_ms=MADE)


def test_the_order_of_keys_does_not_matter_for_json() -> None:
    backwards = dict(reversed(EVIDENCE.items()))
    assert dossier_json(CASE, EVIDENCE, CARDS) == dossier_json(CASE, backwards, CARDS)


def test_json_holds_everything_as_it_was() -> None:
    found = json.loads(dossier_json(CASE, EVIDENCE, CARDS, made_ms=MADE))
    assert found["case"] == CASE
    assert found["evidence"] == EVIDENCE
    assert (found["workspace"], found["made_ms"]) == ("cards", MADE)


def test_json_knows_no_numpy_no_tuple_and_no_infinity() -> None:
    evidence = {
        "a": np.float64(0.5),
        "b": np.int64(3),
        "c": (1, np.nan),
        "d": math.inf,
        "e": np.bool_(True),
        5: Path("x"),
    }
    found = json.loads(dossier_json({}, evidence, CARDS))["evidence"]
    assert found == {"a": 0.5, "b": 3, "c": [1, None], "d": None, "e": True, "5": "x"}


# In a browser


@pytest.fixture
def opened(context: "BrowserContext", tmp_path: Path) -> Iterator[tuple[Any, list[str]]]:
    """The hostile page in Chromium, and what it asked for, wrote to its console or popped up."""
    path = tmp_path / "case.html"
    path.write_text(dossier_html(poisoned(CASE), poisoned(EVIDENCE), CARDS), "utf-8")
    page, noise = context.new_page(), []
    page.on("console", lambda message: noise.append(message.text))
    page.on("dialog", lambda dialog: noise.append(dialog.message))
    page.on("request", lambda request: noise.append(request.url))
    page.goto(path.as_uri())
    noise.remove(path.as_uri())
    yield page, noise
    page.close()


def test_a_hostile_page_is_silent_and_accessible(opened: tuple[Any, list[str]]) -> None:
    page, noise = opened
    assert noise == []
    assert chromium.axe_violations(page) == []


def test_the_page_prints_on_a4_and_nothing_is_wider_than_the_paper(context, tmp_path) -> None:
    path = tmp_path / "case.html"
    path.write_text(dossier_html(CASE, EVIDENCE, CARDS, made_ms=MADE), "utf-8")
    page = context.new_page()
    page.set_viewport_size({"width": 681, "height": 1_000})  # A4 within its margins
    page.emulate_media(media="print")
    page.goto(path.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 681
    printed = page.pdf(prefer_css_page_size=True)
    sizes = set(re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", printed))
    assert {(round(float(w)), round(float(h))) for w, h in sizes} <= {
        (595, 842),
        (594, 842),
        (596, 842),
    }
    assert chromium.axe_violations(page) == []
    page.close()


def test_a_waiting_case_gives_its_truth_away_by_nothing_it_carries() -> None:
    waiting = {"instance_id": "cards-1-64", "status": "open", "features": {"Amount": 1.0}}
    fraud = {**waiting, "outcome": True, "weight": 1.0, "source_row": 7, "arrived_ms": 5}
    legitimate = {**waiting, "outcome": False, "weight": 14.4, "source_row": 9, "arrived_ms": 8}
    for write in (dossier_json, dossier_html):
        assert write(fraud, EVIDENCE, CARDS) == write(legitimate, EVIDENCE, CARDS)
    decided = {**fraud, "status": "decided", "verdict": "fraud"}
    assert json.loads(dossier_json(decided, EVIDENCE, CARDS))["case"]["weight"] == 1.0
