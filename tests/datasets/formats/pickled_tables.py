"""Pickles of tables as pandas writes them, without pandas: classes of its names, and both layouts that it has had."""

from __future__ import annotations

import gzip
import pickle
import sys
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

_PLACES = {
    "DataFrame": "pandas.core.frame",
    "BlockManager": "pandas.core.internals.managers",
    "Index": "pandas.core.indexes.base",
    "_new_Index": "pandas.core.indexes.base",
    "_unpickle_block": "pandas._libs.internals",
}


class _Written:
    """Something that pickles as a call, with a state."""

    def __init__(self, call: Any, arguments: tuple[Any, ...], state: Any = None):
        self._parts = (call, arguments) if state is None else (call, arguments, state)

    def __reduce__(self) -> Any:
        return self._parts


@contextmanager
def _named() -> Iterator[dict[str, Any]]:
    """Classes of pandas' names in modules of its names, while they are pickled."""
    made, modules = {}, {}
    for name, place in _PLACES.items():
        made[name] = type(name, (), {"__module__": place})
        for package in (place.rsplit(".", n)[0] for n in range(place.count(".") + 1)):
            modules.setdefault(package, types.ModuleType(package))
        setattr(modules[place], name, made[name])
    before = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    try:
        yield made
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def write_table(path: Path, columns: Mapping[str, np.ndarray], old: bool = True) -> None:
    """Write `.pkl.gz` as pandas does before 1.3 (`old`), or since; one block a column."""
    with _named() as pandas:
        names = np.array(list(columns), object)
        count = len(next(iter(columns.values())))

        def index(data: np.ndarray) -> _Written:
            return _Written(pandas["_new_Index"], (pandas["Index"], {"data": data, "name": None}))

        axes = [index(names), index(np.arange(count))]
        blocks = [(np.ascontiguousarray(column)[None], slice(k, k + 1, 1)) for k, column in enumerate(columns.values())]
        if old:
            told = [{"values": values, "mgr_locs": place} for values, place in blocks]
            state = (axes, [values for values, _ in blocks], [], {"0.14.1": {"axes": axes, "blocks": told}})
            frame = {"_data": _Written(pandas["BlockManager"], (), state), "_typ": "dataframe"}
        else:
            kept = tuple(_Written(pandas["_unpickle_block"], (values, place, 2)) for values, place in blocks)
            frame = {"_mgr": _Written(pandas["BlockManager"], (kept, axes)), "_typ": "dataframe"}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(
            gzip.compress(pickle.dumps(_Written(pandas["DataFrame"], (), frame), protocol=3 if old else 5))
        )
