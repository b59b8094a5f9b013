"""The documents say what the code does; the parts made from the code are up to date.

``python -m tests.test_docs`` writes those parts again.
"""

import ast
import importlib
import io
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import timing
from benchmarks.__main__ import main as benchmarks_main
from hitl import datasets, evaluation, gates, models, options, workflow
from hitl.__main__ import VERBS
from hitl.settings import SETTINGS
from hitl.store import MIGRATIONS, TABLES, VIEWS, VIEWS_SQL, Store
from hitl.ui.frame import PAGES
from hitl.workspaces import CARD_NOTICE, CARDS, WORKSPACES
from tests import shots

ROOT = Path(__file__).parents[1]
README, METHOD, DATA = (ROOT / name for name in ("README.md", "docs/method.md", "docs/data.md"))
DEPLOY = ROOT / "docs/deploy.md"
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "data").glob("*.md")]
)
REFRESH = "Out of date: run python -m tests.test_docs and commit what it writes."
LARGEST_PICTURE = 250_000
TABLES_MEAN = {
    "instances": "Each row that came in, with its features.",
    "predictions": "What a model said about a row; live is the score it got when it came in.",
    "explanations": "The evidence shown for a case under a model, as it was shown.",
    "outcomes": "What came true.",
    "shown_evidence": "What was on the screen when a person decided, word for word.",
    "case_events": "What happened to a case; each hash covers the event and the hash before it.",
    "case_heads": "Where each case stands now; it always equals the fold of the case's events.",
    "outside_labels": "Labels from elsewhere: late outcomes such as chargebacks, weak guesses.",
    "drafts": "What somebody has typed about a case and not yet submitted.",
    "chain_heads": "The last event of each workspace's chain, and up to which one it was checked.",
    "models": "Every model with its detector, as text.",
    "training_labels": "Which labels a model was trained on.",
    "comparisons": "Old against new, with gates.",
    "promotions": "Which model was put in use when, by whom and why.",
}


# The parts that are made from the code


def module_list() -> str:
    """Every module of hitl with the first sentence of its docstring."""
    lines = ["| Module | What it is |", "|---|---|"]
    for path in sorted((ROOT / "hitl").rglob("*.py"), key=module_name):
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        lines.append(f"| `{module_name(path)}` | {first_sentence(text)} |")
    return "\n".join(lines)


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def first_sentence(text: str) -> str:
    joined = " ".join(text.split("\n\n")[0].split())
    return re.split(r"(?<=[.?!]) (?=[A-Z])", joined)[0]


def settings_table() -> str:
    """Every setting with its variable, default, unit and sentence."""
    lines = ["| Variable | Default | Unit | What it does |", "|---|---|---|---|"]
    for setting in SETTINGS:
        value = setting.default
        default = ("yes" if value else "no") if isinstance(value, bool) else value
        lines.append(
            f"| `{setting.variable}` | `{default}` | {setting.unit} | {setting.sentence} |"
        )
    return "\n".join(lines)


def dictionary() -> str:
    """Every table with its columns, every view with its columns and its comment."""
    parts = ["### Tables"]
    text = "\n".join(MIGRATIONS.values())
    for table in TABLES:
        (body,) = re.findall(rf"CREATE TABLE {table} \((.*?)\n\);", text, re.DOTALL)
        parts.append(f"**{table}**: {TABLES_MEAN[table]}")
        added = re.findall(rf"ALTER TABLE {table} ADD COLUMN (.*);", text)
        lines = column_lines("\n".join([body, *added]))
        parts.append("\n".join(["| Column | Type |", "|---|---|", *lines]))
    parts.append("### Views")
    comments = dict(re.findall(r"COMMENT ON VIEW (\w+) IS '(.+?)';", VIEWS_SQL))
    with Store("duckdb::memory:") as store:
        for view in VIEWS:
            columns = ", ".join(f"`{name}`" for name in store.view(view, limit=0).columns)
            parts.append(f"**{view}**: {comments[view]}  \nColumns: {columns}.")
    return "\n\n".join(parts)


def column_lines(body: str) -> list[str]:
    lines = [line.strip().rstrip(",") for line in body.strip().splitlines()]
    keys = re.findall(r"\w+", "".join(line for line in lines if line.startswith("PRIMARY KEY")))
    found = []
    for line in lines:
        if line.startswith("PRIMARY KEY"):
            continue
        name, kind = line.split(" ", 1)
        kind, _, usual = kind.replace(" NOT NULL", "").partition(" DEFAULT ")
        kind = kind.replace("PRIMARY KEY", "").strip()
        filled = usual or "NOT NULL" in line or "PRIMARY KEY" in line
        empty = "" if filled else ", may be empty"
        key = ", key" if "PRIMARY KEY" in line or name in keys else ""
        found.append(f"| `{name}` | {kind}{key}{empty} |")
    return found


MADE = {
    ("modules", README): module_list,
    ("settings", DEPLOY): settings_table,
    ("dictionary", DATA): dictionary,
}


