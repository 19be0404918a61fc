"""A key for what code makes: it changes with the code, so that nobody need remember to count a version up."""

from __future__ import annotations

import ast
import hashlib
import platform
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

__all__ = ["source_key"]


def source_key(*modules: str) -> str:
    """SHA-256 over the source of modules of one package and of all that they import, directly or not.

    Of its own package the files count, of others their versions (absolute imports only), and the kind of processor,
    since the last bit of a sine may hang on it.
    """
    package = modules[0].partition(".")[0]
    files: dict[str, bytes] = {}
    versions: dict[str, str] = {}
    left = list(modules)
    while left:
        name = left.pop()
        other = name.partition(".")[0]
        if other != package:
            with suppress(PackageNotFoundError):
                versions[other] = version(other)
        elif name not in files and (path := _file(name)):
            files[name] = path.read_bytes()
            left += _imports(files[name])
    sha = hashlib.sha256(f"{platform.machine()} {sorted(versions.items())}".encode())
    for name in sorted(files):
        sha.update(f"\0{name}\0".encode() + files[name])
    return sha.hexdigest()


def _file(name: str) -> Path | None:
    """A module's source; None where the name is no module but something inside one."""
    try:
        spec = find_spec(name)
    except ModuleNotFoundError:
        return None
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None


def _imports(source: bytes) -> list[str]:
    """Names of what a source imports; each name taken from a module may be a module too."""
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return names
