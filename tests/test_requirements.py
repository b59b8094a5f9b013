"""What is installed where: pins, the files that hold them, and whether they resolve."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import streamlit.config as streamlit_config

from tests.servers import ROOT, required

FILES = ("requirements.txt", "requirements-postgres.txt", "requirements-dev.txt")
PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(\[[a-z,]+\])?==(?P<version>[0-9][0-9a-z.]*)$")
IMPORTED_AS = {"sklearn": "scikit-learn"}
PYTHONS = ("3.11", "3.12", "3.13")
UNREACHABLE = re.compile(r"failed to fetch|error sending request|dns error|could not connect", re.I)


def lines(name: str) -> list[str]:
    text = (ROOT / name).read_text()
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def pins(name: str) -> dict[str, str]:
    found = [PIN.match(line) for line in lines(name) if not line.startswith("-r ")]
    return {match["name"]: match["version"] for match in found if match}


@pytest.mark.parametrize("name", FILES)
def test_every_line_is_an_exact_pin(name: str) -> None:
    assert [
        line for line in lines(name) if not line.startswith("-r ") and not PIN.match(line)
    ] == []


def test_no_package_is_pinned_twice() -> None:
    names = [package.lower() for name in FILES for package in pins(name)]
    assert len(names) == len(set(names))


def test_the_tools_come_with_the_app_and_the_driver() -> None:
    assert lines("requirements-dev.txt")[:2] == [
        "-r requirements.txt",
        "-r requirements-postgres.txt",
    ]


def test_the_versions_the_design_rests_on() -> None:
    app, tests = pins("requirements.txt"), pins("requirements-dev.txt")
    assert app["duckdb"].startswith("2.0.")
    assert tests["shap"].startswith("0.51.")  # the last one for Python 3.11


def test_the_app_installs_no_library_that_only_tests_measure_against() -> None:
    assert not {"shap", "lime"} & set(pins("requirements.txt"))


def test_no_lock_file_overrides_requirements_txt() -> None:
    others = ("uv.lock", "Pipfile", "environment.yml")
    assert [name for name in others if (ROOT / name).exists()] == []


def test_every_library_the_app_imports_is_pinned() -> None:
    scripts = [
        *ROOT.glob("hitl/**/*.py"),
        *ROOT.glob("pages/**/*.py"),
        *ROOT.glob("streamlit_app.py"),
    ]
    used = {IMPORTED_AS.get(module, module) for path in scripts for module in imported(path)}
    declared = {name.replace("-", "_") for file in FILES[:2] for name in pins(file)}
    assert {name.replace("-", "_") for name in used} - declared == set()


def imported(path: Path) -> set[str]:
    """Return the top-level modules a file imports that are neither Python's nor ours."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = {a.name for node in nodes if isinstance(node, ast.Import) for a in node.names}
    names |= {n.module for n in nodes if isinstance(n, ast.ImportFrom) and n.module and not n.level}
    return {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) - {"hitl"}


@pytest.mark.parametrize("version", PYTHONS)
def test_the_app_resolves_on_each_python(version: str) -> None:
    compile_pins = [sys.executable, "-m", "uv", "pip", "compile", "--no-header", "--quiet"]
    target = ["--python-version", version, "--index-strategy", "unsafe-best-match", *pip_indexes()]
    done = subprocess.run(
        [*compile_pins, *target, "requirements.txt"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and UNREACHABLE.search(done.stderr) and not required("INDEX"):
        pytest.skip(f"The package index cannot be reached: {done.stderr.strip().splitlines()[0]}")
    assert done.returncode == 0, done.stderr
    resolved = dict(line.split("==") for line in done.stdout.splitlines() if re.match(r"\w", line))
    assert pins("requirements.txt").items() <= resolved.items()


def pip_indexes() -> list[str]:
    """Let uv look where this machine's pip looks; without a setting, both use their default."""
    options = {
        "index-url": "--default-index",
        "extra-index-url": "--index",
        "find-links": "--find-links",
    }
    asked = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    )
    found = re.findall(r"^(?:global|install|:env:)\.([a-z-]+)='(.*)'$", asked.stdout, re.M)
    return [
        word
        for name, value in found
        if name in options
        for address in value.replace("\\n", " ").split()
        for word in (options[name], address)
    ]


def test_the_configuration_names_only_options_streamlit_knows() -> None:
    tables = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())
    names = {f"{table}.{key}" for table, keys in tables.items() for key in keys}
    deeper = {f"theme.{mode}.{key}" for mode in ("light", "dark") for key in tables["theme"][mode]}
    known = set(streamlit_config._config_options_template)
    assert (names - {"theme.light", "theme.dark"} | deeper) - known == set()
    assert tables["browser"]["gatherUsageStats"] is False
    assert tables["server"]["fileWatcherType"] == "none"
