"""What data/SOURCES.md says about the bundled sample is what the file holds."""

import gzip
import hashlib
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hitl.datasets import CARD_COLUMNS, SECONDS_PER_DAY, read_table
from hitl.workspaces import CARD_NOTICE, CARD_PREVALENCE

DATA = Path(__file__).parents[1] / "data"
SAMPLE = DATA / "ulb_sample.csv.gz"
TEXT = (DATA / "SOURCES.md").read_text(encoding="utf-8")


def table(heading: str) -> dict[str, str]:
    """The two-column table under a heading, without its own header."""
    section = re.split(rf"^#+ {heading}$", TEXT, flags=re.MULTILINE)[1]
    section = re.split(r"^#+ ", section, flags=re.MULTILINE)[0]
    cells = re.findall(r"^\| (.+?) \| (.+?) \|$", section, flags=re.MULTILINE)
    return {name: value.strip("`") for name, value in cells[1:]}


def number(text: str) -> float:
    return float(text.replace(",", ""))


@pytest.fixture(scope="module")
def sample() -> pd.DataFrame:
    return read_table(SAMPLE)


def test_the_stated_checksums_are_those_of_the_file():
    content, stated = SAMPLE.read_bytes(), table("The sample")
    assert stated["SHA-256"] == hashlib.sha256(content).hexdigest()
    assert stated["SHA-256 unpacked"] == hashlib.sha256(gzip.decompress(content)).hexdigest()
    assert number(stated["Bytes"]) == len(content)


def test_the_stated_counts_are_those_of_the_rows(sample):
    stated = table("The sample")
    assert number(stated["Rows"]) == len(sample)
    assert number(stated["Legitimate"]) == (sample["Class"] == 0).sum() == 10_000
    assert number(stated["Frauds"]) == (sample["Class"] == 1).sum() == 272


def test_the_stated_weight_makes_up_for_the_rows_left_out(sample):
    stated = table("The sample")
    distinct = number(stated["Distinct legitimate payments of day 1"])
    weights = sample.groupby("Class")["weight"].unique()
    assert (
        weights[0].tolist() == [number(stated["Weight of a legitimate row"])] == [distinct / 10_000]
    )
    assert weights[1].tolist() == [1.0]
    prevalence = np.average(sample["Class"], weights=sample["weight"])
    assert number(stated["Weighted prevalence"]) == pytest.approx(prevalence, abs=5e-7)


def test_the_stated_sums_are_those_of_the_columns(sample):
    stated = table("Column sums")
    assert list(stated) == sample.columns.tolist()
    for name, total in stated.items():
        assert number(total) == pytest.approx(sample[name].sum(), abs=1e-6), name


def test_the_sample_follows_the_recipe(sample):
    assert sample.columns.tolist() == ["row", *CARD_COLUMNS, "weight"]
    assert not sample.duplicated(list(CARD_COLUMNS)).any()
    assert sample["row"].is_monotonic_increasing
    assert sample["row"].is_unique
    assert sample["Time"].is_monotonic_increasing
    assert sample["Time"].max() < SECONDS_PER_DAY
    components = sample[[name for name in CARD_COLUMNS if name.startswith("V")]]
    assert (components.round(4) == components).all(axis=None)
    assert np.isfinite(sample.to_numpy()).all()


def test_the_sample_carries_neither_a_name_nor_a_time_in_its_header():
    header = SAMPLE.read_bytes()[:8]
    assert header[3:] == bytes(5)


def test_the_published_file_is_named_with_its_prevalence():
    stated = table("The published file")
    frauds, payments = map(number, stated["Natural prevalence"].split("/"))
    assert frauds == number(stated["Frauds"])
    assert payments == number(stated["Rows"])
    assert frauds / payments == CARD_PREVALENCE
    assert re.fullmatch(r"[0-9a-f]{32}", stated["MD5"])
    assert re.fullmatch(r"[0-9a-f]{64}", stated["SHA-256"])


def test_origin_citation_command_and_notice_are_there():
    plain = " ".join(TEXT.replace("\n> ", " ").split())
    for words in (
        "Machine Learning Group",
        "Worldline",
        "mlg-ulb/creditcardfraud",
        "Calibrating Probability with Undersampling for Unbalanced Classification",
        "python -m hitl sample SOURCE --out data/ulb_sample.csv.gz",
        CARD_NOTICE,
    ):
        assert words in plain


def test_the_whole_licence_lies_beside_the_sample():
    licence = (DATA / "LICENSE-ODbL.txt").read_text(encoding="utf-8")
    assert "LICENSE-ODbL.txt" in TEXT
    assert "Open Data Commons Open Database License (ODbL)" in licence
    sections = re.findall(r"^### (\d+)\.0 ", licence, flags=re.MULTILINE)
    assert sections == [str(k) for k in range(1, 11)]
    for clause in ("4.2 Notices", "4.4 Share alike", "9.4", "10.4 Choice of law"):
        assert clause in licence
    assert licence.rstrip().endswith("meet the\nterms of this License.")
