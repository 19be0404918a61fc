"""`uniscene-sim serve`: the arguments of the command, and the server until a signal ends it."""

from __future__ import annotations

import argparse
from typing import Any

from uniscene_sim.cli.arguments import path_argument, positive_integer
from uniscene_sim.errors import InputError, InputWarning

__all__ = ["add_remote", "add_serve", "remote_of"]

_PORT = 50151
_LIMITS = {"sessions": "sessions at once", "worlds": "worlds of a session", "message_mib": "size of a request, MiB",
           "map_mib": "size of a map, MiB"}  # fmt: skip
_DEFAULTS = {"sessions": 8, "worlds": 256, "message_mib": 16, "map_mib": 64}


def add_serve(commands: Any) -> None:
    """Add the command to a parser's subparsers."""
    serve = commands.add_parser("serve", help="simulate sensors for clients (run --remote) on other machines")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1, this machine)")
    serve.add_argument("--port", type=_port, default=_PORT, help=f"port, 0 for any (default: {_PORT})")
    serve.add_argument("--tls-cert", type=path_argument, metavar="FILE", help="certificate of this server (PEM)")
    serve.add_argument("--tls-key", type=path_argument, metavar="FILE", help="its private key (PEM)")
    for name, what in _LIMITS.items():
        option = f"--{name.replace('_', '-')}"
        serve.add_argument(option, type=positive_integer, default=_DEFAULTS[name], metavar="N",
                           help=f"most {what} (default: {_DEFAULTS[name]})")  # fmt: skip
    serve.add_argument("--device", default="cpu", choices=("cpu", "cuda"), help="where rays are traced (default: cpu)")
    serve.add_argument("--no-cache", action="store_true", help="make all tiles again and keep none on disk")
    serve.set_defaults(command=_serve)


def add_remote(parser: argparse.ArgumentParser) -> None:
    """Add the options of a client."""
    parser.add_argument("--remote", metavar="HOST:PORT", help="have a `uniscene-sim serve` simulate the sensors")
    parser.add_argument("--tls-ca", type=path_argument, metavar="FILE",
                        help="certificates (PEM) that the remote's must go back to (default: no TLS)")  # fmt: skip


def remote_of(arguments: argparse.Namespace) -> Any:
    """The server that the options name, None for none."""
    from uniscene_sim.remote.address import Remote

    if arguments.remote is None:
        if arguments.tls_ca is not None:
            raise InputError("expected --remote beside it", field="tls_ca")
        return None
    return Remote(arguments.remote, arguments.tls_ca)


def _port(text: str) -> int:
    from uniscene_sim.limits.numbers import whole_number

    try:
        port = whole_number(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if not 0 <= port < 2**16:
        raise argparse.ArgumentTypeError(f"expected 0 to 65535, got {port}")
    return port


def _serve(arguments: argparse.Namespace) -> int:
    import warnings

    from uniscene_sim.remote.address import is_loopback
    from uniscene_sim.remote.limits import ServerLimits
    from uniscene_sim.remote.server import Server, TlsFiles
    from uniscene_sim.storage.disk_cache import user_cache

    renamed = {}
    if arguments.device == "cuda":
        from uniscene_sim.cuda.device import require_device

        require_device("--device")
        renamed = {"raycast": "raycast-cuda"}
    if (arguments.tls_cert is None) != (arguments.tls_key is None):
        raise InputError("expected --tls-cert and --tls-key together")
    tls = None if arguments.tls_cert is None else TlsFiles(arguments.tls_cert, arguments.tls_key)
    if tls is None and not is_loopback(arguments.host):
        why = f"{arguments.host} is open to other machines, unencrypted and to anyone: see docs/remote.md"
        warnings.warn(InputWarning(why), stacklevel=1)
    disk = None if arguments.no_cache else user_cache("tiles")
    limits = ServerLimits(**{name: getattr(arguments, name) for name in _LIMITS})
    with Server(arguments.host, arguments.port, limits=limits, disk=disk, tls=tls, renamed=renamed) as server:
        print(f"serves on {arguments.host}:{server.port}", flush=True)
        server.wait()
    return 0
