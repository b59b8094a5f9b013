"""An explanation made again from its key: the same bytes in another process, or a plain no."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hitl.__main__ import main
from hitl.explain import keys
from tests.terminal import Ran, Run, check_refused, in_a_shell

ROWS = 400
METHODS = ("shap", "lime", "lime-local", "counterfactual", "neighbours")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows of two features and a text, with a model trained on them."""
    made = tmp_path_factory.mktemp("replay")
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"id": range(ROWS), "a": rng.normal(size=ROWS), "b": rng.normal(size=ROWS)})
    rows["risky"] = (rows["a"] + rows["b"] + rng.normal(size=ROWS) * 0.5 > 2).astype(int)
    rows.to_csv(made / "rows.csv", index=False)
    arguments = ["train", made / "rows.csv", "--label", "risky", "--out", made / "model"]
    assert main([str(a) for a in [*arguments, "--rounds", "30", "--budget", "0.02"]]) == 0
    return made


@pytest.fixture
def explained(
    run: Run,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[Path, Ran]:
    """One row explained in every way, kept in a file, with what was printed."""
    monkeypatch.setenv("HITL_DATA_DIR", str(tmp_path / "kept"))
    ran = run("explain", folder / "model", folder / "rows.csv", "--row", 7, "--json")
    assert ran.code == 0, ran.err
    path = tmp_path / "explained.json"
    path.write_text(ran.out)
    return path, ran


def changed(path: Path, **changes: Any) -> Path:
    found = json.loads(path.read_text())
    other = path.with_name("changed.json")
    other.write_text(json.dumps({**found, **changes}))
    return other


def test_another_process_prints_the_same_bytes_from_the_file_and_from_the_key(
    explained: tuple[Path, Ran], tmp_path: Path
) -> None:
    path, ran = explained
    from_file = in_a_shell("replay", path, "--json")
    assert (from_file.code, from_file.out) == (0, ran.out), from_file.err
    env = {"HITL_DATA_DIR": str(tmp_path / "kept")}
    key = ran.answer["key"]
    from_key = in_a_shell("replay", key, "--json", env_more=env)
    assert (from_key.code, from_key.out) == (0, ran.out), from_key.err


def test_a_replay_says_in_a_sentence_that_nothing_changed(
    run: Run,
    explained: tuple[Path, Ran],
) -> None:
    path, ran = explained
    said = run("replay", path)
    assert (said.code, said.out) == (0, "")
    assert said.err.strip() == f"Replayed {ran.answer['key']}: the same to the last byte."


@pytest.mark.parametrize("method", METHODS)
def test_each_method_by_itself_is_what_all_of_them_say(
    run: Run,
    folder: Path,
    explained: tuple[Path, Ran],
    method: str,
) -> None:
    whole = explained[1].answer
    call = ("explain", folder / "model", folder / "rows.csv", "--row", 7, "--method", method)
    one = run(*call, "--json").answer
    assert one["key"] != whole["key"]
    parts = {"lime", "lime_local", "counterfactuals", "neighbours", "alike"} & set(one)
    wanted = {"shap": set(), "neighbours": {"neighbours", "alike"}}
    named = {"lime": "lime", "lime-local": "lime_local", "counterfactual": "counterfactuals"}
    assert parts == wanted.get(method, {named.get(method, "")})
    for name in set(one) - {"key", "recipe"}:
        assert one[name] == whole[name], name


def test_another_seed_is_another_key_and_other_samples(
    run: Run,
    folder: Path,
    explained: tuple[Path, Ran],
) -> None:
    call = ("explain", folder / "model", folder / "rows.csv", "--row", 7, "--json")
    other, whole = run(*call, "--seed", 11).answer, explained[1].answer
    assert other["key"] != whole["key"]
    assert other["lime"]["weights"] != whole["lime"]["weights"]
    assert other["contributions"] == whole["contributions"]


def test_a_changed_number_is_said_and_the_true_one_is_printed(
    run: Run,
    explained: tuple[Path, Ran],
) -> None:
    path, ran = explained
    ran_again = run("replay", changed(path, probability=0.5), "--json")
    assert ran_again.code == 2
    assert ran_again.out == ran.out
    assert "it is NOT what was kept: probability." in ran_again.err
    added = run("replay", changed(path, decision="fraud"))
    assert added.code == 2
    assert added.err.count("it is NOT what was kept: decision.") == 1


def test_another_version_of_a_library_is_said_not_hidden(
    run: Run,
    explained: tuple[Path, Ran],
) -> None:
    path, ran = explained
    recipe = ran.answer["recipe"]
    recipe["versions"]["lightgbm"] = "4.0.0"
    older = changed(path, recipe=recipe, key=keys.key_of(recipe))
    said = run("replay", older)
    assert "lightgbm was 4.0.0 and is" in said.err
    assert said.code == 0  # the numbers are the same


def test_a_changed_recipe_does_not_fit_its_key(run: Run, explained: tuple[Path, Ran]) -> None:
    path, ran = explained
    recipe = ran.answer["recipe"]
    recipe["row"]["a"] = 0.5
    check_refused(run("replay", changed(path, recipe=recipe)), "Key and recipe do not belong")


def test_another_model_is_named_with_its_hash(
    run: Run,
    folder: Path,
    explained: tuple[Path, Ran],
    tmp_path: Path,
) -> None:
    other = tmp_path / "other"
    arguments = ("--label", "risky", "--out", other, "--rounds", "10", "--budget", "0.02")
    assert run("train", folder / "rows.csv", *arguments).code == 0
    wanted = explained[1].answer["model_id"]
    check_refused(run("replay", explained[0], "--model", other), "was made with model", wanted)


def test_a_model_that_moved_is_named_by_hand(
    run: Run,
    folder: Path,
    explained: tuple[Path, Ran],
    tmp_path: Path,
) -> None:
    moved = shutil.copytree(folder / "model", tmp_path / "moved")
    assert run("replay", explained[0], "--model", moved, "--json").out == explained[1].out


@pytest.mark.parametrize(
    ("content", "said"),
    [("{", "is not JSON"), ("[]", "holds no explanation"), ("{}", "does not say where the model")],
)
def test_what_is_no_explanation_is_refused(
    run: Run,
    tmp_path: Path,
    content: str,
    said: str,
) -> None:
    path = tmp_path / "x.json"
    path.write_text(content)
    check_refused(run("replay", path), said)


def test_a_file_or_key_that_is_not_there_is_refused(run: Run, tmp_path: Path) -> None:
    assert run("replay", tmp_path / "none.json").code == 2
    check_refused(run("replay", "x-0123456789abcdef"), "There is no database")


def test_the_dossier_is_written_with_its_json(
    run: Run,
    folder: Path,
    tmp_path: Path,
) -> None:
    page = tmp_path / "case.html"
    call = ("explain", folder / "model", folder / "rows.csv", "--row", 7, "--dossier", page)
    ran = run(*call, "--json")
    assert ran.code == 0, ran.err
    text = page.read_text("utf-8")
    assert ran.answer["key"] in text
    assert len(text.encode()) < 300_000
    assert (
        json.loads(page.with_suffix(".json").read_text("utf-8"))["evidence"]["key"]
        == ran.answer["key"]
    )
    check_refused(run(*call[:-1], tmp_path / "case.txt"), "does not end with .html")


def test_an_older_model_is_compared_feature_by_feature(
    run: Run, folder: Path, tmp_path: Path
) -> None:
    older = tmp_path / "older"
    arguments = ("--label", "risky", "--out", older, "--rounds", "10", "--budget", "0.02")
    assert run("train", folder / "rows.csv", *arguments).code == 0
    call = ("explain", folder / "model", folder / "rows.csv", "--row", 7)
    found = run(*call, "--against", older, "--json").answer
    before, now = run("explain", older, *call[2:], "--json").answer, found
    difference = found["difference"]
    assert (difference["old_model"], difference["new_model"]) == (
        before["model_id"],
        now["model_id"],
    )
    assert difference["score_change"] == pytest.approx(now["score"] - before["score"])
    assert difference["residual"] <= 1e-6
    changes = {row["feature"]: row["change"] for row in difference["table"]}
    assert changes == pytest.approx(
        {name: now["contributions"][name] - before["contributions"][name] for name in ("a", "b")}
    )
    assert difference["sentence"] in run(*call, "--against", older).err


def test_a_curve_passes_through_the_case_itself(explained: tuple[Path, Ran]) -> None:
    found = explained[1].answer
    (curve,) = found["curves"]
    heaviest = max(found["contributions"], key=lambda name: abs(found["contributions"][name]))
    assert curve["feature"] == heaviest
    own = [p for p in curve["points"] if p["kind"] == "this case" and p["value"] == curve["value"]]
    assert own[0]["probability"] == pytest.approx(found["probability"])


def test_a_case_file_can_be_replayed_too(run: Run, folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "case.html"
    call = ("explain", folder / "model", folder / "rows.csv", "--row", 7, "--dossier", page)
    assert run(*call).code == 0
    said = run("replay", page.with_suffix(".json"), "--model", folder / "model")
    assert (said.code, "same to the last byte" in said.err) == (0, True), said.err
