"""The verbs in a terminal: what they print, what they write, and what they refuse."""

import json
import os
import pickle
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from hitl import datasets, models, novelty, workflow
from hitl.__main__ import main
from hitl.errors import FeatureMismatchError
from hitl.store import Store
from hitl.workflow import Person, folders
from hitl.workspaces import CARD_FEATURES, STORY
from tests.terminal import SAMPLE, Run, check_refused, in_a_shell

QUICK = ("--rounds", "20", "--budget", "0.01")


def snapshot(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# --- rows and models for many tests


@pytest.fixture(scope="module")
def parts() -> list[pd.DataFrame]:
    """The sample's first two thirds and its last third, by time."""
    return datasets.split_by_time(datasets.read_table(SAMPLE), time="Time", shares=(2 / 3, 1 / 3))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, parts: list[pd.DataFrame]) -> Path:
    """Files to read: `before.csv`, `after.csv` and a small one of two features, `small.csv`."""
    made = tmp_path_factory.mktemp("files")
    for name, rows in zip(("before", "after"), parts, strict=True):
        rows.to_csv(made / f"{name}.csv", index=False)
    small(parts).to_csv(made / "small.csv", index=False)
    return made


def small(parts: list[pd.DataFrame]) -> pd.DataFrame:
    before = parts[0]
    legit, fraud = before[before["Class"] == 0].head(600), before[before["Class"] == 1].head(60)
    rows = pd.concat([fraud, legit])[["row", "Time", "V4", "V14", "Class", "weight"]]
    return rows.sort_values("Time", ignore_index=True)


@pytest.fixture(scope="module")
def trained(folder: Path) -> Path:
    """The model on all 29 features, trained by `train` on the first two thirds."""
    out = folder / "cards"
    assert main(["train", str(folder / "before.csv"), "--label", "Class", "--time", "Time",
                 "--out", str(out)]) == 0  # fmt: skip
    return out


@pytest.fixture(scope="module")
def quick(folder: Path) -> Path:
    """A small model on V4 and V14."""
    out = folder / "quick"
    data = str(folder / "small.csv")
    assert main(["train", data, "--label", "Class", "--time", "Time", "--out", str(out),
                 *QUICK]) == 0  # fmt: skip
    return out


@pytest.fixture
def own(quick: Path, tmp_path: Path) -> Path:
    """A copy of the small model that a test may spoil."""
    return Path(shutil.copytree(quick, tmp_path / "own"))


@pytest.fixture
def rows(parts: list[pd.DataFrame]) -> pd.DataFrame:
    return small(parts)


def csv(rows: pd.DataFrame, path: Path) -> Path:
    rows.to_csv(path, index=False)
    return path


# --- the acceptance figures


def test_trained_on_two_thirds_the_model_ranks_the_last_third_well(
    run: Run, trained: Path, folder: Path
) -> None:
    ran = run("evaluate", trained, folder / "after.csv", "--label", "Class", "--json")
    assert ran.code == 0
    assert ran.answer["average_precision"] >= 0.70
    assert ran.answer["roc_auc"] >= 0.90
    assert ran.answer["natural"]["recall"] >= 0.70


def test_lightgbms_defaults_on_rare_fraud_are_refused_with_their_figures(
    run: Run, parts: list[pd.DataFrame], tmp_path: Path
) -> None:
    # Fraud as rare as in the full file: legitimate rows five times over, a little apart.
    legit = pd.concat([parts[0][parts[0]["Class"] == 0]] * 5, ignore_index=True)
    legit["V14"] += np.random.default_rng(0).normal(0, 0.3, len(legit))
    rare = pd.concat([legit, parts[0][parts[0]["Class"] == 1].head(60)], ignore_index=True)
    rare[["V4", "V14", "Class"]].to_parquet(tmp_path / "rare.parquet", index=False)
    options = ("--param", "lambda_l2=0", "--param", "num_leaves=31", "--param", "learning_rate=0.1")
    ran = run(
        "train", tmp_path / "rare.parquet", "--label", "Class", "--out", tmp_path / "diverged",
        "--rounds", "100", *options,
    )  # fmt: skip
    check_refused(ran, "lambda_l2")
    figure = re.search(r"largest raw score is ([\d,]+); above 30", ran.err)
    assert figure
    assert int(figure[1].replace(",", "")) > 30
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rare.parquet"]


# --- train


