"""Tables are read by content, bad rows are refused by name, and samples can be made again."""

import gzip
import io
import itertools
import pickle
import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hitl import datasets
from hitl.datasets import (
    CARD_COLUMNS,
    CARD_COMPONENTS,
    card_source,
    check_rows,
    default_features,
    fingerprint,
    id_column_of,
    left_out,
    read_table,
    sample_cards,
    split_by_time,
    write_sample,
)
from hitl.errors import (
    DataError,
    DuplicateIdsError,
    EmptyDataError,
    FileFormatError,
    InputError,
    MissingColumnsError,
    MissingValuesError,
    NotNumericError,
    TooFewLabelsError,
)

ROWS = pd.DataFrame({"a": [1.5, -2.0, 0.25], "b": [1, 2, 3], "c": ["x", "y", "é"]})


def csv_bytes(rows: pd.DataFrame) -> bytes:
    return rows.to_csv(index=False).encode()


def parquet_bytes(rows: pd.DataFrame) -> bytes:
    packed = io.BytesIO()
    rows.to_parquet(packed)
    return packed.getvalue()


def cards(n: int = 400, frauds: int = 20, seed: int = 0) -> pd.DataFrame:
    """Card rows of two days as Kaggle writes them: full digits, Time as a float, no row column."""
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame(rng.normal(0, 3, (n, 28)), columns=list(CARD_COMPONENTS))
    rows.insert(0, "Time", np.sort(rng.integers(0, 172_000, n)).astype(float))
    rows["Amount"] = rng.gamma(1, 80, n).round(2)
    rows["Class"] = 0
    rows.loc[rng.choice(n, frauds, replace=False), "Class"] = 1
    return rows


# Reading


@pytest.mark.parametrize("pack", [csv_bytes, parquet_bytes])
@pytest.mark.parametrize("zipped", [False, True])
def test_a_table_is_read_by_its_content_whatever_its_name(tmp_path, pack, zipped):
    path = tmp_path / "table.txt"
    content = pack(ROWS)
    path.write_bytes(gzip.compress(content) if zipped else content)
    pd.testing.assert_frame_equal(read_table(path), ROWS)


def test_an_upload_is_read_from_its_bytes():
    pd.testing.assert_frame_equal(read_table(csv_bytes(ROWS), "upload.parquet"), ROWS)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_header_decides_the_delimiter(delimiter):
    content = ROWS.to_csv(index=False, sep=delimiter).encode()
    pd.testing.assert_frame_equal(read_table(content), ROWS)


def test_a_byte_order_mark_is_not_part_of_the_first_name():
    assert read_table(b"\xef\xbb\xbfa,b\n1,2\n").columns.tolist() == ["a", "b"]


def test_a_named_parquet_index_comes_back_as_a_column():
    named = ROWS.set_index(pd.Index([7, 8, 10], name="row"))
    assert read_table(parquet_bytes(named))["row"].tolist() == [7, 8, 10]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_pickle_is_refused_unopened(protocol):
    with pytest.raises(FileFormatError, match=r"model\.pkl is a Python pickle"):
        read_table(pickle.dumps({"a": 1}, protocol=protocol), "model.pkl")


@pytest.mark.parametrize(
    "content",
    [
        b"PK\x03\x04 a zip or a spreadsheet \xff",
        b"\xff\xfe\x00\x01",
        b"a\x00b,c\n1,2\n",
        "näme,b\n1,2\n".encode("latin-1"),
        "a,b\nx,ü\n".encode("latin-1"),
        b'{"a": [1, 2]}',
        b"<html><body>sign in</body></html>",
        b'a,b\n"1,2\n',
        b"a,b\n1,2\n1,2,3\n",
        b"a,b\n1,2,3\n4,5,6\n",
        b"a,b\n0,2,3\n1,5,6\n",
    ],
)
def test_what_is_not_a_table_is_refused_with_a_hint(content):
    with pytest.raises(FileFormatError) as caught:
        read_table(content, "thing")
    assert caught.value.message.startswith("thing")
    assert caught.value.hint