def between(name: str, text: str) -> tuple[str, str, str]:
    start, end = f"<!-- begin {name} -->\n", f"\n<!-- end {name} -->"
    before, _, rest = text.partition(start)
    inside, mark, after = rest.rpartition(end)
    return (before + start, inside, mark + after) if mark else (before + start, "", end + rest)


def refresh() -> None:
    for (name, path), make in MADE.items():
        text = path.read_text(encoding="utf-8").replace(
            f"begin {name} -->\n<!-- end", f"begin {name} -->\n\n<!-- end"
        )
        before, _, after = between(name, text)
        path.write_text(before + make() + after, encoding="utf-8")


@pytest.mark.parametrize(("name", "path"), MADE, ids=[name for name, _ in MADE])
def test_the_parts_made_from_the_code_are_current(name: str, path: Path) -> None:
    assert between(name, path.read_text(encoding="utf-8"))[1] == MADE[name, path](), REFRESH


def test_every_table_and_view_is_in_the_dictionary_with_its_meaning() -> None:
    text = DATA.read_text(encoding="utf-8")
    assert set(TABLES_MEAN) == set(TABLES)
    for name in (*TABLES, *VIEWS):
        assert re.search(rf"^\*\*{name}\*\*: [A-Z].+\.", text, re.MULTILINE), name


def test_the_first_sentence_of_a_docstring_ends_before_the_second() -> None:
    assert first_sentence("One of\ntwo. Three.\n\nFour.") == "One of two."
    assert first_sentence("Reads e.g. a file") == "Reads e.g. a file"


# What has to be named


def test_every_setting_is_documented() -> None:
    text = README.read_text(encoding="utf-8") + DEPLOY.read_text(encoding="utf-8")
    assert [s.variable for s in SETTINGS if f"`{s.variable}`" not in text] == []


def test_no_document_names_a_variable_that_is_not_read() -> None:
    known = {s.variable for s in SETTINGS} | {"HITL_TEST_POSTGRES_URL", "HITL_CHROMIUM"}
    for path in DOCUMENTS:
        named = set(re.findall(r"HITL_[A-Z_]*[A-Z]", path.read_text(encoding="utf-8")))
        assert named <= known, path.name


def test_every_page_has_its_paragraph_and_picture_in_the_readme() -> None:
    text = README.read_text(encoding="utf-8")
    for path, title, *_ in PAGES:
        assert f"**{title}** " in text
        assert re.search(rf"!\[{title}: [^\]]+\]\(docs/pictures/{Path(path).stem}\.png\)", text)


def test_the_pictures_are_small_and_wide() -> None:
    for path, *_ in PAGES:
        picture = ROOT / "docs" / "pictures" / f"{Path(path).stem}.png"
        content = picture.read_bytes()
        assert content.startswith(b"\x89PNG"), picture.name
        assert len(content) < LARGEST_PICTURE, picture.name
        assert int.from_bytes(content[16:20]) == 1440, picture.name


def test_every_verb_of_the_terminal_has_an_example() -> None:
    (verbs,) = (
        a.choices
        for a in options.parser(VERBS, None)._actions
        if a.dest not in ("help",) and a.choices
    )
    examples = [words[0] for words, _ in terminal_commands(README)]
    assert set(examples) == set(verbs)


def terminal_commands(path: Path) -> Iterator[tuple[list[str], str]]:
    for line in code_lines(path):
        found = re.match(r"(?:\$ )?(?:HITL_\w+=\S+ )?python -m hitl (.+)", line)
        if found:
            yield shlex.split(found[1]), line


def code_lines(path: Path) -> Iterator[str]:
    for block in re.findall(r"^```\w*\n(.*?)^```", path.read_text(encoding="utf-8"), re.M | re.S):
        yield from block.splitlines()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_in_a_document_can_be_given(path: Path) -> None:
    for words, line in terminal_commands(path):
        given = ["x" if word.isupper() else word for word in words]
        if words[0] == "sample":
            given = ["sample", "x", *words[2:]]
        assert options.parser(VERBS, None).parse_args(given).verb, line
    targets = set(re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.M)[1].split())
    text = path.read_text(encoding="utf-8")
    called = [line.split()[1] for line in code_lines(path) if line.startswith("make ")]
    called += re.findall(r"`make (\w+)", text)
    assert set(called) <= targets
    for name in re.findall(r"pip install -r (\S+)", text):
        assert (ROOT / name.rstrip("`.")).is_file(), name
    for name in re.findall(r"python -m (tests\.\w+|benchmarks)", text):
        assert (ROOT / name.replace(".", "/")).with_suffix(".py").exists() or (ROOT / name).is_dir()


def test_every_measure_and_gate_is_explained() -> None:
    text = METHOD.read_text(encoding="utf-8")
    measured = evaluation.metrics([0, 1], [0.1, 0.9], 0.5)
    assert [name for name in measured if f"`{name}`" not in text] == []
    assert set(evaluation.COMPARED) <= set(measured)
    named = gate_names()
    assert len(named) == 5
    assert [name for name in named if f"| {name} |" not in text] == []


