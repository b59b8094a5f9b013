"""The servers and the browser the other tests stand on, and the files a new machine starts from."""

import os
import re
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from hitl.settings import SETTINGS
from tests import browser as chromium
from tests import servers

PAGE = """
import streamlit as st

st.set_page_config(page_title="A small page")
st.title("A small page")
name = st.text_input("Name", key="name")
st.write(f"Hello {name}" if name else "Hello")
if st.button("Complain", key="complain"):
    st.image("http://example.invalid/missing.png", caption="a picture from elsewhere")
"""


def program(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return str(path)


# Chromium


def test_the_chosen_chromium_wins_over_the_path(tmp_path, monkeypatch) -> None:
    program(tmp_path / "bin" / "chromium")
    mine = program(tmp_path / "mine")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("HITL_CHROMIUM", mine)
    assert chromium.chromium_path() == mine


@pytest.mark.parametrize("name", chromium.CHROMIUM_NAMES)
def test_a_chromium_on_the_path_is_found_under_each_of_its_names(
    name, tmp_path, monkeypatch
) -> None:
    path = program(tmp_path / name)
    monkeypatch.delenv("HITL_CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert chromium.chromium_path() == path


def test_a_chosen_chromium_that_is_not_there_is_not_replaced_by_another(
    tmp_path, monkeypatch
) -> None:
    program(tmp_path / "chromium")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HITL_CHROMIUM", str(tmp_path / "typo"))
    assert chromium.chromium_path() is None


# PostgreSQL


def test_the_newest_postgres_is_taken_when_none_is_on_the_path(tmp_path, monkeypatch) -> None:
    for version in ("9", "15", "14"):
        program(tmp_path / version / "bin" / "initdb")
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(servers, "POSTGRES_FOLDERS", (f"{tmp_path}/*/bin",))
    assert servers.postgres_program("initdb") == str(tmp_path / "15" / "bin" / "initdb")
    assert servers.postgres_program("no_such_program") is None


def test_a_postgres_on_the_path_comes_first(tmp_path, monkeypatch) -> None:
    path = program(tmp_path / "initdb")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert servers.postgres_program("initdb") == path


@pytest.mark.postgres
def test_each_test_gets_a_database_of_its_own_and_empty(fresh_postgres_url, postgres_url) -> None:
    import psycopg

    with psycopg.connect(fresh_postgres_url) as connection:
        tables = connection.execute("SELECT 1 FROM pg_tables WHERE schemaname = 'public'")
        assert tables.fetchall() == []
        name = connection.info.dbname
    assert name.startswith("test_")
    assert name not in urlsplit(postgres_url).path


def test_a_database_address_is_given_for_each_engine(database_url, request) -> None:
    engine = request.node.callspec.params["database_url"]
    assert database_url.startswith("postgresql://") == (engine == "postgres")
    assert not Path(database_url).exists()


@pytest.mark.postgres
def test_a_stopped_postgres_leaves_nothing_behind() -> None:
    import psycopg

    if not servers.postgres_program("initdb"):
        pytest.skip("PostgreSQL's programs are not on this machine.")
    with servers.postgres_server() as url, psycopg.connect(url) as connection:
        ((folder,),) = connection.execute("SHOW data_directory").fetchall()
    assert not Path(folder).parent.exists()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)


# The app


def test_an_app_is_started_asked_and_killed(tmp_path) -> None:
    script = tmp_path / "page.py"
    script.write_text(PAGE)
    with servers.streamlit_server({}, script=script) as app:
        assert servers.healthy(app.port)
        assert str(app.port) in app.log.read_text()
        app.kill()
        assert app.process.returncode == -9
        assert not servers.healthy(app.port)
    assert not app.log.exists()


def test_an_app_that_cannot_start_says_why(tmp_path) -> None:
    missing = tmp_path / "missing.py"
    with (
        pytest.raises(RuntimeError, match=r"missing\.py"),
        servers.streamlit_server(script=missing),
    ):
        pass


def test_the_app_sees_only_the_settings_it_is_given(monkeypatch) -> None:
    monkeypatch.setenv("HITL_SEED", "7")
    monkeypatch.setenv("STREAMLIT_SERVER_PORT", "1")
    env = servers.app_environment({"HITL_THREADS": "1"})
    assert {k: v for k, v in env.items() if k.startswith(("HITL_", "STREAMLIT_"))} == {
        "HITL_THREADS": "1"
    }
    assert env["PATH"] == os.environ["PATH"]


def test_a_page_is_opened_used_and_listened_to(context, tmp_path) -> None:
    from playwright.sync_api import expect

    script = tmp_path / "page.py"
    script.write_text(PAGE)
    with servers.streamlit_server({}, script=script) as app:
        page = chromium.open_page(context, app.url)
        assert page.title() == "A small page"
        page.get_by_label("Name").fill("Mina")
        page.get_by_label("Name").press("Enter")
        chromium.settled(page)
        expect(page.get_by_text("Hello Mina")).to_be_visible()
        assert chromium.axe_violations(page) == []
        assert chromium.console_errors(page) == []
        assert chromium.foreign_requests(page) == []
        with page.expect_console_message(lambda message: message.type == "error"):
            page.get_by_role("button", name="Complain").click()
        assert set(chromium.foreign_requests(page)) == {"http://example.invalid/missing.png"}
        assert chromium.console_errors(page) != []
        page.evaluate("document.querySelector('h1').innerHTML = '<button></button>'")
        assert chromium.axe_violations(page)[0].startswith("button-name (critical)")
        page.close()


# The files a new machine starts from


def test_the_example_of_the_secrets_names_only_settings() -> None:
    text = (servers.ROOT / ".streamlit" / "secrets.toml.example").read_text()
    named = re.findall(r"^# (\w+) = ", text, re.M)
    assert named
    assert set(named) <= {setting.name for setting in SETTINGS}


def make(*words: str) -> "subprocess.CompletedProcess[str]":
    """Run make as a person would, whether or not make started these tests."""
    env = {k: v for k, v in os.environ.items() if k not in {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}}
    return subprocess.run(
        ["make", *words], cwd=servers.ROOT, env=env, capture_output=True, text=True, check=False
    )


def test_every_target_of_the_makefile_is_explained_by_help() -> None:
    text = (servers.ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.*)$", text, re.M)
    done = make("help")
    assert [line.split()[1] for line in done.stdout.splitlines()] == phony.split()


def test_make_without_a_suitable_python_says_what_to_install(tmp_path) -> None:
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = make("run", f"VENV={tmp_path}/venv", f"PYTHON={old}")
    assert done.returncode != 0
    assert "needs Python 3.11 or newer" in done.stderr
    assert not (tmp_path / "venv").exists()