@pytest.mark.parametrize(
    "content", [gzip.compress(csv_bytes(ROWS) * 50), parquet_bytes(ROWS)], ids=["gzip", "parquet"]
)
def test_a_truncated_file_is_called_damaged(content):
    with pytest.raises(FileFormatError, match="damaged"):
        read_table(content[: len(content) // 2])


def test_a_gzip_file_with_a_flipped_byte_is_called_damaged():
    content = bytearray(gzip.compress(b"a,b\n" + b"1,2\n" * 500))
    content[len(content) // 2] ^= 0xFF
    with pytest.raises(FileFormatError, match="damaged"):
        read_table(bytes(content))


@pytest.mark.parametrize("pack", [lambda rows: gzip.compress(csv_bytes(rows)), parquet_bytes])
def test_a_file_that_unpacks_to_too_much_is_refused(monkeypatch, pack):
    monkeypatch.setattr(datasets, "MAX_BYTES", 10)
    with pytest.raises(FileFormatError, match="unpacks to more than 10 bytes"):
        read_table(pack(ROWS))


@pytest.mark.parametrize("content", [b"", b"\n \n", b"a,b\n", parquet_bytes(ROWS[:0])])
def test_a_table_without_rows_is_refused(content):
    with pytest.raises(EmptyDataError):
        read_table(content)


def test_two_columns_of_one_name_are_refused():
    with pytest.raises(FileFormatError, match="two columns named 'a'"):
        read_table(b"a,b,a\n1,2,3\n")


def test_two_columns_of_one_name_are_refused_in_parquet_too():
    import pyarrow as pa
    import pyarrow.parquet

    packed = io.BytesIO()
    table = pa.table([pa.array([1]), pa.array([2])], names=["a", "a"])
    pyarrow.parquet.write_table(table, packed)
    with pytest.raises(FileFormatError, match="two columns named 'a'"):
        read_table(packed.getvalue())


def test_a_path_that_is_not_a_file_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="nowhere"):
        read_table(tmp_path / "nowhere.csv")


# Checking


def test_good_rows_pass_the_check():
    rows = pd.DataFrame({"id": [1, 2], "a": [1.0, 2.0], "f": [True, False], "y": [0, 1]})
    check_rows(rows, features=("a", "f"), label="y", id_column="id")


def test_missing_columns_are_all_named():
    with pytest.raises(MissingColumnsError, match=r"z, y, id\.") as caught:
        check_rows(ROWS, features=("a", "z"), label="y", id_column="id")
    assert "a, b, c" in caught.value.hint


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        (["1", "two"], "'two', which is not a number: row 1, counted from 0."),
        (["1", "2"], "numbers as text, the first '1': row 0, counted from 0."),
        ([None, "1"], "numbers as text, the first '1': row 1, counted from 0."),
        ([1 + 2j, 3j], "'(1+2j)', which is not a number: row 0, counted from 0."),
        ([None, "x"], "'x', which is not a number: row 1, counted from 0."),
        ([None, None], "has 2 missing or infinite values, the first in row 0, counted from 0."),
    ],
)
def test_text_where_a_number_belongs_is_quoted_with_its_row(values, shown):
    rows = pd.DataFrame({"a": values}, index=[7, 9], dtype=None if any(values) else object)
    with pytest.raises((NotNumericError, MissingValuesError), match="Column 'a'") as caught:
        check_rows(rows, features=("a",))
    assert shown in caught.value.message


def test_decimal_commas_are_answered_with_how_to_write_them():
    rows = read_table(b"a;b\n1,5;1\n2,5;2\n")
    with pytest.raises(NotNumericError, match=r"holds '1,5'.*: row 0, counted from 0") as caught:
        check_rows(rows, features=("a",))
    assert caught.value.hint.startswith("Write decimal points")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_missing_value_is_located_by_column_and_first_row(bad):
    rows = pd.DataFrame({"a": [1.0, 1, 1, 1], "b": [1, bad, 1, bad]})
    with pytest.raises(MissingValuesError, match=r"Column 'b' has 2 .* row 1, counted from 0"):
        check_rows(rows, features=("a", "b"))


def test_a_missing_nullable_integer_is_a_missing_value():
    rows = pd.DataFrame({"a": pd.array([1, None], dtype="Int64")})
    with pytest.raises(MissingValuesError, match="row 1, counted from 0"):
        check_rows(rows, features=("a",))


