"""Settings are read as their kind and refused outside their range."""

import math

import pytest

from hitl.errors import InputError
from hitl.settings import SETTINGS, load

NUMBERS = [
    s for s in SETTINGS if isinstance(s.default, int | float) and not isinstance(s.default, bool)
]


def test_without_variables_every_setting_is_its_default():
    assert load({}) == {setting.name: setting.default for setting in SETTINGS}
    assert load({setting.variable: "" for setting in SETTINGS}) == load({})


@pytest.mark.parametrize("setting", NUMBERS, ids=lambda setting: setting.name)
def test_a_default_and_both_ends_of_a_range_are_allowed(setting):
    assert math.isfinite(setting.low)
    assert math.isfinite(setting.high)
    for value in (setting.low, setting.default, setting.high):
        found = load({setting.variable: str(value)})[setting.name]
        assert found == value
        assert type(found) is type(setting.default)


@pytest.mark.parametrize("setting", NUMBERS, ids=lambda setting: setting.name)
def test_just_outside_a_range_is_refused(setting):
    step = 1 if isinstance(setting.default, int) else 1e-6
    for value in (setting.low - step, setting.high + step):
        with pytest.raises(InputError) as caught:
            load({setting.variable: str(value)})
        assert caught.value.message.startswith(f"{setting.variable} is '{value}'")


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("HITL_LEASE_MINUTES", "-1", "between 0.1 and 10,080 (minutes)"),
        ("HITL_LEASE_MINUTES", "nan", "between 0.1 and 10,080 (minutes)"),
        ("HITL_LEASE_MINUTES", "inf", "between 0.1 and 10,080 (minutes)"),
        ("HITL_TICK_SECONDS", "0", "between 0.1 and 3,600 (seconds)"),
        ("HITL_AUDIT_SHARE", "7", "between 0 and 1 (share)"),
        ("HITL_THREADS", "0", "between 1 and 256 (threads)"),
        ("HITL_NOVELTY_RATE", "2", "between 0.0001 and 0.5 (share)"),
        ("HITL_SEED", "-4", "between 0 and 2,147,483,647 (number)"),
    ],
)
def test_a_value_out_of_range_is_named_with_variable_and_range(variable, value, allowed):
    with pytest.raises(InputError) as caught:
        load({variable: value})
    assert caught.value.message == f"{variable} is '{value}', which is not {allowed}."
    assert "default" in caught.value.hint


@pytest.mark.parametrize(
    ("secrets", "said"),
    [
        ({"threads": [2]}, "not a whole number"),
        ({"threads": math.inf}, "not a whole number"),
        ({"threads": "two"}, "not a whole number"),
        ({"audit_share": "all"}, "not a number"),
        ({"audit_share": 1.5}, "not between 0 and 1"),
        ({"ephemeral": "perhaps"}, "not yes or no"),
    ],
)
def test_a_secret_of_another_kind_is_refused(secrets, said):
    with pytest.raises(InputError, match=said):
        load({}, secrets)


def test_the_environment_comes_before_the_secrets():
    secrets = {"threads": 3, "seed": 5, "ephemeral": True, "data_dir": "rows"}
    found = load({"HITL_THREADS": "4"}, secrets)
    assert (found["threads"], found["seed"]) == (4, 5)
    assert (found["ephemeral"], found["data_dir"]) == (True, "rows")


@pytest.mark.parametrize(("given", "read"), [("no", False), ("0", False), ("YES", True)])
def test_the_planted_disparity_can_be_switched_off(given, read):
    assert load({})["payments_disparity"] is True
    assert load({"HITL_PAYMENTS_DISPARITY": given})["payments_disparity"] is read


def test_a_disparity_that_is_neither_on_nor_off_is_refused():
    with pytest.raises(InputError, match="HITL_PAYMENTS_DISPARITY is 'maybe'"):
        load({"HITL_PAYMENTS_DISPARITY": "maybe"})