def test_training_says_what_it_used_and_what_it_left_out(
    run: Run, folder: Path, tmp_path: Path
) -> None:
    ran = run("train", folder / "small.csv", "--label", "Class", "--time", "Time", "--seed", 3,
              "--out", tmp_path / "m", "--param", "extra_trees=true", "--json", *QUICK)  # fmt: skip
    answer = ran.answer
    assert ran.code == 0
    assert answer["features"] == ["V4", "V14"]
    assert answer["left_out"] == ["row", "Time", "weight"]
    assert (answer["rows"], answer["positives"], answer["weight"]) == (660, 60, "weight")
    assert answer["folder"] == str(tmp_path / "m")
    assert answer["false_alarm_budget"] == 0.01
    model = models.load(tmp_path / "m", trusted=True)
    assert answer["model_id"] == model.model_id
    assert answer["threshold"] == model.threshold
    assert answer["novelty_limit"] == novelty.load(tmp_path / "m").limit
    assert model.card["parameters"]["extra_trees"] is True
    assert (model.card["seed"], model.card["rounds"]) == (3, 20)
    assert ran.err.splitlines() == [
        "Training on 660 rows with 2 features, weighted by the column weight …",
        "Left out: row (row id), Time (time), weight (weight)",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m"]


def test_the_features_a_person_lists_are_taken_in_their_order(
    run: Run, folder: Path, tmp_path: Path
) -> None:
    ran = run("train", folder / "small.csv", "--label", "Class", "--features", "V14, weight",
              "--out", tmp_path / "m", "--json", *QUICK)  # fmt: skip
    assert ran.answer["features"] == ["V14", "weight"]
    assert ran.answer["weight"] is None
    assert ran.answer["left_out"] == ["row", "Time", "V4"]
    assert "weighted" not in ran.err
    assert "Left out: row (row id), Time (not listed), V4 (not listed)\n" in ran.err


def test_text_is_left_out_and_that_is_said(run: Run, rows: pd.DataFrame, tmp_path: Path) -> None:
    data = csv(rows.assign(account="k-7").drop(columns="weight"), tmp_path / "d.csv")
    ran = run("train", data, "--label", "Class", "--time", "Time", "--out", tmp_path / "m", *QUICK)
    assert ran.code == 0
    assert "Left out: row (row id), Time (time), account (text)\n" in ran.err
    assert folders.load(tmp_path / "m").model.features == ("V4", "V14")


def test_that_nothing_is_left_out_is_said_too(run: Run, rows: pd.DataFrame, tmp_path: Path) -> None:
    data = csv(rows[["V4", "V14", "Class"]], tmp_path / "d.csv")
    ran = run("train", data, "--label", "Class", "--out", tmp_path / "m", *QUICK)
    assert "Left out: no column\n" in ran.err


def test_a_column_of_numbers_with_one_word_in_it_is_not_left_out(
    run: Run, rows: pd.DataFrame, tmp_path: Path
) -> None:
    data = csv(with_text(rows), tmp_path / "d.csv")
    ran = run("train", data, "--label", "Class", "--time", "Time", "--out", tmp_path / "m")
    check_refused(ran, "Column 'V4' holds 'seven', which is not a number: row 3, counted from 0.")
    assert [path.name for path in tmp_path.iterdir()] == ["d.csv"]


def test_without_json_stdout_stays_empty(run: Run, rows: pd.DataFrame, tmp_path: Path) -> None:
    data = csv(rows.drop(columns="weight"), tmp_path / "d.csv")
    ran = run("train", data, "--label", "Class", "--time", "Time", "--out", tmp_path / "m", *QUICK)
    assert (ran.code, ran.out) == (0, "")
    assert re.search(r"Saved m-[0-9a-f]{8} to .*/m\.\n$", ran.err)


def test_the_same_file_and_seed_train_the_same_model(
    run: Run, quick: Path, folder: Path, tmp_path: Path
) -> None:
    run("train", folder / "small.csv", "--label", "Class", "--time", "Time", "--out",
        tmp_path / "m", *QUICK)  # fmt: skip
    assert snapshot(tmp_path / "m") == snapshot(quick)


def test_training_again_replaces_model_card_and_detector_together(
    run: Run, own: Path, rows: pd.DataFrame, tmp_path: Path
) -> None:
    before = snapshot(own)
    data = csv(rows.iloc[30:], tmp_path / "other.csv")
    ran = run("train", data, "--label", "Class", "--time", "Time", "--out", own, "--json", *QUICK)
    assert ran.code == 0
    after = snapshot(own)
    assert set(after) == set(before) == folders.FILES
    assert all(after[name] != before[name] for name in folders.FILES)
    assert folders.load(own).model_id == ran.answer["model_id"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.csv", "own"]


def test_a_training_that_fails_leaves_the_old_model_whole(
    run: Run, own: Path, rows: pd.DataFrame, tmp_path: Path
) -> None:
    before = snapshot(own)
    few = pd.concat([rows[rows["Class"] == 1], rows[rows["Class"] == 0].head(18)])
    data = csv(few, tmp_path / "few.csv")  # enough for the model, too few for the detector
    ran = run("train", data, "--label", "Class", "--time", "Time", "--out", own, "--param",
              "min_data_in_leaf=1", "--rounds", 3, "--budget", 0.3)  # fmt: skip
    check_refused(ran, "18 legitimate rows are known; 20 are needed")
    assert snapshot(own) == before
    assert folders.load(own)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["few.csv", "own"]


def test_a_folder_that_cannot_be_put_in_place_leaves_the_old_one_there(
    own: Path, tmp_path: Path
) -> None:
    before = snapshot(own)
    with pytest.raises(FileNotFoundError):
        folders.swap(tmp_path / "missing", own, aside=tmp_path / "aside")
    assert snapshot(own) == before
    with pytest.raises(FileNotFoundError):
        folders.swap(tmp_path / "missing", tmp_path / "new", aside=tmp_path / "aside")
    assert [path.name for path in tmp_path.iterdir()] == ["own"]


def test_an_empty_folder_may_become_a_models(run: Run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    ran = run("train", folder / "small.csv", "--label", "Class", "--features", "V14", "--out",
              tmp_path / "m", *QUICK)  # fmt: skip
    assert ran.code == 0
    assert folders.load(tmp_path / "m").model.features == ("V14",)


@pytest.mark.parametrize(
    "held", [("notes.txt",), ("model.txt",), ("model.txt", "card.json", "novelty.json", "my.csv")]
)
def test_a_folder_that_holds_something_else_is_left_alone(
    run: Run, folder: Path, tmp_path: Path, held: tuple[str, ...]
) -> None:
    (tmp_path / "out").mkdir()
    for name in held:
        (tmp_path / "out" / name).write_text("mine")
    before = snapshot(tmp_path)
    ran = run("train", folder / "small.csv", "--label", "Class", "--out", tmp_path / "out")
    check_refused(ran, "holds something that is not a model", "Name a new or empty folder")
    assert ran.err.count("\n") == 1  # before anything is trained
    assert snapshot(tmp_path) == before


def test_a_file_in_the_folders_place_is_left_alone(run: Run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    check_refused(run("train", folder / "small.csv", "--label", "Class", "--out", tmp_path / "out"))
    assert (tmp_path / "out").read_text() == "mine"


def test_a_folder_in_a_folder_that_is_not_there_is_refused(
    run: Run, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "no" / "m"
    ran = run("train", folder / "small.csv", "--label", "Class", "--out", out)
    check_refused(ran, f"There is no folder {tmp_path / 'no'}")
    assert list(tmp_path.iterdir()) == []


BAD_OPTIONS: dict[tuple[str, ...], str] = {
    ("--budget", "2"): "budget is 2.0",
    ("--budget", "nan"): "budget is nan",
    ("--rounds", "0"): "rounds is 0",
    ("--param", "lambda_l2"): "--param lambda_l2 has no value",
    ("--param", "num_leaves=many"): "'many' is not a number",
    ("--param", "num_leaves=[31]"): "'[31]' is not a number",
    ("--param", "lambda_l2=Infinity"): "'Infinity' is not a number",
    ("--param", "lambda_l2="): "'' is not a number",
    ("--param", "objective=3"): "'objective' cannot be set",
    ("--param", "num_leaves=1"): "LightGBM refuses to train: Check failed: (num_leaves) > (1)",
    ("--param", "num_leaves=7.5"): "num_leaves should be of type int",
    ("--param", "learning_rate=-1"): "(learning_rate) > (0.0)",
    ("--features", "V4,Nope"): "Missing columns: Nope",
    ("--features", "V4,V4"): "V4 is named twice",
    ("--features", "V4,Class"): "Class is the label or the time",
    ("--features", "Time,V4"): "Time is the label or the time",
    ("--features", " , "): "--features names no column",
    ("--label", "Fraud"): "Missing columns: Fraud",
    ("--label", "V4"): "a label is 0 or 1",
    ("--time", "Hour"): "no time column Hour",
}


@pytest.mark.parametrize("options", BAD_OPTIONS, ids=" ".join)
def test_an_option_that_cannot_be_used_is_named(
    run: Run, folder: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    usual = ("--label", "Class", "--time", "Time", "--rounds", "5", "--out", tmp_path / "m")
    check_refused(run("train", folder / "small.csv", *usual, *options), BAD_OPTIONS[options])
    assert list(tmp_path.iterdir()) == []


WRONG_ARGUMENTS: dict[tuple[str, ...], str] = {
    (): "the following arguments are required: VERB",
    ("dance",): "invalid choice: 'dance'",
    ("train", "d.csv"): "the following arguments are required: --label, --out",
    ("train", "d.csv", "--label", "y", "--out", "m", "--budget", "x"): "invalid float value: 'x'",
    ("train", "d.csv", "--label", "y", "--out", "m", "--seed", "-1"): "whole number from 0 to 2147",
    ("train", "d.csv", "--label", "y", "--out", "m", "--seed", "9999999999"): "whole number from 0",
    ("explain", "m", "d.csv", "--row", "one"): "invalid int value: 'one'",
    ("decisions", "burn", "d.csv"): "invalid choice: 'burn' (choose from",
    ("score", "m", "d.csv", "--fast"): "the following arguments are required: --out",
}


@pytest.mark.parametrize("arguments", WRONG_ARGUMENTS, ids=" ".join)
def test_wrong_arguments_end_with_the_one_that_is_wrong(
    run: Run, arguments: tuple[str, ...]
) -> None:
    ran = run(*arguments)
    assert (ran.code, ran.out) == (2, "")
    usage, error = ran.err.rsplit("python -m hitl", 1)
    assert usage.startswith("usage: ")
    assert WRONG_ARGUMENTS[arguments] in error


def test_help_names_every_verb_with_its_sentence(run: Run) -> None:
    ran = run("--help")
    assert ran.code == 0
    listed = re.findall(r"^    (\w+)\s+[A-Z]", ran.out, re.MULTILINE)
    assert listed == ["seed", "demo", "train", "evaluate", "score", "explain", "replay",
                      "decisions", "log", "backup", "restore", "sample"]  # fmt: skip


# --- text and gaps


def wild(rows: pd.DataFrame) -> pd.DataFrame:
    """The small rows with a column of text that tells something, gaps, and a constant."""
    rng = np.random.default_rng(0)
    rows = rows.assign(
        shop=np.where((rows["Class"] == 1) & (rng.random(len(rows)) < 0.7), "phone", "web"), one=1
    )
    rows.loc[::7, "shop"] = None
    rows.loc[::5, "V14"] = np.nan
    return rows


@pytest.fixture(scope="module")
def untamed(parts: list[pd.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `wild.csv` and a model of it."""
    made = tmp_path_factory.mktemp("wild")
    data = csv(wild(small(parts)), made / "wild.csv")
    assert main(["train", str(data), "--label", "Class", "--time", "Time", "--categorical",
                 "shop", "--out", str(made / "m"), *QUICK]) == 0  # fmt: skip
    return made


def test_training_takes_named_text_and_keeps_gaps(
    run: Run, rows: pd.DataFrame, tmp_path: Path
) -> None:
    data = csv(wild(rows), tmp_path / "d.csv")
    ran = run("train", data, "--label", "Class", "--time", "Time", "--categorical", "shop",
              "--out", tmp_path / "m", "--json", *QUICK)  # fmt: skip
    answer = ran.answer
    assert answer["features"] == ["V4", "V14", "shop", "one"]
    assert (answer["categorical"], answer["missing"]) == (["shop"], ["V14", "shop"])
    assert "Missing values kept: V14 (132 rows), shop (95 rows)\n" in ran.err
    current = folders.load(tmp_path / "m")
    assert current.model.categories == {"shop": ("phone", "web")}
    assert current.detector.measured == ("V4", "V14", "one")


def test_listed_features_are_joined_by_the_categorical_ones(
    run: Run, rows: pd.DataFrame, tmp_path: Path
) -> None:
    data = csv(wild(rows), tmp_path / "d.csv")
    ran = run("train", data, "--label", "Class", "--features", "V14,shop", "--categorical",
              "shop,one", "--out", tmp_path / "m", "--json", *QUICK)  # fmt: skip
    assert ran.answer["features"] == ["V14", "shop", "one"]
    assert ran.answer["categorical"] == ["shop", "one"]


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("", "--categorical names no column"),
        ("shop,shop", "shop is named twice"),
        ("Class", "Class is the label or the time"),
        ("till", "Missing columns: till"),
        ("row", "Column 'row' has 660 categories; 50 are allowed"),
    ],
)
def test_columns_that_cannot_be_categories_are_named(
    run: Run, rows: pd.DataFrame, tmp_path: Path, named: str, said: str
) -> None:
    data = csv(wild(rows), tmp_path / "d.csv")
    check_refused(
        run("train", data, "--label", "Class", "--categorical", named, "--out", tmp_path / "m"),
        said,
    )
    assert [path.name for path in tmp_path.iterdir()] == ["d.csv"]


def test_categories_alone_are_too_little(run: Run, rows: pd.DataFrame, tmp_path: Path) -> None:
    data = csv(wild(rows)[["shop", "Class"]], tmp_path / "d.csv")
    ran = run("train", data, "--label", "Class", "--categorical", "shop", "--out", tmp_path / "m")
    check_refused(ran, "No numeric column is left to be a feature")


def test_text_and_gaps_are_scored_and_measured(run: Run, untamed: Path, tmp_path: Path) -> None:
    data, model = untamed / "wild.csv", models.load(untamed / "m", trusted=True)
    rows = datasets.read_table(data)
    assert run("score", untamed / "m", data, "--out", tmp_path / "s.csv").code == 0
    scored = pd.read_csv(tmp_path / "s.csv")
    assert scored["score"].to_numpy() == pytest.approx(models.scores(model, rows), abs=1e-9)
    assert np.isfinite(scored["novelty"]).all()
    assert scored["shop"].isna().tolist() == rows["shop"].isna().tolist()
    turned = csv(rows[list(reversed(rows.columns))], tmp_path / "turned.csv")
    assert run("score", untamed / "m", turned, "--out", tmp_path / "t.csv").code == 0
    assert pd.read_csv(tmp_path / "t.csv")["score"].tolist() == scored["score"].tolist()
    ran = run("evaluate", untamed / "m", data, "--label", "Class", "--json")
    assert ran.answer["roc_auc"] == pytest.approx(
        roc_auc_score(rows["Class"], scored["score"], sample_weight=rows["weight"])
    )
    assert ran.answer["roc_auc"] > 0.8


def test_text_and_gaps_are_explained(run: Run, untamed: Path) -> None:
    model, rows = (
        models.load(untamed / "m", trusted=True),
        datasets.read_table(untamed / "wild.csv"),
    )
    spoken: list[str] = []
    for number in (0, 1, 5, 7, 35):
        ran = run("explain", untamed / "m", untamed / "wild.csv", "--row", number, "--json")
        found = ran.answer
        total = found["base_value"] + sum(found["contributions"].values())
        assert total == pytest.approx(models.scores(model, rows.iloc[[number]])[0], abs=1e-9)
        assert found["residual"] <= 1e-6
        shown = {line["feature"]: line for line in found["table"]}
        shop, amount = rows.loc[number, ["shop", "V14"]]
        assert shown["shop"]["value"] == ("missing" if pd.isna(shop) else shop)
        assert shown["shop"]["percentile"] is None
        assert 0 <= shown["shop"]["share"] <= 1
        assert shown["V14"]["value"] == ("missing" if pd.isna(amount) else amount)
        assert shown["one"]["contribution"] == 0
        spoken += found["reasons"]
        assert [near["id"] for near in found["neighbours"]] != []
    assert any(reason.startswith("V14 is missing;") for reason in spoken)


def test_gaps_the_model_never_saw_are_refused(run: Run, untamed: Path, tmp_path: Path) -> None:
    rows = datasets.read_table(untamed / "wild.csv")
    data = csv(rows.assign(V4=rows["V4"].where(rows.index != 3)), tmp_path / "d.csv")
    ran = run("score", untamed / "m", data, "--out", tmp_path / "s.csv")
    check_refused(ran, "Column 'V4' has 1 missing", "The model never saw such a value there")


# --- broken data


def with_text(rows: pd.DataFrame) -> pd.DataFrame:
    rows = rows.astype({"V4": object})
    rows.loc[3, "V4"] = "seven"
    return rows


def with_a_gap(rows: pd.DataFrame) -> pd.DataFrame:
    rows = rows.copy()
    rows.loc[4, "V14"] = np.nan
    return rows


def with_one_id_twice(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([rows, rows.tail(1)])


BROKEN_ROWS: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], tuple[str, ...]]] = {
    "missing column": (lambda rows: rows.drop(columns="V14"), ("Missing columns: V14", "has: row")),
    "text": (with_text, ("Column 'V4' holds 'seven', which is not a number",)),
    "header only": (lambda rows: rows.head(0), ("d.csv has no rows",)),
    "NaN": (
        with_a_gap,
        (
            "Column 'V14' has 1 missing or infinite values, the first in row 4, counted from 0.",
            "The model never saw such a value there",
        ),
    ),
    "duplicate ids": (with_one_id_twice, ("Column 'row' holds", "more than once")),
}
GAPS_NOBODY_LEARNS = {
    "infinite": (
        lambda rows: rows.assign(V14=rows["V14"].where(rows.index != 4, np.inf)),
        ("Column 'V14' has 1 missing or infinite values", "in row 4, counted from 0"),
    ),
    "nothing but gaps": (
        lambda rows: rows.assign(V14=np.nan),
        ("Column 'V14' has no value in any row", "Leave the column out"),
    ),
}
BROKEN_LABELS: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], tuple[str, ...]]] = {
    "one class": (lambda rows: rows.assign(Class=0), ("'Class' is 0 in all 660 rows",)),
    "third class": (lambda rows: rows.assign(Class=2), ("holds 2; a label is 0 or 1",)),
    "text weight": (lambda rows: rows.assign(weight="x"), ("Column 'weight' holds 'x'",)),
    "weight of 0": (lambda rows: rows.assign(weight=0), ("'weight' has a value", "above 0")),
}
BROKEN_FILES: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "empty": (b"", ("d.csv is empty",)),
    "pickle": (pickle.dumps({"a": 1}), ("is a Python pickle, which is never opened",)),
    "ragged": (b"a,b\n1,2\n1,2,3,4\n", ("d.csv is not a table",)),
    "image": (b"\x89PNG\r\n\x1a\n\x00\x00", ("neither CSV nor Parquet",)),
    "cut off": (b"\x1f\x8b\x08\x00\x00", ("damaged gzip file",)),
}
TRAINS = ("--label", "Class", "--features", "V4,V14", "--rounds", "5")


TRAINED_ON = BROKEN_ROWS | BROKEN_LABELS | GAPS_NOBODY_LEARNS
del TRAINED_ON["NaN"]  # a model learns from gaps


@pytest.mark.parametrize("name", TRAINED_ON)
def test_rows_that_cannot_be_trained_on_are_refused_and_nothing_is_written(
    run: Run, rows: pd.DataFrame, tmp_path: Path, name: str
) -> None:
    broken, said = TRAINED_ON[name]
    data = csv(broken(rows), tmp_path / "d.csv")
    check_refused(run("train", data, *TRAINS, "--out", tmp_path / "m"), *said)
    assert [path.name for path in tmp_path.iterdir()] == ["d.csv"]


@pytest.mark.parametrize("name", ["missing column", "header only", "NaN", "duplicate ids"])
def test_rows_that_cannot_be_scored_are_refused_and_nothing_is_written(
    run: Run, quick: Path, rows: pd.DataFrame, tmp_path: Path, name: str
) -> None:
    broken, said = BROKEN_ROWS[name]
    data = csv(broken(rows), tmp_path / "d.csv")
    check_refused(run("score", quick, data, "--out", tmp_path / "scored.csv"), *said)
    assert [path.name for path in tmp_path.iterdir()] == ["d.csv"]


def test_rows_of_one_class_cannot_be_measured(
    run: Run, quick: Path, rows: pd.DataFrame, tmp_path: Path
) -> None:
    broken, said = BROKEN_LABELS["one class"]
    data = csv(broken(rows), tmp_path / "d.csv")
    check_refused(run("evaluate", quick, data, "--label", "Class", "--json"), *said)


@pytest.mark.parametrize("name", BROKEN_FILES)
@pytest.mark.parametrize("verb", ["train", "evaluate", "score", "explain"])
def test_a_file_that_is_not_a_table_is_refused_by_every_verb(
    run: Run, quick: Path, tmp_path: Path, name: str, verb: str
) -> None:
    content, said = BROKEN_FILES[name]
    data, out = tmp_path / "d.csv", tmp_path / "out.csv"
    data.write_bytes(content)
    calls: dict[str, tuple[object, ...]] = {
        "train": (data, *TRAINS, "--out", tmp_path / "m"),
        "evaluate": (quick, data, "--label", "Class", "--json"),
        "score": (quick, data, "--out", out),
        "explain": (quick, data, "--row", 0, "--json"),
    }
    check_refused(run(verb, *calls[verb]), *said)
    assert [path.name for path in tmp_path.iterdir()] == ["d.csv"]


def test_a_file_that_is_not_there_is_named(run: Run, quick: Path, tmp_path: Path) -> None:
    missing = tmp_path / "missing.csv"
    check_refused(run("score", quick, missing, "--out", tmp_path / "o.csv"), str(missing))
    check_refused(run("train", missing, *TRAINS, "--out", tmp_path / "m"), str(missing))
    check_refused(run("train", tmp_path, *TRAINS, "--out", tmp_path / "m"), "Is a directory")
    assert list(tmp_path.iterdir()) == []


def test_a_repeated_customer_number_is_not_taken_for_the_rows_own(
    run: Run, rows: pd.DataFrame, tmp_path: Path
) -> None:
    data = csv(rows.assign(customer_id=7, row=rows["row"] + 1), tmp_path / "d.csv")
    assert run("train", data, *TRAINS, "--out", tmp_path / "m").code == 0
    assert novelty.load(tmp_path / "m").body["id_column"] == "row"


def test_a_column_of_measurements_called_index_is_a_feature(
    run: Run, rows: pd.DataFrame, tmp_path: Path
) -> None:
    data = csv(rows.drop(columns="row").rename(columns={"V4": "index"}), tmp_path / "d.csv")
    ran = run("train", data, "--label", "Class", "--time", "Time", "--out", tmp_path / "m",
              "--json", *QUICK)  # fmt: skip
    assert ran.answer["features"] == ["index", "V14"]


# --- broken models


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def one_digit(own: Path) -> None:
    text = (own / "model.txt").read_text()
    place = text.index("leaf_value=") + len("leaf_value=0.0")
    digit = "1" if text[place] != "1" else "2"
    (own / "model.txt").write_text(text[:place] + digit + text[place + 1 :])


def cut_off(own: Path) -> None:
    content = (own / "model.txt").read_bytes()
    (own / "model.txt").write_bytes(content[: len(content) // 2])


def other_features(own: Path) -> None:
    change(own / "model.txt", "feature_names=V4 V14", "feature_names=V14 V4")


def other_features_signed(own: Path) -> None:
    """Change the order and write the right checksum over it, as an attacker would."""
    other_features(own)
    card = json.loads((own / "card.json").read_text())
    model = models.load(own.parent / "own-copy", trusted=True)
    text = (own / "model.txt").read_text()
    forged = models.Model(
        text, model.features, model.slope, model.intercept, model.threshold, model.card
    )
    card |= {"sha256": forged.sha256, "model_id": forged.model_id}
    (own / "card.json").write_text(json.dumps(card))


CHANGED = (
    "model.txt was changed or cut off after its card was written. Its SHA-256 is ",
    "its card says",
    "Copy the folder again, or train the model again.",
)
SPOILED: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "one digit": (one_digit, CHANGED),
    "cut off": (cut_off, CHANGED),
    "feature order": (other_features, CHANGED),
    "feature order, signed": (other_features_signed, ("disagree on feature 1: 'V14'", "'V4'")),
    "pickle": (
        lambda own: (own / "model.txt").write_bytes(pickle.dumps([1, 2])),
        ("is a Python pickle, not LightGBM text", "any program"),
    ),
    "threshold": (
        lambda own: change(own / "card.json", '"threshold": 0.', '"threshold": 0.9'),
        ("its card says",),
    ),
    "no card": (lambda own: (own / "card.json").unlink(), ("card.json cannot be read",)),
    "card cut off": (
        lambda own: (own / "card.json").write_text('{"format": "second-look'),
        ("is damaged",),
    ),
    "card is a list": (lambda own: (own / "card.json").write_text("[]"), ("not a model's card",)),
    "no detector": (lambda own: (own / "novelty.json").unlink(), ("novelty.json cannot be read",)),
    "detector's limit": (
        lambda own: change(own / "novelty.json", '"limit": ', '"limit": 9'),
        ("detector is not the one that was stored",),
    ),
    "no folder": (shutil.rmtree, ("model.txt cannot be read",)),
}


@pytest.mark.parametrize("name", SPOILED)
def test_a_model_that_was_changed_is_refused_and_nothing_is_written(
    run: Run, own: Path, folder: Path, tmp_path: Path, name: str
) -> None:
    spoil, said = SPOILED[name]
    shutil.copytree(own, tmp_path / "own-copy")
    spoil(own)
    before = snapshot(tmp_path)
    ran = run("score", own, folder / "small.csv", "--out", tmp_path / "scored.csv")
    check_refused(ran, *said)
    assert snapshot(tmp_path) == before


def test_a_model_of_other_columns_is_refused_by_their_names(
    run: Run, trained: Path, folder: Path, tmp_path: Path
) -> None:
    ran = run("score", trained, folder / "small.csv", "--out", tmp_path / "scored.csv")
    check_refused(ran, "Missing columns: V1, V2")
    assert list(tmp_path.iterdir()) == []


def test_a_detector_of_another_model_is_refused(own: Path, trained: Path) -> None:
    shutil.copyfile(trained / "novelty.json", own / "novelty.json")
    with pytest.raises(FeatureMismatchError, match="different features"):
        folders.load(own)


# --- evaluate


def test_measures_are_those_of_scikit_learn(
    run: Run, trained: Path, folder: Path, parts: list[pd.DataFrame]
) -> None:
    found = run("evaluate", trained, folder / "after.csv", "--label", "Class", "--json").answer
    rows = parts[1]
    truth, weight = rows["Class"], rows["weight"]
    model = models.load(trained, trusted=True)
    probability = models.probabilities(model, rows)
    measures = {
        "average_precision": average_precision_score(truth, probability, sample_weight=weight),
        "roc_auc": roc_auc_score(truth, probability, sample_weight=weight),
        "brier": brier_score_loss(truth, probability, sample_weight=weight),
    }
    assert {name: found[name] for name in measures} == pytest.approx(measures)
    assert (found["rows"], found["positives"]) == (len(rows), truth.sum())
    assert found["threshold"] == model.threshold
    flagged = probability >= model.threshold
    natural = found["natural"]
    assert natural["false_negatives"] == (~flagged & (truth == 1)).sum()
    assert natural["false_positives"] == pytest.approx(weight[flagged & (truth == 0)].sum())
    assert natural["recall"] == pytest.approx(flagged[truth == 1].mean())
    assert 0 <= found["recall_at_fpr_0_01"] <= 1
    for part in (found["balanced"], natural):
        assert {"precision", "recall", "balanced_accuracy"} <= set(part)
        assert type(part["false_negatives"]) is int
    assert type(found["balanced"]["false_positives"]) is int
    assert found["balanced"]["rows"] == 2 * truth.sum()


def test_whole_weights_give_whole_counts_and_no_flag_gives_null(
    run: Run, own: Path, rows: pd.DataFrame, tmp_path: Path
) -> None:
    quiet = csv(rows.assign(V4=0.0, V14=0.0, weight=3), tmp_path / "quiet.csv")
    ran = run("evaluate", own, quiet, "--label", "Class", "--json")
    natural = ran.answer["natural"]
    assert natural["precision"] is None
    assert (natural["rows"], natural["false_positives"]) == (660 * 3, 0)
    assert [type(natural[name]) for name in ("rows", "false_positives", "false_negatives")] == [
        int,
        int,
        int,
    ]


def test_without_json_the_measures_are_read_on_stderr(run: Run, quick: Path, folder: Path) -> None:
    ran = run("evaluate", quick, folder / "small.csv", "--label", "Class")
    assert (ran.code, ran.out) == (0, "")
    assert json.loads(ran.err)["rows"] == 660


# --- score


def test_scores_are_added_to_the_rows_as_they_were(
    run: Run, quick: Path, folder: Path, rows: pd.DataFrame, tmp_path: Path
) -> None:
    ran = run("score", quick, folder / "small.csv", "--out", tmp_path / "s.csv", "--json")
    scored = pd.read_csv(tmp_path / "s.csv")
    pd.testing.assert_frame_equal(scored[list(rows.columns)], rows)
    assert list(scored.columns[len(rows.columns) :]) == [
        "score",
        "probability",
        "novelty",
        "flagged",
        "state",
    ]
    model, detector = models.load(quick, trusted=True), novelty.load(quick)
    assert scored["score"].to_numpy() == pytest.approx(models.scores(model, rows))
    assert scored["probability"].to_numpy() == pytest.approx(1 / (1 + np.exp(-scored["score"])))
    assert scored["flagged"].tolist() == (scored["probability"] >= model.threshold).tolist()
    is_novel = novelty.distances(detector, rows) > detector.limit
    assert scored["novelty"].to_numpy() == pytest.approx(novelty.distances(detector, rows))
    names = {(0, 0): "normal", (1, 0): "known anomaly", (0, 1): "novel"}
    wanted = [
        names.get((int(f), int(n)), "novel and flagged")
        for f, n in zip(scored["flagged"], is_novel, strict=True)
    ]
    assert scored["state"].tolist() == wanted
    assert ran.answer["flagged"] == scored["flagged"].sum()
    assert ran.answer["novel"] == is_novel.sum()
    assert ran.answer["states"] == scored["state"].value_counts().to_dict()
    assert [path.name for path in tmp_path.iterdir()] == ["s.csv"]


def test_columns_in_another_order_give_the_same_scores(
    run: Run, quick: Path, rows: pd.DataFrame, tmp_path: Path
) -> None:
    shuffled = csv(rows[["V14", "weight", "Class", "V4", "Time", "row"]], tmp_path / "d.csv")
    run("score", quick, shuffled, "--out", tmp_path / "s.parquet")
    scored = pd.read_parquet(tmp_path / "s.parquet")
    wanted = models.scores(models.load(quick, trusted=True), rows)
    assert scored["score"].tolist() == wanted.tolist()


@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("s.xlsx", "s.xlsx is neither .csv nor .parquet"),
        ("s", "s is neither .csv nor .parquet"),
        ("no/s.csv", "There is no folder"),
        ("taken.csv", "taken.csv"),
    ],
)
def test_scores_that_cannot_be_written_leave_nothing(
    run: Run, quick: Path, folder: Path, tmp_path: Path, out: str, said: str
) -> None:
    (tmp_path / "taken.csv").mkdir()
    check_refused(run("score", quick, folder / "small.csv", "--out", tmp_path / out), said)
    assert [path.name for path in tmp_path.iterdir()] == ["taken.csv"]


def test_rows_that_are_scored_already_are_not_scored_over(
    run: Run, quick: Path, rows: pd.DataFrame, tmp_path: Path
) -> None:
    data = csv(rows.assign(state="?"), tmp_path / "d.csv")
    ran = run("score", quick, data, "--out", tmp_path / "s.csv")
    check_refused(ran, "has a column state already", "drop it")
    assert [path.name for path in tmp_path.iterdir()] == ["d.csv"]


# --- explain


@pytest.mark.filterwarnings(
    # shap sets up its colours on import in a way that matplotlib will give up.
    "ignore::PendingDeprecationWarning",
    "ignore::DeprecationWarning",
    # shap says that it returns one array instead of a list for LightGBM's two classes.
    "ignore:LightGBM binary classifier with TreeExplainer shap values output has changed",
)
def test_an_explanation_is_shaps_and_adds_up(
    run: Run, trained: Path, folder: Path, parts: list[pd.DataFrame]
) -> None:
    import lightgbm
    import shap

    fraud = int(np.flatnonzero(parts[1]["Class"] == 1)[0])
    ran = run("explain", trained, folder / "after.csv", "--row", fraud, "--json")
    found = ran.answer
    parts_sum = found["base_value"] + sum(found["contributions"].values())
    assert abs(parts_sum - found["score"]) <= 1e-6
    assert 0 <= found["residual"] <= 1e-6
    assert found["probability"] == pytest.approx(1 / (1 + np.exp(-found["score"])))
    card = json.loads((trained / "card.json").read_text())
    booster = lightgbm.Booster(model_file=str(trained / "model.txt"))
    row = parts[1].iloc[[fraud]][list(CARD_FEATURES)]
    theirs = np.asarray(shap.TreeExplainer(booster).shap_values(row)).reshape(-1)
    wanted = dict(zip(CARD_FEATURES, card["slope"] * theirs, strict=True))
    assert found["contributions"] == pytest.approx(wanted, abs=1e-9)
    assert found["row"] == fraud
    assert {"weights", "r2", "local_prediction"} <= set(found["lime"])
    local = found["lime"]["intercept"] + sum(found["lime"]["weights"].values())
    assert found["lime"]["local_prediction"] == pytest.approx(local)


def test_neighbours_are_the_nearest_known_rows_and_never_the_row_itself(
    run: Run, quick: Path, folder: Path, rows: pd.DataFrame
) -> None:
    body = novelty.load(quick).body
    known = dict(zip(body["reference"]["ids"], body["reference"]["rows"], strict=True))
    place = rows["row"].tolist().index(next(iter(known)))
    found = run("explain", quick, folder / "small.csv", "--row", place, "--json").answer
    own = rows.iloc[place]
    distance = {
        name: float(
            np.sqrt(sum(((np.array(v) - own[["V4", "V14"]].to_numpy()) / body["std"]) ** 2))
        )
        for name, v in known.items()
        if name != own["row"]
    }
    wanted = sorted(distance.values())[:10]
    assert [near["distance"] for near in found["neighbours"]] == pytest.approx(wanted)
    labels = rows.set_index("row")["Class"]
    for near in found["neighbours"]:
        assert near["distance"] == pytest.approx(distance[near["id"]])
        assert near["label"] == labels[near["id"]]


def test_an_explanation_reads_as_sentences(run: Run, quick: Path, folder: Path) -> None:
    call = ("explain", quick, folder / "small.csv", "--row", "3")
    found, said = run(*call, "--json").answer, run(*call)
    assert said.out == ""
    changes = [found["counterfactuals"][0]["sentence"]]
    key = f"Key: {found['key']}"
    assert said.err.splitlines() == [found["sentence"], *found["reasons"], *changes, key]


def test_an_explanation_speaks_of_rows_until_it_is_told_what_they_are(
    run: Run, quick: Path, rows: pd.DataFrame, folder: Path
) -> None:
    fraud = int(np.flatnonzero(rows["Class"] == 1)[0])
    call = ("explain", quick, folder / "small.csv", "--row", fraud, "--json")
    words = ("--noun", "day", "--positive", "rainy", "--negative", "dry")
    plain, told = run(*call).answer, run(*call, *words).answer
    assert re.search(r" in [\d,]+ such rows (is|are) positive\.", plain["sentence"])
    assert re.search(r" in [\d,]+ such days (is|are) rainy\.", told["sentence"])
    assert all(" negative rows " in reason for reason in plain["reasons"])
    assert all(" dry days " in reason for reason in told["reasons"])
    assert not re.search("fraud|payment|legitimate", json.dumps(plain))
    numbers = ("score", "contributions", "lime", "lime_local", "alike", "nearest")
    assert all(plain[name] == told[name] for name in numbers)
    near = [[one["id"] for one in found["neighbours"]] for found in (plain, told)]
    assert near[0] == near[1]
    assert plain["key"] != told["key"]


def test_an_empty_word_is_refused(run: Run, quick: Path, folder: Path) -> None:
    ran = run("explain", quick, folder / "small.csv", "--row", 3, "--noun", " ")
    assert (ran.code, ran.out) == (2, "")
    assert "--noun: an empty word says nothing" in ran.err


def test_the_row_an_error_names_is_the_one_explain_takes(
    run: Run, quick: Path, rows: pd.DataFrame, tmp_path: Path
) -> None:
    data = csv(with_a_gap(rows), tmp_path / "gap.csv")
    ran = run("score", quick, data, "--out", tmp_path / "scored.csv")
    named = re.search(r"row (\d+), counted from 0", ran.err)
    assert named
    assert np.isnan(rows.pipe(with_a_gap).iloc[int(named[1])]["V14"])
    check_refused(run("explain", quick, data, "--row", named[1]), f"row {named[1]}, counted from 0")
    other = 0 if named[1] != "0" else 1
    assert run("explain", quick, data, "--row", other).code == 0  # one gap spoils no other row


@pytest.mark.parametrize("row", [-1, 660])
def test_a_row_that_is_not_there_is_refused(run: Run, quick: Path, folder: Path, row: int) -> None:
    ran = run("explain", quick, folder / "small.csv", "--row", row)
    check_refused(ran, f"There is no row {row}", "from 0 to 659")


# --- the database


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed database in which the story is seeded and one case is decided."""
    path = tmp_path_factory.mktemp("database") / "story.duckdb"
    rows = workflow.materials(STORY, SAMPLE.parent)
    with Store(str(path)) as store:
        workflow.seed(store, rows, seed=0, novelty_rate=0.001, now_ms=1)
        claimed = workflow.claim(store, STORY, Person("mina"), now_ms=1)
        assert claimed
        workflow.decide(
            store,
            STORY,
            claimed,
            verdict="legitimate",
            reason="new but plausible",
            note="said so, twice",
            key="k",
            now_ms=2,
        )
    return path


@pytest.fixture
def db(seeded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copyfile(seeded, tmp_path / "story.duckdb"))


def test_seeding_names_the_champion_and_again_the_same(run: Run, tmp_path: Path) -> None:
    call = ("seed", "--workspace", "story", "--db", tmp_path / "new" / "s.duckdb")
    first, again = run(*call, "--json"), run(*call)
    model_id = first.answer["story"]
    assert first.code == again.code == 0
    assert first.err == f"Seeding story from {datasets.SAMPLE_FILE} …\n"
    assert again.err.endswith(f"Ready. Champions: story: {model_id}.\n")
    with Store(str(tmp_path / "new" / "s.duckdb")) as store:
        assert workflow.champion(store, "story").model_id == model_id


def test_a_reset_begins_again(run: Run, db: Path) -> None:
    assert run("seed", "--workspace", "story", "--db", db, "--reset").code == 0
    with Store(str(db)) as store:
        assert store.view("decisions").empty
        assert len(store.view("case_heads", workspace="story")) == 12


@pytest.mark.parametrize(
    ("variable", "content", "said"),
    [
        ("HITL_DATA_DIR", "/nowhere", "/nowhere"),
        ("HITL_SEED", "-4", "HITL_SEED is '-4'"),
        ("HITL_SEED", "four", "HITL_SEED is 'four'"),
        ("HITL_NOVELTY_RATE", "7", "HITL_NOVELTY_RATE is '7'"),
    ],
)
def test_a_reset_that_cannot_be_done_deletes_nothing(
    run: Run, db: Path, monkeypatch: pytest.MonkeyPatch, variable: str, content: str, said: str
) -> None:
    monkeypatch.setenv(variable, content)
    check_refused(run("seed", "--workspace", "story", "--db", db, "--reset"), said)
    with Store(str(db)) as store:
        assert len(store.view("decisions", workspace="story")) == 1


def test_decisions_travel_to_another_database_and_back(run: Run, db: Path, tmp_path: Path) -> None:
    out = tmp_path / "decisions.csv"
    assert run("decisions", "export", out, "--workspace", "story", "--db", db).code == 0
    written = pd.read_csv(out)
    assert written["verdict"].tolist() == ["legitimate"]
    assert written["note"].tolist() == ["said so, twice"]
    other = tmp_path / "other.duckdb"
    run("seed", "--workspace", "story", "--db", other)
    call = ("decisions", "import", out, "--workspace", "story", "--db", other, "--json")
    assert [run(*call).answer, run(*call).answer] == [{"imported": 1}, {"imported": 0}]
    with Store(str(other)) as store:
        row = store.view("decisions", workspace="story").iloc[0]
    assert (row["reviewer"], row["note"], row["source"]) == ("mina", "said so, twice", "import")


def test_an_export_without_decisions_is_a_file_with_a_header(run: Run, tmp_path: Path) -> None:
    other = tmp_path / "o.duckdb"
    run("seed", "--workspace", "story", "--db", other)
    ran = run("decisions", "export", tmp_path / "d.csv", "--workspace", "story", "--db", other)
    assert ran.err.startswith("0 decisions written to ")
    assert (tmp_path / "d.csv").read_text().startswith("instance_id,verdict,reason")


def test_a_decision_file_is_read_before_the_database_is_touched(
    run: Run, db: Path, tmp_path: Path
) -> None:
    before = snapshot(tmp_path)
    missing = tmp_path / "missing.csv"
    ran = run("decisions", "import", missing, "--workspace", "story", "--db", db)
    check_refused(ran, str(missing))
    ran = run("decisions", "export", tmp_path / "d.txt", "--workspace", "story", "--db", db)
    check_refused(ran, "d.txt is neither")
    assert snapshot(tmp_path) == before


def test_an_imported_verdict_that_is_not_one_changes_nothing(
    run: Run, db: Path, tmp_path: Path
) -> None:
    data = tmp_path / "d.csv"
    data.write_text("instance_id,verdict\nstory-w-1,legitimate\nstory-w-2,maybe\n")
    ran = run("decisions", "import", data, "--workspace", "story", "--db", db)
    check_refused(ran, "'maybe' is not a verdict", "fraud, legitimate, unsure")
    with Store(str(db)) as store:
        assert len(store.view("decisions", workspace="story")) == 1


@pytest.mark.parametrize(
    "arguments",
    [("seed", "--workspace", "films"), ("decisions", "export", "d.csv", "--workspace", "films")],
)
def test_an_unknown_workspace_is_named_with_those_there_are(
    run: Run, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    ran = run(*arguments, "--db", tmp_path / "new.duckdb")
    check_refused(ran, "no workspace 'films'", "cards, payments, story")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [("backup", "b.duckdb"), ("decisions", "export", "d.csv")])
def test_a_database_that_is_not_there_is_not_made_by_reading_it(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = run(*arguments, "--db", "typo.duckdb")
    check_refused(ran, "There is no database typo.duckdb", "python -m hitl seed")
    assert list(tmp_path.iterdir()) == []


def test_a_backup_is_restored_whole(run: Run, db: Path, tmp_path: Path) -> None:
    copy, target = tmp_path / "b.duckdb", tmp_path / "new.duckdb"
    assert run("backup", copy, "--db", db, "--json").answer == {"file": str(copy)}
    ran = run("restore", copy, "--db", target, "--json")
    with Store(str(db)) as one, Store(str(target)) as two:
        for table in ("instances", "case_events", "models", "promotions"):
            pd.testing.assert_frame_equal(one.view(table), two.view(table))
            assert ran.answer[table] == len(one.view(table))


def test_a_database_with_rows_is_replaced_only_when_told(
    run: Run, db: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "b.duckdb"
    run("backup", copy, "--db", db)
    check_refused(run("restore", copy, "--db", db), "is not empty", "--replace")
    ran = run("restore", copy, "--db", db, "--replace")
    assert ran.code == 0
    assert re.match(r"Restored \d+ rows from ", ran.err)
    check_refused(run("backup", copy, "--db", db), "is there already")
    check_refused(run("restore", tmp_path / "no.duckdb", "--db", db), "There is no file")


def test_the_default_database_is_the_settings(run: Run, tmp_path: Path) -> None:
    assert run("seed", "--workspace", "story").code == 0
    assert (tmp_path / "default" / "x.duckdb").is_file()


# --- sample


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file laid out as the full card file is."""
    rows = datasets.read_table(SAMPLE).drop(columns=["row", "weight"])
    path = tmp_path_factory.mktemp("full") / "creditcard.parquet"
    rows.to_parquet(path, index=False)
    return path


def test_the_sample_is_drawn_again_from_its_source(run: Run, full: Path, tmp_path: Path) -> None:
    out = tmp_path / "s.csv.gz"
    answer = run("sample", full, "--out", out, "--json").answer
    drawn, source = datasets.read_table(out), pd.read_parquet(full)
    assert answer == {"rows": len(drawn), "positives": int(drawn["Class"].sum()), "out": str(out)}
    assert answer["positives"] == source["Class"].sum()
    assert [path.name for path in tmp_path.iterdir()] == ["s.csv.gz"]


def test_a_sample_that_cannot_be_drawn_or_written_leaves_nothing(
    run: Run, full: Path, folder: Path, tmp_path: Path
) -> None:
    check_refused(run("sample", full, "--out", tmp_path / "no" / "s.gz"), "There is no folder")
    ran = run("sample", folder / "small.csv", "--out", tmp_path / "s.gz")
    check_refused(ran, "Missing columns: V1, V2")
    (tmp_path / "taken").mkdir()
    check_refused(run("sample", full, "--out", tmp_path / "taken"), "taken")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


# --- in a real terminal


def test_in_a_shell_json_is_alone_on_stdout(quick: Path, folder: Path, tmp_path: Path) -> None:
    data = folder / "small.csv"
    ran = in_a_shell("train", data, "--label", "Class", "--time", "Time", "--out", "m", *QUICK,
                     "--json", cwd=tmp_path)  # fmt: skip
    assert (ran.code, ran.answer["folder"]) == (0, "m")
    assert ran.err.startswith("Training on 660 rows")
    assert snapshot(tmp_path / "m") == snapshot(quick)


def test_in_a_shell_a_mistake_is_one_sentence_and_code_2(quick: Path, tmp_path: Path) -> None:
    ran = in_a_shell("score", quick, "missing.csv", "--out", "s.csv", cwd=tmp_path)
    check_refused(ran, "missing.csv cannot be read: No such file or directory")
    assert ran.err.count("\n") == 1
    ran = in_a_shell("score", cwd=tmp_path)
    assert (ran.code, ran.out) == (2, "")
    assert "error: the following arguments are required: MODEL, DATA, --out" in ran.err
    assert list(tmp_path.iterdir()) == []


def test_a_reader_who_leaves_early_is_no_error(
    run: Run, quick: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = os.pipe()
    os.close(reading)  # as after `| head -1`
    with os.fdopen(writing, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        ran = run("evaluate", quick, folder / "small.csv", "--label", "Class", "--json")
    assert (ran.code, ran.out, ran.err) == (0, "", "")