def test_a_missing_label_is_a_missing_value():
    with pytest.raises(MissingValuesError, match="'y'"):
        check_rows(pd.DataFrame({"y": [0, 1, np.nan]}), features=(), label="y")


@pytest.mark.parametrize(
    "values", [[1.0, np.nan], [None, None], pd.array([1, None], dtype="Int64")]
)
def test_a_value_may_be_missing_where_that_is_allowed(values):
    rows = pd.DataFrame({"a": values, "b": [1.0, 2.0]})
    check_rows(rows, features=("a", "b"), missing=("a",))
    with pytest.raises(MissingValuesError, match="'a'"):
        check_rows(rows, features=("a", "b"), missing=("b",))


def test_an_infinite_value_is_refused_even_where_one_may_be_missing():
    rows = pd.DataFrame({"a": [np.nan, np.inf]})
    with pytest.raises(MissingValuesError, match=r"'a' has 1 .* row 1, counted from 0"):
        check_rows(rows, features=("a",), missing=("a",))


def test_anything_but_a_date_can_be_a_category():
    rows = pd.DataFrame({"text": ["a", "b"], "number": [1, 2], "truth": [True, False]})
    rows["kind"] = rows["text"].astype("category")
    check_rows(rows, features=tuple(rows), categorical=tuple(rows))
    gap = rows.assign(text=["a", None])
    check_rows(gap, features=("text",), categorical=("text",), missing=("text",))
    with pytest.raises(MissingValuesError, match="'text' has 1 missing"):
        check_rows(gap, features=("text",), categorical=("text",))


@pytest.mark.parametrize(
    "values",
    [
        pd.to_datetime(["2026-01-01", "2026-01-02"]),
        pd.to_datetime(["2026-01-01", "2026-01-02"], utc=True),
        pd.to_timedelta(["1h", "2h"]),
        pd.period_range("2026-01", periods=2, freq="M"),
        [pd.Timestamp("2026-01-01").date()] * 2,
        [None, pd.Timestamp("2026-01-01").time()],
    ],
)
def test_dates_and_times_are_neither_numbers_nor_categories(values):
    rows = pd.DataFrame({"when": values})
    for named in ((), ("when",)):
        with pytest.raises(NotNumericError, match="'when' holds dates or times") as caught:
            check_rows(rows, features=("when",), categorical=named, missing=("when",))
        assert "hour" in caught.value.hint


def test_an_id_that_stands_twice_is_named():
    with pytest.raises(
        DuplicateIdsError, match="'k7' more than once, again in row 2, counted from 0"
    ):
        check_rows(pd.DataFrame({"id": ["k7", "k8", "k7"]}), features=(), id_column="id")


def test_a_missing_id_is_a_missing_value():
    with pytest.raises(MissingValuesError, match="'id'"):
        check_rows(pd.DataFrame({"id": ["k", None]}), features=(), id_column="id")


@pytest.mark.parametrize(("values", "shown"), [([0, 1, 2], "2"), ([0, 0, 0], "0"), ([1.0, 1], "1")])
def test_labels_must_be_zero_and_one_and_both_occur(values, shown):
    with pytest.raises(TooFewLabelsError, match=f"Column 'y' (holds|is) {shown}"):
        check_rows(pd.DataFrame({"y": values}), features=(), label="y")


def test_a_label_that_is_neither_has_its_row():
    with pytest.raises(TooFewLabelsError, match=r"holds 3; .*: row 2, counted from 0\."):
        check_rows(pd.DataFrame({"y": [0, 1, 3]}), features=(), label="y")


def test_rows_that_are_not_there_are_refused():
    with pytest.raises(EmptyDataError):
        check_rows(ROWS[:0], features=("a",))


# Features and ids


def test_features_are_the_numeric_columns_without_another_role():
    rows = pd.DataFrame({"t": [1, 1], "a": [1.0, 2], "c": ["x", "y"], "w": [1.0, 1], "y": [0, 1]})
    assert default_features(rows.assign(flag=True), label="y", time="t", weight="w") == (
        "a",
        "flag",
    )


