"""No module and no function is longer than CONTRIBUTING allows."""

import ast
import io
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted(path for part in ("hitl", "pages") for path in (ROOT / part).rglob("*.py"))
MOST_LINES, MOST_IN_A_FUNCTION = 400, 50
NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


def code_lines(text: str) -> set[int]:
    """Numbers of the lines that are neither blank nor comment nor a text that stands alone."""
    told: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            told |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in NO_CODE:
            lines |= set(range(token.start[0], token.end[0] + 1))
    return lines - told


def functions(text: str) -> Iterator[tuple[str, int]]:
    """Each function with the number of its lines of code."""
    code = code_lines(text)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            yield node.name, len(code & set(range(node.lineno, (node.end_lineno or 0) + 1)))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_modules_and_functions_are_short(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(code_lines(text)) <= MOST_LINES
    assert [found for found in functions(text) if found[1] > MOST_IN_A_FUNCTION] == []


def test_blanks_comments_and_docstrings_are_no_code() -> None:
    text = '"""Two\nlines."""\n\nA = 1\n"""What A is."""\n# why\n\n\ndef f():\n'
    text += '    """F."""\n    return (\n        A\n    )\n'
    assert code_lines(text) == {4, 9, 11, 12, 13}
    assert list(functions(text)) == [("f", 4)]
