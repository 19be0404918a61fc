"""The held-out real sweeps as questions to models of others: rays and cells as files, without the truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from uniscene_sim.datasets.pandaset_sweeps import PandaSetSweeps
from uniscene_sim.evaluation.real_lidar import held_out_sweeps
from uniscene_sim.storage.array_file import write_arrays
from uniscene_sim.storage.output_file import told
from uniscene_sim.taxonomy import AGENT_OCC_CLASS

__all__ = ["write_questions"]


def write_questions(real: PandaSetSweeps, folder: Path) -> list[Path]:
    """Write what others need to predict the held-out sweeps: rays and cells, and nothing of the truth.

    Each file has `origin` and `direction`, (R, 3) m in the sequence's frame, of all rays; `rays_of` (S,), how many are
    of each sweep, in order; `ijk` (C, 3) and `label` (C,) of cells of 0.4 m that stand; and of each sweep's movers
    `mover_ijk` and `mover_label`, `movers_of` (S,) how many cells are of each sweep.

    Args:
        real: the sequence.
        folder: of the files, which are named as the predictions are to be.

    Raises:
        InputError: a file of the sequence is damaged, or the folder cannot be written to.
    """
    with told(folder):
        folder.mkdir(parents=True, exist_ok=True)
    written = []
    for part in (part for parts in held_out_sweeps(real).values() for part in parts):
        town = part.town
        movers = [town.agents_cells[sweep.moment] for sweep in town.sweeps]
        kinds = [AGENT_OCC_CLASS[town.agents[sweep.moment]["cls"]] for sweep in town.sweeps]
        none = np.zeros((0, 3), np.int32)
        written.append(folder / f"{town.name}.npz")
        arrays = dict(
            origin=np.concatenate([np.broadcast_to(s.origins(), s.direction.shape) for s in town.sweeps]),
            direction=np.concatenate([s.direction for s in town.sweeps]),
            rays_of=np.array([len(s.direction) for s in town.sweeps]),
            ijk=town.cells.ijk,
            label=town.cells.label,
            mover_ijk=np.concatenate([none, *(cells for each in movers for cells in each)]),
            mover_label=np.concatenate(
                [np.repeat(kind, list(map(len, each))) for kind, each in zip(kinds, movers, strict=True)]
            ).astype(np.uint8),
            movers_of=np.array([sum(map(len, each)) for each in movers]),
        )
        write_arrays(written[-1], arrays)
    return written