@pytest.mark.parametrize(
    "name", ["row", "Row", "ID", "index", "card_id", "Unnamed: 0", "__index_level_0__"]
)
def test_a_column_that_numbers_the_rows_is_no_feature(name):
    rows = pd.DataFrame({name: [4, 5], "a": [1.0, 2.0], "y": [0, 1]})
    assert id_column_of(rows) == name
    assert default_features(rows, label="y") == ("a",)


@pytest.mark.parametrize(
    ("name", "values"),
    [("row", [4, 4]), ("id", [0.5, 1.5]), ("paid", [1, 2]), ("identity", [1, 2]), ("rows", [1, 2])],
)
def test_other_columns_are_not_taken_for_ids(name, values):
    rows = pd.DataFrame({name: values, "y": [0, 1]})
    assert id_column_of(rows) is None
    assert default_features(rows, label="y") == (name,)


def test_an_id_of_any_name_can_be_left_out():
    rows = pd.DataFrame({"key": [1, 2], "a": [1, 2], "y": [0, 1]})
    assert default_features(rows, label="y", id_column="key") == ("a",)


def test_a_table_without_numbers_has_no_features():
    with pytest.raises(NotNumericError, match="c, y"):
        default_features(pd.DataFrame({"c": ["x"], "y": [1]}), label="y")


def test_one_word_among_numbers_is_refused_and_not_left_out():
    amounts = [f"{n / 8}" for n in range(4_000)]
    amounts[1_234] = "twelve"
    table = "a,amount,y\n" + "".join(f"{n},{v},{n % 2}\n" for n, v in enumerate(amounts))
    rows = read_table(table.encode())
    expected = r"Column 'amount' holds 'twelve', .*: row 1,234, counted from 0"
    with pytest.raises(NotNumericError, match=expected) as caught:
        default_features(rows, label="y")
    assert caught.value.hint.startswith("Correct the value")


@pytest.mark.parametrize(
    ("values", "hint"),
    [
        (["1,5", "2,25", "3"], "Write decimal points"),
        (["1,200", "7", "8"], "Write decimal points"),
        (["1", "n/k"], "Correct the value"),
        (["1", "2", "3"], "Store the column as numbers"),
        (["x", "4", None], "Correct the value"),
        (pd.Categorical(["x", "4"]), "Correct the value"),
    ],
)
def test_text_that_is_half_numbers_is_taken_for_a_mistake(values, hint):
    rows = pd.DataFrame({"b": 1.0, "a": values, "y": 0})
    with pytest.raises(NotNumericError, match="Column 'a'") as caught:
        default_features(rows, label="y")
    assert caught.value.hint.startswith(hint)
    assert default_features(rows, label="y", time="a") == ("b",)
    assert default_features(rows, label="y", id_column="a") == ("b",)
    assert default_features(rows, label="y", weight="a") == ("b",)
    assert default_features(rows, label="a") == ("b", "y")


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("a", ["x", "y", "4"], "text"),
        ("a", [None, None, None], "text"),
        ("a", [True, None, False], "text"),
        ("a", pd.to_datetime(["2026-01-01"] * 3), "date"),
        ("a", ["2026-01-01", "2026-01-02", "2026-01-03"], "text"),
        ("a", [1 + 2j, 3j, 0j], "text"),
        ("card_id", ["007", "008", "x9"], "text"),
    ],
)
def test_what_is_truly_text_is_left_out_with_a_reason(name, values, reason):
    rows = pd.DataFrame({name: pd.Series(values), "b": 1.0, "y": 0})
    if not any(isinstance(value, complex) for value in values):
        assert default_features(rows, label="y") == ("b",)
    assert left_out(rows, features=("b",), label="y") == {name: reason}


def test_every_column_left_out_has_its_reason_in_file_order():
    rows = pd.DataFrame(
        {"key": ["k", "l"], "id": [1, 2], "t": 1, "w": 1.0, "b": 1.0, "c": 2.0, "y": [0, 1]}
    )
    roles = {"label": "y", "time": "t", "weight": "w", "id_column": "key"}
    assert default_features(rows, **roles) == ("b", "c")
    assert list(left_out(rows, features=("b",), **roles).items()) == [
        ("key", "row id"), ("id", "row id"), ("t", "time"), ("w", "weight"), ("c", "not listed"),
    ]  # fmt: skip
    assert left_out(rows[["b", "y"]], features=("b",), label="y") == {}


