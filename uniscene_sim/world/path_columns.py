"""Columns of an annotated path (R, 10), which has a point each metre."""

from __future__ import annotations

__all__ = ["CROSSING", "JUNCTION", "LANE", "LANE_S", "LIMIT", "PATH_COLUMNS", "STOP", "YAW", "X", "Y", "Z"]

PATH_COLUMNS = 10
X, Y, Z, YAW, LIMIT, STOP, JUNCTION, LANE, LANE_S, CROSSING = range(PATH_COLUMNS)
# X, Y, Z: m. YAW: rad, without jumps of a whole turn. LIMIT: speed limit, m/s, that of curves included.
# STOP: stop line + 1, 0 for none. JUNCTION: junction + 1, 0 for none. CROSSING: pedestrian crossing + 1, 0 for none.
# LANE: index of the lane, -1 for none. LANE_S: arc length on that lane, m.
