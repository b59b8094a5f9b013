import os
import subprocess
import time
from pathlib import Path

import pytest

from benchmarks import counterfactuals, serving
from benchmarks.timing import Line, table
from hitl import models, workflow
from hitl.workspaces import CARDS

FOLDER = Path(counterfactuals.__file__).parent


@pytest.fixture(scope="module")
def quick():
    rows = workflow.materials(CARDS, FOLDER.parent / "data")
    model = models.fit(
        rows.training, features=CARDS.features, weight="weight", budget=0.003, rounds=20
    )
    return rows, model


def test_the_script_that_makes_the_peers_environment_is_plain_shell():
    script = FOLDER / "peers.sh"
    assert subprocess.run(["sh", "-n", str(script)], check=False).returncode == 0
    text = script.read_text("utf-8")
    assert "explainerdashboard==0.5.8" in text
    assert "dice-ml==0.12" in text
    assert "://" not in text


def test_without_the_peers_the_benchmark_says_how_to_make_them(quick, monkeypatch, capsys):
    monkeypatch.setattr(counterfactuals, "PEERS", Path("not there"))
    monkeypatch.setattr(counterfactuals, "SPACES", (CARDS,))
    monkeypatch.setattr(counterfactuals, "CASES", 2)
    monkeypatch.setattr(counterfactuals, "SCREEN_ROWS", 20)
    monkeypatch.setattr(models, "fit", lambda *_, **__: quick[1])
    assert counterfactuals.lines() == []
    said = capsys.readouterr().err
    assert "sh benchmarks/peers.sh" in said
    assert "2 of 2 cases answered" in said


def test_what_peers_are_given_is_the_model_and_its_rows(quick, tmp_path):
    rows, model = quick
    few = rows.test.iloc[:3]
    counterfactuals._export(CARDS, tmp_path, model, few, few, few)
    assert (tmp_path / "model.txt").read_text("utf-8") == model.text
    assert {path.name for path in tmp_path.iterdir()} == {
        *("model.txt", "model.json", "training.csv", "cases.csv", "screen.csv")
    }


def test_a_line_says_how_many_times_longer_the_other_way_takes():
    line = Line("x", "here", 0.02, "there", 0.5)
    assert line.ratio == 25
    assert table([line]).splitlines()[2] == "| x | here | 20 | there | 500 | 25 |"


def test_the_servers_processor_seconds_are_those_it_counts_itself():
    before = time.process_time()
    read = serving.processor_seconds(os.getpid())
    assert before <= read <= time.process_time()