# Fingerprints


def test_a_fingerprint_survives_a_round_trip_through_csv_and_parquet():
    expected = fingerprint(ROWS)
    assert len(expected) == 64
    assert fingerprint(read_table(csv_bytes(ROWS))) == expected
    assert fingerprint(read_table(parquet_bytes(ROWS))) == expected


def test_a_fingerprint_ignores_the_index_the_width_and_the_sign_of_zero():
    rows = pd.DataFrame({"a": [0, 1, 2]})
    other = pd.DataFrame({"a": np.array([-0.0, 1, 2], dtype=np.float32)}, index=[5, 3, 1])
    assert fingerprint(rows) == fingerprint(other)


@pytest.mark.parametrize(
    "changed",
    [
        ROWS[::-1],
        ROWS[["b", "a", "c"]],
        ROWS.rename(columns={"a": "A"}),
        ROWS.assign(a=[1.5, -2.0, 0.25000000001]),
        ROWS.assign(a=[1.5, -2.0, np.nan]),
        ROWS.assign(c=["x", "y", None]),
        ROWS.assign(c=["x", "y", "None"]),
        ROWS.assign(b=["1", "2", "3"]),
        ROWS[:2],
        ROWS[["a", "b"]],
    ],
)
def test_a_fingerprint_changes_with_order_names_and_values(changed):
    assert fingerprint(changed) != fingerprint(ROWS)


def test_large_ids_that_a_float_would_merge_have_their_own_fingerprints():
    assert float(2**53) == float(2**53 + 1)
    assert fingerprint(pd.DataFrame({"id": [2**53]})) != fingerprint(
        pd.DataFrame({"id": [2**53 + 1]})
    )
    assert fingerprint(pd.DataFrame({"id": [2**62]})) != fingerprint(
        pd.DataFrame({"id": [2**62 + 1]})
    )


def test_texts_that_join_alike_have_their_own_fingerprints():
    first = pd.DataFrame({"c": ["ab", "c"]})
    assert fingerprint(first) != fingerprint(pd.DataFrame({"c": ["a", "bc"]}))


def test_every_kind_of_missing_number_is_one_value():
    odd_nan = struct.unpack("<d", struct.pack("<Q", 0x7FF8_0000_0000_0001))[0]
    assert fingerprint(pd.DataFrame({"a": [odd_nan]})) == fingerprint(pd.DataFrame({"a": [np.nan]}))


# The sample of the cards


def test_the_sample_holds_every_fraud_of_day_one_and_as_many_others_as_asked():
    rows = cards()
    sample = sample_cards(rows, n_legitimate=50)
    day = rows[rows["Time"] < 86_400]
    assert sample["Class"].sum() == day["Class"].sum()
    assert (sample["Class"] == 0).sum() == 50
    assert sample.columns.tolist() == ["row", *CARD_COLUMNS, "weight"]
    assert sample["row"].is_monotonic_increasing
    assert sample["row"].is_unique


def test_the_weights_add_up_to_the_distinct_payments_of_day_one():
    rows = cards()
    sample = sample_cards(rows, n_legitimate=50)
    assert sample["weight"].sum() == pytest.approx((rows["Time"] < 86_400).sum())
    assert (sample.loc[sample["Class"] == 1, "weight"] == 1).all()


def test_a_sampled_row_is_the_source_row_of_its_number():
    rows = cards()
    sample = sample_cards(rows, n_legitimate=50)
    source = rows.iloc[sample["row"].to_numpy()]
    np.testing.assert_allclose(
        sample[list(CARD_COMPONENTS)], source[list(CARD_COMPONENTS)], atol=5.1e-5
    )
    np.testing.assert_array_equal(sample["Time"], source["Time"])


def test_the_full_file_and_its_short_copy_give_the_same_sample():
    full = cards()
    repeated = pd.concat([full, full.iloc[[3, 30]]], ignore_index=True)
    short = repeated.astype({"Time": "int32", "Class": "int8"})
    for name in (*CARD_COMPONENTS, "Amount"):
        short[name] = repeated[name].round(4).astype("float32")
    short.insert(0, "row", np.arange(len(short), dtype="int32"))
    day = short[short["Time"] < 86_400].sample(frac=1, random_state=1)
    expected = sample_cards(repeated, n_legitimate=60, seed=4)
    pd.testing.assert_frame_equal(sample_cards(day, n_legitimate=60, seed=4), expected)
    assert fingerprint(expected) == fingerprint(sample_cards(full, n_legitimate=60, seed=4))


