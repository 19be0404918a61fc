"""Fine voxel templates of agents: cars, trucks, riders, pedestrians, built from simple solids, without assets.

A template's axes are x forward, y left, z up, its origin the centre of its footprint; posed, it is scaled along each
axis to the agent's box.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import ndimage

from uniscene_sim.taxonomy import AgentClass, Material
from uniscene_sim.tracing.templates.paints import PAINT_RGB
from uniscene_sim.tracing.templates.people import cyclist, motorcyclist, pedestrian
from uniscene_sim.tracing.templates.shapes import VoxelCanvas
from uniscene_sim.tracing.templates.street import barrier, cone, signal_head
from uniscene_sim.tracing.templates.vehicles import CAR_KINDS, bus, car, excavator, trailer, truck

__all__ = ["GAIT_PHASES", "STRIDE_M", "TemplateSet", "body_rgb", "built_in_templates"]

GAIT_PHASES = 8
STRIDE_M = 1.4  # length of two steps


@dataclass(frozen=True)
class TemplateSet:
    """All templates in flat arrays; template t owns `material[offset[t] : offset[t] + prod(shape[t])]`, C order."""

    material: np.ndarray  # uint8 (V,), Material; NONE is empty
    normal: np.ndarray  # int8 (V, 3), outward, scaled to 127
    offset: np.ndarray  # int64 (T,)
    shape: np.ndarray  # int32 (T, 3)
    voxel_m: np.ndarray  # float64 (T,)
    size_m: np.ndarray  # float64 (T, 3)
    first: np.ndarray  # int64 (classes, 2): first template and number of variants of each class
    gaits: np.ndarray  # int64 (classes,): number of gait phases of each variant, which are adjacent templates

    def template_of(self, cls: np.ndarray, colour: np.ndarray, gait: np.ndarray) -> np.ndarray:
        """Template index int64 (N,) of agents, by class (N,), colour seed (N,) and distance travelled (N,), m."""
        cls = np.asarray(cls, np.int64)
        phases = self.gaits[cls]
        variant = (np.asarray(colour, np.int64) >> 8) % self.first[cls, 1]
        phase = np.floor(np.asarray(gait) / STRIDE_M * phases).astype(np.int64) % phases
        template: np.ndarray = self.first[cls, 0] + variant * phases + phase
        return template


def body_rgb(colour: np.ndarray) -> np.ndarray:
    """Colour of paint or clothes, uint8 (N, 3), by colour seed (N,)."""
    return PAINT_RGB[np.asarray(colour, np.int64) % len(PAINT_RGB)]


@cache
def built_in_templates() -> TemplateSet:
    """All templates, built once per process."""
    per_class: dict[AgentClass, list[list[VoxelCanvas]]] = {
        AgentClass.CAR: [[car(kind)] for kind in CAR_KINDS],
        AgentClass.TRUCK: [[truck()]],
        AgentClass.CONSTRUCTION_VEHICLE: [[excavator()]],
        AgentClass.BUS: [[bus()]],
        AgentClass.TRAILER: [[trailer()]],
        AgentClass.MOTORCYCLE: [[motorcyclist()]],
        AgentClass.BICYCLE: [
            [cyclist(k / GAIT_PHASES, helmet) for k in range(GAIT_PHASES)] for helmet in (True, False)
        ],
        AgentClass.PEDESTRIAN: [
            [pedestrian(k / GAIT_PHASES, skirt, hair, coat) for k in range(GAIT_PHASES)]
            for skirt, hair, coat in (
                (False, False, False),
                (True, True, False),
                (False, True, False),
                (False, False, True),
            )
        ],
        AgentClass.BARRIER: [[barrier()]],
        AgentClass.TRAFFIC_CONE: [[cone()]],
        AgentClass.SIGNAL_HEAD: [[signal_head()]],
    }
    solids: list[VoxelCanvas] = []
    first, gaits = np.zeros((len(AgentClass), 2), np.int64), np.ones(len(AgentClass), np.int64)
    for cls, variants in per_class.items():
        first[cls], gaits[cls] = (len(solids), len(variants)), len(variants[0])
        solids += [solid for variant in variants for solid in variant]
    shapes = np.array([s.material.shape for s in solids], np.int32)
    sizes = shapes.astype(np.int64).prod(axis=1)
    return TemplateSet(
        material=np.concatenate([s.material.ravel() for s in solids]),
        normal=np.concatenate([_normals(s.material).reshape(-1, 3) for s in solids]),
        offset=np.concatenate([[0], np.cumsum(sizes)[:-1]]),
        shape=shapes,
        voxel_m=np.array([s.voxel_m for s in solids]),
        size_m=np.array([np.array(s.material.shape) * s.voxel_m for s in solids]),
        first=first,
        gaits=gaits,
    )


def _normals(material: np.ndarray) -> np.ndarray:
    """Smooth outward normals int8 (X, Y, Z, 3), the negative gradient of the blurred solid."""
    solid = np.pad((material != Material.NONE).astype(np.float32), 3)
    blurred = ndimage.gaussian_filter(solid, 1.3)
    outward = [-slope[3:-3, 3:-3, 3:-3] for slope in np.gradient(blurred)]
    length = np.maximum(np.sqrt(sum(part * part for part in outward)), 1e-6)
    normals = np.empty((*material.shape, 3), np.int8)
    for axis, part in enumerate(outward):
        normals[..., axis] = np.rint(127 * part / length)
    return normals