def gate_names() -> set[str]:
    """The first argument of every Gate that the gates make."""
    tree = ast.parse(Path(gates.__file__).read_text(encoding="utf-8"))
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call)]
    first = [n.args[0] for n in calls if getattr(n.func, "id", "") == "Gate" and n.args]
    return {str(n.value) if isinstance(n, ast.Constant) else getattr(gates, n.id) for n in first}


def test_the_readme_carries_the_notice_of_the_data_and_both_licences() -> None:
    text = README.read_text(encoding="utf-8")
    assert CARD_NOTICE in " ".join(text.replace("\n> ", " ").split())
    assert "(LICENSE)" in text
    assert "(data/LICENSE-ODbL.txt)" in text


# What has to be right


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files_and_headings_that_exist(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http://", "https://")):
            continue
        name, _, heading = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        assert file.exists(), f"{path.name}: {target}"
        if heading:
            assert heading in anchors(file), f"{path.name}: {target}"


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_no_document_names_a_folder_of_somebodys_machine(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert re.findall(r"(?<![\w.])(?:/(?:home|root|work|Users|tmp|mnt)/|[A-Z]:\\)\S*", text) == []


def test_the_fixed_figures_are_those_of_the_code() -> None:
    rows = re.findall(r"^\| `(hitl\.[\w.]+)` \| `(.+?)` \|", METHOD.read_text("utf-8"), re.M)
    assert len(rows) > 20
    for name, stated in rows:
        assert ast.literal_eval(stated) == valued(name), name


def valued(name: str) -> object:
    parts = name.split(".")
    for split in range(len(parts) - 1, 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:split]))
        except ModuleNotFoundError:
            continue
        for part in parts[split:]:
            found = getattr(found, part)
        return found
    raise AssertionError(name)


def test_the_stated_parts_are_those_of_the_bundled_sample(tmp_path: Path) -> None:
    shutil.copy(ROOT / "data" / datasets.SAMPLE_FILE, tmp_path)
    pattern = r"^\| (\w+) \| (\w+) \| ([\d,]+) \| (\d+) \| (-?[\d,]+) \| (-?[\d,]+) \|$"
    stated = re.findall(pattern, DATA.read_text("utf-8"), re.M)
    measured = []
    for name, space in WORKSPACES.items():
        found = workflow.materials(space, tmp_path)
        for part in ("training", "test", "stream", "waiting"):
            rows = getattr(found, part)
            if len(rows):
                time = rows[space.time_column]
                frauds = int(rows[space.label_column].sum())
                figures = (len(rows), frauds, time.min(), time.max())
                measured.append((name, part, *(f"{int(figure):,}" for figure in figures)))
    assert stated == measured


def test_the_readme_states_the_average_precision_that_is_measured() -> None:
    text = " ".join(README.read_text("utf-8").split())
    pattern = r"average precision of ([\d.]+) .*?, (\d+) frauds\).*?finds (\d+) of the (\d+)"
    ((precision, frauds, caught, all_frauds),) = re.findall(pattern, text)
    rows = datasets.read_table(ROOT / "data" / datasets.SAMPLE_FILE)
    early, late = datasets.split_by_time(rows, time="Time", shares=(2 / 3, 1 / 3))
    budget = CARDS.false_alarm_budget
    model = models.fit(early, features=CARDS.features, weight="weight", budget=budget)
    found = evaluation.metrics(
        late["Class"], models.probabilities(model, late), model.threshold, weight=late["weight"]
    )
    assert float(precision) == pytest.approx(found["average_precision"], abs=0.01)
    assert int(frauds) == int(all_frauds) == found["positives"]
    assert int(caught) == pytest.approx(found["true_positives"], abs=1)


# The programs that make pictures and tables


def test_a_picture_gets_smaller_and_keeps_its_size() -> None:
    from PIL import Image

    wide = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").resize((1440, 900)).save(wide, "PNG")
    few = shots.smaller(wide.getvalue())
    assert len(few) <= len(wide.getvalue())
    with Image.open(io.BytesIO(few)) as picture:
        assert (picture.format, picture.size) == ("PNG", (1440, 900))


def test_without_a_chromium_no_picture_is_taken(monkeypatch, tmp_path, capsys) -> None:
    monkeypatch.setenv("HITL_CHROMIUM", str(tmp_path / "none"))
    assert shots.main(["--out", str(tmp_path / "pictures")]) == 2
    assert "make browser" in capsys.readouterr().err
    assert not (tmp_path / "pictures").exists()


def test_a_benchmark_line_says_how_many_times_longer_the_other_way_takes() -> None:
    line = timing.Line("add", "here", 0.002, "there", 0.25)
    assert timing.table([line]).splitlines()[-1] == "| add | here | 2 | there | 250 | 125 |"


def test_an_unknown_benchmark_is_refused_with_the_known_ones(capsys) -> None:
    assert benchmarks_main(["nonsense"]) == 2
    assert "counterfactuals, dossiers, explaining, paging" in capsys.readouterr().out


if __name__ == "__main__":
    refresh()
