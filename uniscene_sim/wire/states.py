"""What engines remember between ticks as a message, and back: `Simulator.resume` goes on from it, to the last bit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from uniscene_sim.engine_support.kept_state import arrays_of_state, state_of_arrays
from uniscene_sim.engine_support.late_frames import Delivery, EngineQueue, Moment, PendingCall
from uniscene_sim.errors import InputError
from uniscene_sim.frames import OccupancyGrid
from uniscene_sim.grid import GridSpec
from uniscene_sim.layout import LayoutFrame
from uniscene_sim.wire.by_name import fill
from uniscene_sim.wire.messages import array_of, fill_array, fill_record, record_of
from uniscene_sim.wire.uniscene.v1.state_pb2 import Delivery as DeliveryMessage
from uniscene_sim.wire.uniscene.v1.state_pb2 import EngineQueue as QueueMessage
from uniscene_sim.wire.uniscene.v1.state_pb2 import EngineStates
from uniscene_sim.wire.windows import fill_window, grid_of, window_of

__all__ = ["memory_of", "oldest_layout_us", "states_message"]

_TRACED = "traced"


def states_message(stamp_us: int, memory: Mapping[str, Any], engines: Mapping[str, Any], traced: bool) -> EngineStates:
    """The memory of a simulator after a tick.

    Args:
        stamp_us: time of the tick.
        memory: `Simulator.after`.
        engines: by slot.
        traced: whether rays are traced through windows; else none is kept.

    Raises:
        InputError: an engine does not say how its state is written.
    """
    message = EngineStates(stamp_us=stamp_us)
    for slot, queue in memory.items():
        if slot == _TRACED:
            if traced:
                _fill_delivery(message.traced, queue)
        else:
            _fill_queue(message.queues.add(slot=slot, started=queue.started), queue, engines[slot])
    return message


def oldest_layout_us(message: EngineStates) -> int:
    """Stamp of the oldest layout that a message names."""
    stamps = [message.stamp_us]
    for queue in message.queues:
        stamps += [moment.since_us for moment in queue.moments]
        stamps += [one.stamp_us for one in queue.deliveries]
        stamps += [moment.window.stamp_us for moment in queue.moments if moment.HasField("window")]
    return min([*stamps, message.traced.stamp_us] if message.HasField("traced") else stamps)


def memory_of(
    message: EngineStates, layouts: Iterable[LayoutFrame], engines: Mapping[str, Any], specs: Mapping[str, Any]
) -> dict[str, Any]:
    """The memory of a simulator from a message.

    Args:
        message: of `states_message`.
        layouts: those from `oldest_layout_us` to the message's stamp.
        engines: by slot.
        specs: sensors by name.

    Raises:
        InputError: it names a layout, a sensor or an engine that is not there, or is damaged.
    """
    by_stamp = {layout.stamp_us: layout for layout in layouts}
    try:
        memory: dict[str, Any] = {
            queue.slot: _queue(queue, by_stamp, engines[queue.slot], specs) for queue in message.queues
        }
        if message.HasField(_TRACED):
            memory[_TRACED] = _delivery(message.traced, by_stamp)
    except KeyError as error:
        raise InputError(f"names {error.args[0]!r}, which is not there", field="EngineStates") from None
    return memory


def _fill_queue(message: QueueMessage, queue: EngineQueue, engine: Any) -> None:
    arrays = arrays_of_state(engine, queue.state)
    if arrays is not None:
        message.state.SetInParent()
        for name, array in arrays.items():
            fill_array(message.state.arrays[name], array)
    for moment in queue.pending.moments:
        since = moment.history[0] if moment.history else moment.layout
        waiting = message.moments.add(stamp_us=moment.layout.stamp_us, since_us=since.stamp_us)
        if moment.window is not None:
            _fill_delivery(waiting.window, moment.window)
    for spec in queue.pending.specs:
        if isinstance(spec, GridSpec):
            fill(message.grid, spec)
        else:
            message.sensors.append(spec.name)
    for delivery in queue.deliveries:
        _fill_delivery(message.deliveries.add(), delivery)


def _queue(message: QueueMessage, layouts: Mapping[int, LayoutFrame], engine: Any, specs: Mapping[str, Any]) -> Any:
    state = None
    if message.HasField("state"):
        what = f"EngineStates.{message.slot}"
        state = state_of_arrays(engine, {n: array_of(a, f"{what}.{n}") for n, a in message.state.arrays.items()})
    moments = tuple(
        Moment(
            layouts[one.stamp_us],
            tuple(layout for stamp, layout in layouts.items() if one.since_us <= stamp < one.stamp_us),
            _delivery(one.window, layouts) if one.HasField("window") else None,
        )
        for one in message.moments
    )
    waited = tuple(specs[name] for name in message.sensors)
    if message.HasField("grid"):
        waited = (grid_of(message.grid),)
    deliveries = tuple(_delivery(one, layouts) for one in message.deliveries)
    return EngineQueue(state, PendingCall(moments, waited), deliveries, message.started)


def _fill_delivery(message: DeliveryMessage, delivery: Delivery) -> None:
    message.due_us, message.stamp_us = delivery.due_us, delivery.layout.stamp_us
    for name, record in delivery.records.items():
        if isinstance(record, OccupancyGrid):
            fill_window(message.window, record)
        else:
            fill_record(message.records.add(), name, record)


def _delivery(message: DeliveryMessage, layouts: Mapping[int, LayoutFrame]) -> Delivery:
    records = {one.sensor: record_of(one) for one in message.records}
    if message.HasField("window"):
        records["window"] = window_of(message.window)
    return Delivery(message.due_us, layouts[message.stamp_us], records)
