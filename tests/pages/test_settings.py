"""Settings: where data lie, what can be taken away, and what happens to broken files."""

import io
import json
import shutil
import zipfile
from pathlib import Path

import pandas as pd
import pytest
import streamlit as st
from streamlit.runtime.pages_manager import PagesManager
from streamlit.testing.v1 import AppTest

from hitl import datasets, settings, workflow
from hitl.errors import (
    DuplicateIdsError,
    EmptyDataError,
    FileFormatError,
    MissingColumnsError,
    MissingValuesError,
    ModelFormatError,
    NotNumericError,
    TamperedModelError,
)
from hitl.store import Store
from hitl.ui import resources, upkeep
from hitl.workflow import Person
from hitl.workspaces import CARD_NOTICE, REASONS, STORY

ROOT = Path(__file__).resolve().parents[2]
NOW_MS = 1_763_800_000_000


@pytest.fixture(scope="module")
def story() -> workflow.Materials:
    return workflow.materials(STORY, ROOT / "data")


@pytest.fixture(scope="module")
def database(tmp_path_factory, story) -> Path:
    """The story with one decision and some cases that wait."""
    path = tmp_path_factory.mktemp("settings") / "story.duckdb"
    with Store(str(path)) as store:
        workflow.seed(store, story, seed=0, novelty_rate=0.001, now_ms=NOW_MS)
        workflow.ingest(store, story, 12, now_ms=NOW_MS)
        held = workflow.claim(store, STORY, Person("Mina"), now_ms=NOW_MS)
        assert held is not None
        workflow.decide(
            store, STORY, held, verdict="legitimate", reason=REASONS["legitimate"][0],
            note="seen before", key="k1", now_ms=NOW_MS,
        )  # fmt: skip
    return path


@pytest.fixture(scope="module")
def champion(database) -> workflow.Stored:
    with Store(str(database)) as store:
        return workflow.champion(store, "story")


@pytest.fixture(scope="module")
def packed(champion) -> dict[str, bytes]:
    """The champion's three files by name."""
    with zipfile.ZipFile(io.BytesIO(upkeep.model_zip(champion))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def app(database, tmp_path, monkeypatch):
    """Open the page on the story, in a process that has drawn its frame before."""
    make = PagesManager.__init__

    def made(self, *arguments, **options) -> None:
        make(self, *arguments, **options)
        PagesManager.uses_pages_directory = False

    monkeypatch.setattr(PagesManager, "__init__", made)
    path = tmp_path / "app.duckdb"
    shutil.copy(database, path)
    monkeypatch.setenv("HITL_DATABASE_URL", str(path))
    monkeypatch.setenv("HITL_DATA_DIR", str(ROOT / "data"))
    st.cache_resource.clear()
    st.cache_data.clear()
    page = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=60)
    page.query_params["workspace"] = "story"
    page.run().switch_page("pages/settings.py").run()
    assert not page.exception
    yield page
    st.cache_resource.clear()
    st.cache_data.clear()


def words(app: AppTest) -> str:
    kinds = (app.markdown, app.caption, app.header, app.success, app.error)
    cells = [str(cell) for table in app.table for cell in table.value.to_numpy().ravel()]
    return "\n".join([*(element.value for kind in kinds for element in kind), *cells])


def uploads(packed: dict[str, bytes]) -> list[tuple[str, bytes]]:
    return list(packed.items())


# What the page says


def test_the_page_says_what_the_workspace_is_and_where_its_rows_come_from(app, story) -> None:
    text = words(app)
    assert STORY.sentence in text
    assert f"{story.source}, a bundled sample" in text
    assert f"{len(story.training):,} · {len(story.test):,} · {len(story.stream):,} rows" in text
    assert "the field at the top right" in text
    assert CARD_NOTICE in text


def test_the_page_says_from_when_on_a_case_is_flagged_or_novel(app, champion) -> None:
    text = words(app)
    assert f"Thresholds of {champion.model_id}" in text
    assert champion.model.card["threshold_sentence"] in text
    assert "0.1 % of known legitimate cases may be novel" in text


def test_the_page_says_whether_what_is_stored_survives_a_restart(app) -> None:
    assert "everything is still there" in words(app)


def test_every_setting_is_listed_with_its_variable_and_sentence(app) -> None:
    text = words(app)
    for setting in settings.SETTINGS:
        assert f"`{setting.variable}`" in text
        assert setting.sentence in text


