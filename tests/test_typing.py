"""What mypy is told to leave out for the sake of kernels holds everywhere else all the same."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
KERNEL = {"njit", "jit", "device", "inlined", "nogil_kernel"}  # decorators; numba types what they compile


def _decorators(function: ast.FunctionDef) -> set[str]:
    """Last words of the names: `jit` of `@cuda.jit(...)`."""
    calls = (d.func if isinstance(d, ast.Call) else d for d in function.decorator_list)
    return {ast.unparse(name).rpartition(".")[2] for name in calls}


def _functions(node: ast.AST) -> Iterator[ast.FunctionDef]:
    """Functions below a node, but for kernels and what is nested in them."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            if _decorators(child) & KERNEL:
                continue
            yield child
        yield from _functions(child)


def _is_annotated(function: ast.FunctionDef) -> bool:
    """`self` and `cls` need no type, nor does what `__init__` returns."""
    named = function.args
    arguments = [*named.posonlyargs, *named.args, *named.kwonlyargs, named.vararg, named.kwarg]
    told = all(a is None or a.annotation or a.arg in ("self", "cls") for a in arguments)
    return told and (function.returns is not None or function.name == "__init__")


def _bare(source: str) -> list[str]:
    return [f"{f.name}, line {f.lineno}" for f in _functions(ast.parse(source)) if not _is_annotated(f)]


@pytest.mark.parametrize("folder", ["uniscene_sim", "bridges", "examples"])
def test_functions_that_are_not_kernels_are_annotated(folder):
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    assert {str(file.relative_to(ROOT)): bare for file in files if (bare := _bare(file.read_text()))} == {}


@pytest.mark.parametrize(
    "source, bare",
    [
        ("def f(a: int) -> int: ...", False),
        ("def f(a) -> int: ...", True),
        ("def f(a: int): ...", True),
        ("def f(*a, **b) -> None: ...", True),
        ("class A:\n def __init__(self, a: int): ...", False),
        ("class A:\n def f(self): ...", True),
        ("def f() -> None:\n def g(a): ...", True),
        ("@njit(cache=True)\ndef f(a):\n def g(b): ...", False),
        ("@cuda.jit\ndef f(a): ...", False),
        ("@intrinsic\ndef f(a): ...", True),
        ("f = lambda a: a", False),
    ],
)
def test_what_counts_as_annotated(source, bare):
    assert bool(_bare(source)) == bare
