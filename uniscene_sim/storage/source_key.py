"""A cache key for what code makes: it changes with the code, so that nobody has to remember a version number."""

from __future__ import annotations

import ast
import hashlib
import platform
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

__all__ = ["source_key"]


@cache
def source_key(*modules: str) -> str:
    """SHA-256 over the source of modules of one package and of all that they import, directly or not.

    Of the module's own package it covers the files, of other packages their versions (absolute imports only). The kind
    of processor counts too, since the last bit of a sine may depend on it. A process reads it once: what it has loaded
    stays as it is when a file is edited later.
    """
    package = modules[0].partition(".")[0]
    files: dict[str, bytes] = {}
    others: set[str] = set()
    left = list(modules)
    while left:
        name = left.pop()
        if (other := name.partition(".")[0]) != package:
            others.add(other)
        elif name not in files and (path := _file(name)):
            files[name] = path.read_bytes()
            left += _imports(files[name])
    versions: dict[str, str] = {}
    for other in others:
        with suppress(PackageNotFoundError):  # of Python itself
            versions[other] = version(other)
    sha = hashlib.sha256(f"{platform.machine()} {sorted(versions.items())}".encode())
    for name in sorted(files):
        sha.update(f"\0{name}\0".encode() + files[name])
    return sha.hexdigest()


def _file(name: str) -> Path | None:
    """A module's source file; None if the name is not a module but something inside one."""
    try:
        spec = find_spec(name)
    except ModuleNotFoundError:
        return None
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None


def _imports(source: bytes) -> list[str]:
    """Names that a source imports; each name imported from a module may be a module too."""
    names = []
    left: list[ast.AST] = [ast.parse(source)]
    while left:
        node = left.pop()
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for part in ("body", "orelse", "finalbody", "handlers", "cases"):  # no import is in an expression
            if isinstance(inner := getattr(node, part, None), list):
                left += inner
    return names