def test_four_downloads_are_offered(app) -> None:
    labels = [button.label for button in app.get("download_button")]
    assert len(labels) == 4
    assert "Whole database (backup)" in labels


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("data/look.duckdb", "data/look.duckdb"),
        ("duckdb:data/look.duckdb", "data/look.duckdb"),
        ("postgresql://mina:s3cr@t@db:5432/look", "postgresql://db:5432/look"),
        ("postgres://db/look?password=s3cr", "postgres://db/look"),
        ("postgresql://mina:s3cr@db/look#s3cr", "postgresql://db/look"),
    ],
)
def test_a_password_in_the_database_url_is_never_shown(url, shown) -> None:
    assert upkeep.place(url) == shown
    table = upkeep.settings_table({**settings.load({}), "database_url": url})
    assert "s3cr" not in table.to_csv()
    assert shown in table["Value"].tolist()


# What can be taken away


def test_a_downloaded_model_is_the_one_in_use(packed, champion) -> None:
    assert sorted(packed) == sorted(upkeep.MODEL_FILES)
    model, detector = upkeep.foreign_model(uploads(packed))
    assert model.model_id == champion.model_id
    assert detector.limit == champion.detector.limit


def test_a_backup_holds_every_decision(database, tmp_path) -> None:
    with Store(str(database)) as store:
        content = upkeep.backup_bytes(store)
        wanted = store.view("decisions")
    (tmp_path / "copy.duckdb").write_bytes(content)
    with Store(str(tmp_path / "copy.duckdb")) as copy:
        pd.testing.assert_frame_equal(copy.view("decisions"), wanted)


def test_downloaded_tables_can_be_read_back(database) -> None:
    with Store(str(database)) as store:
        decisions = datasets.read_table(upkeep.decisions_csv(store, STORY))
        scored = datasets.read_table(upkeep.scored_csv(store, STORY))
        n = len(store.view("scored_instances", workspace="story"))
    assert decisions["note"].tolist() == ["seen before"]
    assert len(scored) == n
    assert "V14" in json.loads(scored["features"].iloc[0])


# Bringing decisions back


def bring(app: AppTest, content: bytes) -> AppTest:
    app.file_uploader(key="decisions_file").set_value(("d.csv", content, "text/csv"))
    return app.run().button(key="import_decisions").click().run()


def decided() -> int:
    return len(resources.store().view("decisions", workspace="story"))


def test_nothing_can_be_imported_before_a_file_is_chosen(app) -> None:
    assert app.button(key="import_decisions").disabled


def test_an_exported_file_changes_nothing_when_it_comes_back(app) -> None:
    bring(app, upkeep.decisions_csv(resources.store(), STORY))
    assert "is here already" in app.success[0].value
    assert decided() == 1


def test_decisions_from_a_file_are_added(app) -> None:
    waiting = resources.store().view("review_queue", workspace="story")["instance_id"].tolist()
    bring(app, f"instance_id,verdict\n{waiting[0]},fraud\n{waiting[1]},unsure\n".encode())
    assert "2 new decisions" in app.success[0].value
    assert decided() == 3


@pytest.mark.parametrize(
    ("second", "message"),
    [("{0},perhaps", "'perhaps' is not a verdict here"), ("nobody-7,fraud", "nobody-7")],
)
def test_one_wrong_row_and_nothing_is_imported(app, second, message) -> None:
    waiting = resources.store().view("review_queue", workspace="story")["instance_id"].tolist()
    rows = f"instance_id,verdict\n{waiting[0]},fraud\n{second.format(waiting[1])}\n"
    bring(app, rows.encode())
    assert message in app.error[0].value
    assert decided() == 1
    assert "Try a model on your data" in words(app)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "empty"), (b"a,b\n1,2\n", "lacks instance_id and verdict"), (b"\x80\x04.", "pickle")],
)
def test_a_file_that_is_no_decision_file_is_refused(app, content, message) -> None:
    bring(app, content)
    assert message in app.error[0].value.lower().replace("no rows", "empty")
    assert decided() == 1


# Trying a model


def test_a_model_and_a_table_are_tried_and_nothing_is_kept(app, packed, story) -> None:
    before = len(resources.store().view("models", workspace="story"))
    rows = story.test.head(30)
    app.file_uploader(key="model_files").set_value(
        [(name, content, "text/plain") for name, content in packed.items()]
    )
    app.file_uploader(key="rows_file").set_value(("t.csv", rows.to_csv().encode(), "text/csv"))
    app.run().button(key="try_model").click().run()
    assert not app.exception
    assert "of 30 rows of t.csv" in app.success[0].value
    shown = app.dataframe[0].value
    assert len(shown) == upkeep.SHOWN_ROWS
    assert set(shown["row"]) <= set(rows["row"].map(str))
    labels = [button.label for button in app.get("download_button")]
    assert "All scored rows (CSV)" in labels
    assert len(resources.store().view("models", workspace="story")) == before


