"""The terminal's verbs and options, declared once."""

import argparse
import json
import math
from collections.abc import Callable, Sequence
from typing import Any

from hitl.errors import InputError
from hitl.explain.keys import METHODS
from hitl.workflow.people import ROLES, Person

Verb = Callable[[argparse.Namespace], dict[str, Any]]

SEEDS = 2**31
WORDS = (
    ("noun", "what one row is, such as payment"),
    ("positive", "what label 1 means, such as fraud"),
    ("negative", "what label 0 means, such as legitimate"),
)
"""Options of `explain` that name what its sentences speak of."""


def parser(verbs: Sequence[Verb], description: str | None) -> argparse.ArgumentParser:
    """Declare every verb with its options; each verb is a function that takes them."""
    whole = argparse.ArgumentParser(prog="python -m hitl", description=description)
    children = whole.add_subparsers(required=True, metavar="VERB")
    runs = {run.__name__: run for run in verbs}

    def verb(name: str, *positional: str) -> argparse.ArgumentParser:
        summary = (runs[name].__doc__ or "").splitlines()[0]
        child = children.add_parser(name, help=summary, description=summary)
        child.set_defaults(verb=runs[name])
        for given in positional:
            child.add_argument(given.lower(), metavar=given)
        child.add_argument("--json", action="store_true", help="print JSON on stdout")
        return child

    child = verb("seed")
    child.add_argument("--workspace", metavar="NAME")
    child.add_argument("--db", metavar="PATH")
    child.add_argument("--reset", action="store_true", help="delete what the workspace holds first")
    _acting(child)
    verb("demo")
    _train_options(verb("train", "DATA"))
    child = verb("evaluate", "MODEL", "DATA")
    child.add_argument("--label", required=True)
    child = verb("score", "MODEL", "DATA")
    child.add_argument("--out", required=True, metavar="FILE")
    _explain_options(verb("explain", "MODEL", "DATA"))
    child = verb("replay", "KEY_OR_FILE")
    child.add_argument("--model", metavar="MODEL_DIR", help="where the model lies now, if it moved")
    child.add_argument("--db", metavar="PATH")
    child = verb("decisions")
    child.add_argument("direction", choices=("export", "import"))
    child.add_argument("file", metavar="FILE")
    child.add_argument("--workspace", default="cards", metavar="NAME")
    child.add_argument("--db", metavar="PATH")
    _acting(child)
    child = verb("log")
    child.add_argument("direction", choices=("verify", "export", "import"))
    child.add_argument("file", metavar="FILE", nargs="?")
    child.add_argument("--workspace", metavar="NAME", help="default: all of them")
    child.add_argument("--db", metavar="PATH")
    _acting(child)
    child = verb("backup", "FILE")
    child.add_argument("--db", metavar="PATH")
    child = verb("restore", "FILE")
    child.add_argument("--db", metavar="PATH")
    child.add_argument("--replace", action="store_true", help="replace a database that holds rows")
    _acting(child)
    child = verb("sample", "DATA")
    child.add_argument("--out", default="data/ulb_sample.csv.gz", metavar="FILE")
    child.add_argument("--seed", type=_seed, default=0)
    return whole


def _explain_options(child: argparse.ArgumentParser) -> None:
    child.add_argument("--row", type=int, required=True, metavar="N", help="counted from 0")
    child.add_argument("--method", choices=METHODS, default="all", help="default: all of them")
    child.add_argument("--seed", type=_seed, default=0)
    child.add_argument("--against", metavar="MODEL_DIR", help="say what an older model thought")
    child.add_argument("--dossier", metavar="FILE.html", help="write the case file, and its JSON")
    child.add_argument("--workspace", metavar="NAME", help="speak as this workspace does")
    for name, meaning in WORDS:
        child.add_argument(f"--{name}", type=_word, metavar="WORD", help=meaning)


def _train_options(child: argparse.ArgumentParser) -> None:
    child.add_argument("--label", required=True, metavar="COLUMN")
    child.add_argument("--time", metavar="COLUMN", help="left out of the features")
    child.add_argument("--features", metavar="a,b", help="default: every other number column")
    child.add_argument(
        "--categorical", metavar="a,b", help="features that are names: text, or codes as text"
    )
    child.add_argument("--seed", type=_seed, default=0)
    child.add_argument("--budget", type=float, default=0.001, help="legitimate rows it may flag")
    child.add_argument("--rounds", type=int, default=200, help="trees")
    child.add_argument("--param", action="append", default=[], metavar="NAME=VALUE")
    child.add_argument("--out", required=True, metavar="MODEL_DIR")


def _acting(child: argparse.ArgumentParser) -> None:
    child.add_argument(
        "--as",
        dest="person",
        type=_person,
        default=Person("terminal", "admin"),
        metavar="NAME:ROLE",
        help=f"who does it; a role is {', '.join(ROLES)}; default: an admin",
    )


def _person(text: str) -> Person:
    name, _, role = text.rpartition(":")
    try:
        return Person(name, role)
    except InputError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME:ROLE. {error}") from error


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= SEEDS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to {SEEDS - 1}")
    return int(text)


def _word(text: str) -> str:
    word = " ".join(text.split())
    if not word:
        raise argparse.ArgumentTypeError("an empty word says nothing")
    return word


def parameters(given: list[str]) -> dict[str, Any]:
    """Read ``--param NAME=VALUE`` options; each value is a number, true or false."""
    found: dict[str, Any] = {}
    for item in given:
        name, equals, text = item.partition("=")
        if not equals:
            raise InputError(f"--param {item} has no value.", "Write it as NAME=VALUE.")
        try:
            value = json.loads(text)
        except json.JSONDecodeError:
            value = None
        if not isinstance(value, (bool, int, float)) or not math.isfinite(value):
            raise InputError(
                f"--param {item}: {text!r} is not a number.", "Give a number, true or false."
            )
        found[name] = value
    return found
