"""Makes the Python code of the messages: `python -m uniscene_sim.wire.generate`, or `make wire`."""

from __future__ import annotations

import re
import sys
from importlib.resources import files
from pathlib import Path

HERE = Path(__file__).parent


def generate(into: Path = HERE) -> None:
    """Write `*_pb2.py` and `*_pb2.pyi` for all messages below `into`.

    Raises:
        SystemExit: the compiler refuses a message; it has said why.
    """
    from grpc_tools import protoc

    protos = sorted(str(path.relative_to(HERE)) for path in HERE.rglob("*.proto"))
    common = str(files("grpc_tools") / "_proto")
    if code := protoc.main(
        ["protoc", f"-I{HERE}", f"-I{common}", f"--python_out={into}", f"--pyi_out={into}", *protos]
    ):
        raise SystemExit(code)
    for path in into.rglob("*_pb2.py*"):
        # protoc imports by the path of the .proto file; ours lie inside a package.
        text = path.read_text(encoding="utf-8")
        text = re.sub(r"^from uniscene\.v1 import", "from uniscene_sim.wire.uniscene.v1 import", text, flags=re.M)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