def test_a_broken_upload_shows_its_error_on_the_page(app, packed) -> None:
    app.file_uploader(key="model_files").set_value(("model.txt", b"\x80\x04.", "text/plain"))
    app.file_uploader(key="rows_file").set_value(("t.csv", b"V4,V14\n1,2\n", "text/csv"))
    app.run().button(key="try_model").click().run()
    assert "is a Python pickle" in app.error[0].value


def test_a_model_gives_uploaded_rows_the_scores_the_app_gives(packed, champion, story) -> None:
    model, detector = upkeep.foreign_model(uploads(packed))
    rows = story.stream.head(12)
    found = upkeep.score(model, detector, rows)
    wanted = workflow.predict(champion, rows)
    assert found["state"].tolist() == wanted["state"].tolist()
    assert found["flagged"].tolist() == wanted["is_flagged"].tolist()
    assert found["probability"].tolist() == wanted["probability"].tolist()
    assert found["novelty"].tolist() == wanted["novelty"].tolist()


def test_flagged_and_novel_rows_are_shown_first() -> None:
    n = upkeep.SHOWN_ROWS + 5
    states = ["normal"] * n
    states[n - 1], states[n - 2], states[n - 3] = "novel", "known anomaly", "novel and flagged"
    states[n - 4] = "known anomaly"
    scored = pd.DataFrame({"row": range(n), "probability": [0.01 * row for row in range(n)]})
    scored["flagged"] = [state in ("known anomaly", "novel and flagged") for state in states]
    plain = scored.copy()
    scored["novelty"], scored["state"] = 1.0, states
    shown = upkeep.trial_table(scored)
    assert len(shown) == upkeep.SHOWN_ROWS
    first = [n - 3, n - 2, n - 4, n - 1, n - 5, n - 6]
    assert shown["row"].head(6).tolist() == [str(row) for row in first]
    assert shown["State"].head(4).tolist() == [states[row] for row in first[:4]]
    assert shown["Flagged"].head(4).tolist() == ["yes", "yes", "yes", "no"]
    without = upkeep.trial_table(plain)
    assert without["row"].head(3).tolist() == [str(n - 2), str(n - 3), str(n - 4)]
    assert "State" not in without


def test_the_licence_is_the_last_section_of_the_page(app) -> None:
    assert [header.value for header in app.header][-2:] == ["Try a model on your data", "Licence"]


def test_a_zip_is_taken_as_well_as_its_three_files(champion, story) -> None:
    model, detector = upkeep.foreign_model([("model.zip", upkeep.model_zip(champion))])
    assert model.model_id == champion.model_id
    assert detector is not None


def test_without_a_detector_nothing_is_said_about_novelty(packed, story) -> None:
    files = [(name, content) for name, content in packed.items() if name != "novelty.json"]
    model, detector = upkeep.foreign_model(files)
    assert detector is None
    assert "state" not in upkeep.score(model, detector, story.stream.head(2))


def test_rows_without_an_id_are_counted_from_0_as_in_the_terminal(packed, story) -> None:
    model, _ = upkeep.foreign_model(uploads(packed))
    scored = upkeep.score(model, None, story.stream[["V4", "V14"]].head(2))
    assert scored["row_number"].tolist() == [0, 1]
    assert set(upkeep.trial_table(scored)["Row, counted from 0"]) == {"0", "1"}


def one_digit_changed(text: bytes) -> bytes:
    at = text.index(b"leaf_value=") + len(b"leaf_value=") + 5
    digit = b"1" if text[at : at + 1] != b"1" else b"2"
    return text[:at] + digit + text[at + 1 :]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"model.txt": lambda text: b"\x80\x04" + text}, ModelFormatError),
        ({"model.txt": lambda text: text[: len(text) // 2]}, ModelFormatError),
        ({"model.txt": one_digit_changed}, TamperedModelError),
        ({"model.txt": lambda text: b""}, ModelFormatError),
        ({"card.json": lambda text: text[:50]}, ModelFormatError),
        ({"novelty.json": lambda text: text[:50]}, ModelFormatError),
    ],
    ids=["pickle", "cut off", "one digit", "empty", "card cut off", "detector cut off"],
)
def test_a_broken_model_is_refused_without_naming_our_folders(packed, changes, error) -> None:
    files = {name: changes.get(name, bytes)(content) for name, content in packed.items()}
    with pytest.raises(error) as caught:
        upkeep.foreign_model(uploads(files))
    assert "/tmp" not in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("name", "message"), [("model.txt", "lacks model.txt"), ("card.json", "lacks card.json")]
)
def test_a_model_without_one_of_its_files_is_refused(packed, name, message) -> None:
    files = [(n, content) for n, content in packed.items() if n != name]
    with pytest.raises(ModelFormatError, match=message):
        upkeep.foreign_model(files)