def test_rows_that_differ_only_beyond_four_decimals_count_once():
    rows = cards()
    twin = rows.iloc[[10]].assign(V1=rows["V1"].iloc[10].round(4) + 1e-7)
    sample = sample_cards(pd.concat([rows, twin], ignore_index=True), n_legitimate=10_000)
    assert sample["row"].max() < len(rows)


def test_rounding_leaves_no_noise_and_no_negative_zero():
    rows = cards().assign(V1=np.float32(0.1000000015), V2=-0.00001)
    sample = sample_cards(rows, n_legitimate=20)
    assert (sample["V1"] == 0.1).all()
    assert not np.signbit(sample["V2"]).any()


def test_a_seed_gives_one_sample_and_another_seed_another():
    rows = cards()
    first, again = (sample_cards(rows, n_legitimate=30, seed=1) for _ in range(2))
    pd.testing.assert_frame_equal(first, again)
    assert fingerprint(first) != fingerprint(sample_cards(rows, n_legitimate=30, seed=2))


def test_fewer_rows_than_asked_are_all_taken_with_weight_one():
    sample = sample_cards(cards(), n_legitimate=10_000)
    assert (sample["weight"] == 1).all()


def test_asking_for_no_legitimate_row_is_refused():
    with pytest.raises(InputError, match="n_legitimate is 0"):
        sample_cards(cards(), n_legitimate=0)


def test_a_table_of_something_else_is_not_sampled():
    with pytest.raises(MissingColumnsError, match="V28"):
        sample_cards(cards().drop(columns="V28"))


def test_a_day_without_fraud_is_not_sampled():
    rows = cards()
    with pytest.raises(TooFewLabelsError):
        sample_cards(rows[(rows["Class"] == 0) | (rows["Time"] >= 86_400)])


def test_time_in_parts_of_a_second_is_refused():
    with pytest.raises(DataError, match="parts of a second"):
        sample_cards(cards().assign(Time=0.5))


def test_writing_twice_gives_the_same_bytes_and_reading_gives_the_rows(tmp_path):
    sample = sample_cards(cards(), n_legitimate=40)
    for name in ("one.csv.gz", "two.csv.gz"):
        write_sample(sample, tmp_path / name)
    first = (tmp_path / "one.csv.gz").read_bytes()
    assert first == (tmp_path / "two.csv.gz").read_bytes()
    assert first[3] == 0  # no file name in the header
    assert first[4:8] == b"\x00\x00\x00\x00"  # no time in the header
    pd.testing.assert_frame_equal(read_table(tmp_path / "one.csv.gz"), sample)


# Where the cards come from


def test_the_bundled_sample_is_used_when_there_is_nothing_else(tmp_path):
    sample = sample_cards(cards(), n_legitimate=40)
    write_sample(sample, tmp_path / "ulb_sample.csv.gz")
    source = card_source(tmp_path)
    pd.testing.assert_frame_equal(source.rows, sample)
    assert (source.is_full, source.path.name) == (False, "ulb_sample.csv.gz")
    frauds = sample["Class"].sum()
    assert source.prevalence == pytest.approx(frauds / sample["weight"].sum())


@pytest.mark.parametrize("name", ["creditcard.csv", "creditcard.parquet"])
def test_the_full_file_is_preferred_and_loses_its_duplicates(tmp_path, name):
    write_sample(sample_cards(cards(), n_legitimate=40), tmp_path / "ulb_sample.csv.gz")
    full = cards(300)
    doubled = pd.concat([full, full.iloc[:5]], ignore_index=True)
    pack = csv_bytes if name.endswith("csv") else parquet_bytes
    (tmp_path / name).write_bytes(pack(doubled))
    source = card_source(tmp_path)
    assert source.is_full
    assert source.path == tmp_path / name
    assert source.rows["row"].tolist() == list(range(300))
    assert (source.rows["weight"] == 1).all()
    assert source.prevalence == pytest.approx(full["Class"].mean())


