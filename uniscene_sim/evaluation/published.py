"""Figures from papers, measured on other data: for orientation, not for comparison.

Occupancy of real LiDAR scenes has holes and noise that ours lacks, and other classes and grids. The figures are those
of the papers' tables as quoted in public summaries.
"""

from __future__ import annotations

from uniscene_sim.evaluation.score_table import OccupancyScores

__all__ = ["PUBLISHED"]

_UNISCENE, _ANYSCENE, _XSCENE = "UniScene, arXiv 2412.05435", "AnyScene, arXiv 2605.26113", "X-Scene, arXiv 2506.13558"

PUBLISHED = (
    OccupancyScores("OccSora VQVAE, ratio 512", "nuScenes", 0.274, 0.370, source=f"{_UNISCENE}, table 2"),
    OccupancyScores("UniScene VAE, ratio 512", "nuScenes", 0.729, 0.641, source=f"{_UNISCENE}, table 2"),
    OccupancyScores("OccWorld VQVAE, ratio 16", "nuScenes", 0.657, 0.622, source=f"{_UNISCENE}, table 2"),
    OccupancyScores("UniScene VAE, ratio 32", "nuScenes", 0.921, 0.870, source=f"{_UNISCENE}, table 2"),
    OccupancyScores("X-Scene triplane VAE", "nuScenes", 0.924, 0.856, source=f"{_XSCENE}, ablation"),
    OccupancyScores("UniScene, generated", "nuScenes", 0.194, source=f"{_UNISCENE}, table 8"),
    OccupancyScores("AnyScene, generated", "nuCraftv2", 0.190, 0.156, layout=0.525, source=f"{_ANYSCENE}, table 1"),
)