def test_a_pickle_alone_is_called_a_pickle() -> None:
    with pytest.raises(ModelFormatError, match="pickle"):
        upkeep.foreign_model([("model.pkl", b"\x80\x04.")])


def test_a_damaged_zip_is_refused(champion) -> None:
    content = upkeep.model_zip(champion)
    with pytest.raises(FileFormatError, match="zip cannot be read"):
        upkeep.foreign_model([("model.zip", content[: len(content) // 2])])


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


METHODS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]


@pytest.mark.parametrize("method", METHODS, ids=["stored", "deflate", "bzip2", "lzma"])
def test_a_flipped_byte_anywhere_in_a_zip_is_one_clear_message(packed, method) -> None:
    files = {name: content[:3_000] for name, content in packed.items()}
    whole = zipped(files, method)
    refusals = []
    for place in range(4, len(whole), max(1, len(whole) // 400)):
        spoiled = bytearray(whole)
        spoiled[place] ^= 0xFF
        try:
            found = upkeep._unzipped(bytes(spoiled))
        except FileFormatError as error:
            refusals.append(error.message)
        else:  # a byte of a date, a right or a name
            assert all(content == files[name] for name, content in found.items())
    assert len(refusals) > 200
    known = ("The zip cannot be read: it is damaged", "A file of the zip unpacks to more")
    assert all(message.startswith(known) for message in refusals)


def test_a_zip_that_needs_a_password_is_refused(packed) -> None:
    content = zipped(packed)
    start = content.index(b"PK\x01\x02")
    locked = content[:6] + b"\x01" + content[7 : start + 8] + b"\x01" + content[start + 9 :]
    with pytest.raises(FileFormatError, match="encrypted"):
        upkeep.foreign_model([("model.zip", locked)])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model.txt": lambda text: text[: len(text) // 2]}, "cut off"),
        ({"model.txt": lambda _: b"\x80\x04\x95pickle"}, "Python pickle"),
        ({"card.json": lambda _: b"\x80\x04\x95pickle"}, "damaged"),
        ({"novelty.json": lambda _: b"\x80\x04\x95pickle"}, "novelty"),
    ],
    ids=["truncated text", "pickled model", "pickled card", "pickled detector"],
)
def test_a_broken_file_inside_a_zip_is_refused(packed, changes, message) -> None:
    files = {name: changes.get(name, bytes)(content) for name, content in packed.items()}
    with pytest.raises(ModelFormatError, match=message):
        upkeep.foreign_model([("model.zip", zipped(files))])


def test_a_damaged_zip_shows_its_error_on_the_page(app, champion) -> None:
    content = bytearray(upkeep.model_zip(champion))
    content[len(content) // 3] ^= 0xFF
    app.file_uploader(key="model_files").set_value(("m.zip", bytes(content), "application/zip"))
    app.file_uploader(key="rows_file").set_value(("t.csv", b"V4,V14\n1,2\n", "text/csv"))
    app.run().button(key="try_model").click().run()
    assert not app.exception
    assert "The zip cannot be read" in app.error[0].value


def test_a_zip_that_unpacks_to_too_much_is_refused(champion, monkeypatch) -> None:
    monkeypatch.setattr(upkeep, "MAX_UNPACKED", 1_000)
    with pytest.raises(FileFormatError, match="unpacks to more"):
        upkeep.foreign_model([("model.zip", upkeep.model_zip(champion))])


@pytest.mark.parametrize(
    ("content", "error", "named"),
    [
        (b"V4\n1\n", MissingColumnsError, "V14"),
        (b"V4,V14\n1,high\n", NotNumericError, "'high'"),
        (b"V4,V14\n1,\n", MissingValuesError, "V14"),
        (b"V4,V14\n1,inf\n", MissingValuesError, "V14"),
        (b"row,V4,V14\n7,1,1\n7,1,2\n", DuplicateIdsError, "7"),
        (b"V4,V14\n", EmptyDataError, "t.csv"),
        (b"", (EmptyDataError, FileFormatError), "t.csv"),
        (b"\x80\x04.", FileFormatError, "t.csv"),
    ],
    ids=["no column", "text", "NaN", "infinite", "same id", "no rows", "empty", "pickle"],
)
def test_broken_rows_are_refused_with_their_place(packed, content, error, named) -> None:
    model, _ = upkeep.foreign_model(uploads(packed))
    with pytest.raises(error, match=named):
        upkeep.foreign_rows(content, "t.csv", model)