def test_a_folder_without_cards_says_what_to_put_there(tmp_path):
    with pytest.raises(InputError, match="no card data") as caught:
        card_source(tmp_path)
    assert "ulb_sample.csv.gz" in caught.value.hint


def test_a_sample_that_lost_its_weights_is_refused(tmp_path):
    sample = sample_cards(cards(), n_legitimate=40).drop(columns="weight")
    write_sample(sample, tmp_path / "ulb_sample.csv.gz")
    with pytest.raises(MissingColumnsError, match="weight"):
        card_source(tmp_path)


# Splitting by time


def test_the_parts_follow_each_other_and_have_the_asked_sizes():
    rows = pd.DataFrame({"t": np.random.default_rng(0).permutation(600), "k": range(600)})
    parts = split_by_time(rows, time="t", shares=(0.5, 1 / 6, 1 / 3))
    assert [len(part) for part in parts] == [300, 100, 200]
    assert all(a["t"].max() < b["t"].min() for a, b in itertools.pairwise(parts))
    assert all(part.index.tolist() == list(range(len(part))) for part in parts)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=8, max_size=60), st.integers(1, 9))
def test_no_row_is_lost_and_one_time_is_never_in_two_parts(times, tenth):
    rows = pd.DataFrame({"t": times, "k": range(len(times))})
    try:
        parts = split_by_time(rows, time="t", shares=(tenth / 10, 1 - tenth / 10))
    except EmptyDataError:
        return
    assert sorted(pd.concat(parts)["k"]) == list(range(len(times)))
    assert not set(parts[0]["t"]) & set(parts[1]["t"])
    assert len(parts[0]) <= round(tenth / 10 * len(times))


def test_a_single_part_is_everything_in_order():
    assert split_by_time(pd.DataFrame({"t": [2, 1]}), time="t", shares=(1.0,))[0]["t"].tolist() == [
        1,
        2,
    ]


@pytest.mark.parametrize("shares", [(), (0.5, 0.4), (1.5, -0.5), (0.0, 1.0)])
def test_shares_that_do_not_add_up_are_refused(shares):
    with pytest.raises(InputError, match="do not add up"):
        split_by_time(ROWS, time="a", shares=shares)


def test_rows_of_one_time_cannot_be_split():
    with pytest.raises(EmptyDataError, match="leaves one empty"):
        split_by_time(pd.DataFrame({"t": [5, 5, 5, 5]}), time="t", shares=(0.5, 0.5))


def test_a_missing_time_is_refused():
    with pytest.raises(MissingValuesError, match="'t'"):
        split_by_time(pd.DataFrame({"t": [1, np.nan]}), time="t", shares=(1.0,))


def test_splitting_leaves_the_given_rows_alone():
    rows = pd.DataFrame({"t": [3, 1, 2]})
    split_by_time(rows, time="t", shares=(0.5, 0.5))
    assert rows["t"].tolist() == [3, 1, 2]


def test_the_bundled_folder_is_a_card_source():
    source = card_source(Path(__file__).parents[1] / "data")
    assert 0.001 < source.prevalence < 0.002


def test_fields_are_left_as_they_are_written_when_asked():
    rows = datasets.read_table(b"note,verdict\n007,NA\n,fraud\n", as_text=True)
    assert rows.to_dict("list") == {"note": ["007", ""], "verdict": ["NA", "fraud"]}


@pytest.mark.parametrize("count", [1, 3])
def test_numbers_are_taken_out_by_name_whatever_stands_beside_them(count) -> None:
    rows = pd.DataFrame({"b": [2] * count, "other": ["x"] * count, "a": [np.nan] * count})
    numbers = rows.drop(columns="other")
    for table in (numbers, numbers.assign(c=np.float32(1))):
        found = datasets.plain_numbers(table, ("a", "b"))
        assert found is not None
        np.testing.assert_array_equal(found, [[np.nan, 2.0]] * count)
        found[:] = 7.0
        assert table["b"].tolist() == [2] * count
    for bad in ("x", True, pd.Timestamp("2026-01-01")):
        assert datasets.plain_numbers(numbers.assign(b=bad), ("a", "b")) is None
