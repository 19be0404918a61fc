"""What the middleware is told before it starts: whom the node talks to, and how large messages go between processes."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

__all__ = ["set_network"]

_RANGE = "ROS_AUTOMATIC_DISCOVERY_RANGE"
_PROFILES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")
#: Variables by which users say themselves whom ROS talks to.
_OF_USERS = (_RANGE, "ROS_STATIC_PEERS", "ROS_LOCALHOST_ONLY", "ROS_DISCOVERY_SERVER", "CYCLONEDDS_URI", *_PROFILES)
_SHM = Path("/dev/shm")
_SEGMENT = 128 * 2**20


def set_network(network: bool = False) -> list[str]:
    """Keep ROS on this machine, unless the user wants otherwise, and give Fast DDS the profile that images and sweeps
    need, unless the user set one.

    ROS's LOCALHOST range alone does not look for other machines, but answers one that knows the address; so the profile
    binds the sockets to the loopback interface, too.

    Args:
        network: leave the range to ROS, whose own default is the subnet.

    Returns:
        What is to be said about it.
    """
    given = [name for name in _OF_USERS if os.environ.get(name)]
    if not given and not network:
        os.environ[_RANGE] = "LOCALHOST"
    alone = not network and not set(given) - {_RANGE} and os.environ[_RANGE].upper() == "LOCALHOST"
    said = [
        "talks to this machine alone; --network opens it"
        if alone
        else f"finds other nodes as {', '.join(given) or 'ROS'} has it"
    ]
    own = next((os.environ[name] for name in _PROFILES if name in given), None)
    if own is not None:
        return [*said, f"Fast DDS is set up by {own}; large messages need a segment as in ours"]
    profile = str(files("uniscene_ros2") / ("fastdds_loopback.xml" if alone else "fastdds.xml"))
    os.environ.update(dict.fromkeys(_PROFILES, profile))
    if _SHM.is_dir():
        space = os.statvfs(_SHM)
        if space.f_bavail * space.f_frsize < _SEGMENT:
            said.append(f"{_SHM} has less than {_SEGMENT >> 20} MB left: images and sweeps will be lost "
                        "(docker run --shm-size=1g)")  # fmt: skip
    return said
