"""No block of lines of code stands twice in the package."""

import ast
from collections import defaultdict
from pathlib import Path

from test_architecture import PACKAGE

RUN = 6  # lines


def is_text(node):
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def left_out(tree):
    """First and last lines of imports, docstrings, signatures, constructors and records that are built."""
    for node in ast.walk(tree):
        match node:
            case ast.Import() | ast.ImportFrom():
                yield node.lineno, node.end_lineno
            case ast.FunctionDef(name="__init__"):
                yield node.lineno, node.end_lineno
            case ast.FunctionDef(lineno=first, decorator_list=decorators, body=[body, *_]):
                yield min([first, *(each.lineno for each in decorators)]), body.lineno - 1
        if getattr(node, "body", None) and isinstance(node.body, list) and is_text(node.body[0]):
            yield node.body[0].lineno, node.body[0].end_lineno
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            yield node.lineno, node.end_lineno


def lines_of(text):
    """Numbers and texts of lines that say what is done."""
    out = {line for first, last in left_out(ast.parse(text)) for line in range(first, last + 1)}
    lines = enumerate(map(str.strip, text.splitlines()), 1)
    return [(k, line) for k, line in lines if k not in out and line and not line.startswith("#")]


def repeated(texts):
    """Where runs of lines stand that stand elsewhere too, given texts by name."""
    places = defaultdict(list)
    for name, text in texts.items():
        lines = lines_of(text)
        for k in range(len(lines) - RUN + 1):
            places[tuple(line for _, line in lines[k : k + RUN])].append((name, lines[k][0]))
    return [found for found in places.values() if len(found) > 1]


def test_no_block_stands_twice():
    texts = {str(path.relative_to(PACKAGE)): path.read_text() for path in Path(PACKAGE).rglob("*.py")}
    assert len(texts) > 150
    assert repeated(texts) == []


def test_the_rule_finds_blocks():
    block = "\n".join(f"    x = f({k})" for k in range(RUN))
    one, other = f"def one(a):\n{block}\n", f'def other(b):\n    """Text."""\n    y = 1\n{block}\n'
    assert repeated({"one": one, "other": other}) == [[("one", 2), ("other", 4)]]
    assert repeated({"one": one, "other": other.replace("f(3)", "g(3)")}) == []
