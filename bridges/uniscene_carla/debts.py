"""`Debts`: what a client has changed on a server and has to put back. They are told to the process that started it, so
that they are paid even if it is killed, or handed on to the client that comes after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

__all__ = ["Debts"]

_SETTINGS = (
    "synchronous_mode", "no_rendering_mode", "fixed_delta_seconds", "substepping", "max_substep_delta_time",
    "max_substeps", "max_culling_distance", "deterministic_ragdolls", "tile_stream_distance", "actor_active_distance",
    "spectator_as_ego",
)  # fmt: skip


@dataclass(frozen=True)
class Debts:
    """Nothing is owed where a field is None.

    Attributes:
        settings: those of the server before they were changed, by name.
        spawned: id of a vehicle that was spawned, to be destroyed.
        driven: id of a vehicle of others that was driven, to be left braking.
        role: role name of either, without which an id may be that of another vehicle since the server began anew.
        frame: number of the server's frame when this was last told; one that counts from anew is another server.
    """

    settings: dict[str, Any] | None = None
    spawned: int | None = None
    driven: int | None = None
    role: str = ""
    frame: int = 0

    def __bool__(self) -> bool:
        return any(owed is not None for owed in (self.settings, self.spawned, self.driven))

    @staticmethod
    def settings_of(settings: Any) -> dict[str, Any]:
        """The values of `carla.WorldSettings` by name."""
        return {name: getattr(settings, name) for name in _SETTINGS if hasattr(settings, name)}

    def paid(self, client: Any, world: Any, timeout_s: float) -> Debts:
        """Pay, each by itself, so that one that is refused keeps no other one from it.

        Args:
            client, world: of carla.
            timeout_s: for each answer; after one that does not come nothing more is asked for.

        Returns:
            What is still owed.
        """
        import carla

        client.set_timeout(timeout_s)
        brake, left = carla.VehicleControl(brake=1.0), self
        try:
            if self.driven is not None and _is_done(
                lambda: self._command(client, world, self.driven, carla.command.ApplyVehicleControl(self.driven, brake))
            ):
                left = replace(left, driven=None)
            if self.spawned is not None and _is_done(
                lambda: self._command(client, world, self.spawned, carla.command.DestroyActor(self.spawned))
            ):
                left = replace(left, spawned=None)
            if self.settings is not None and _is_done(lambda: _put_back(world, self.settings or {}, timeout_s)):
                left = replace(left, settings=None)
            if left.settings or (self.settings and self.settings["synchronous_mode"]):
                _is_done(lambda: world.tick(timeout_s))  # what was destroyed leaves with the next tick
        except TimeoutError:
            pass
        return left

    def _command(self, client: Any, world: Any, number: int | None, command: Any) -> None:
        """Carry out a command on a vehicle that still is the one of this role name."""
        found = list(world.get_actors([number]))
        if found and found[0].attributes.get("role_name") == self.role:
            [answer] = client.apply_batch_sync([command], False)
            if answer.has_error() and "found" not in answer.error:  # one that is gone is no debt
                raise RuntimeError(answer.error)


def _put_back(world: Any, before: dict[str, Any], timeout_s: float) -> None:
    settings = world.get_settings()
    for name, value in before.items():
        setattr(settings, name, value)
    world.apply_settings(settings, timeout_s)


def _is_done(what: Callable[[], Any]) -> bool:
    """Whether the server has done something.

    Raises:
        TimeoutError: it does not answer; the client raises nothing but RuntimeErrors.
    """
    try:
        what()
    except RuntimeError as error:
        if "time-out" in str(error):
            raise TimeoutError from None
        return False
    return True
