"""What nuscenes-devkit makes of an exported data set; run by an interpreter that has it: FOLDER [PICTURES].

Prints a JSON object of what it found; with PICTURES it renders there too.
"""

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import numpy as np
from nuscenes import NuScenes
from nuscenes.utils.data_classes import LidarPointCloud
from nuscenes.utils.geometry_utils import BoxVisibility, points_in_box, view_points

root = Path(sys.argv[1])
nusc = NuScenes(dataroot=str(root), verbose=False)
found = {"samples": len(nusc.sample), "data": len(nusc.sample_data), "boxes": len(nusc.sample_annotation)}
stated, wide, tight, edges, velocities, on_road, sweeps = [], [], [], [], [], [], []
for sample in nusc.sample:
    file, boxes, _ = nusc.get_sample_data(sample["data"]["LIDAR_TOP"])
    points = LidarPointCloud.from_file(file).points[:3]
    for box in boxes:
        row = nusc.get("sample_annotation", box.token)
        if row["num_lidar_pts"] >= 10:  # what moves was where its points are up to 0.1 s before
            stated.append(row["num_lidar_pts"])
            wide.append(int(points_in_box(box, points, wlh_factor=1.5).sum()))
            tight.append(int(points_in_box(box, points, wlh_factor=0.95).sum()))
        velocity = nusc.box_velocity(box.token)
        velocities.append(
            [
                float(np.linalg.norm(velocity[:2])),
                (row["attribute_tokens"] and nusc.get("attribute", row["attribute_tokens"][0])["name"]) or "",
            ]
        )
    for channel, token in sample["data"].items():
        if not channel.startswith("LIDAR"):
            _, seen, intrinsic = nusc.get_sample_data(token, box_vis_level=BoxVisibility.ALL)
            for box in seen:
                corners = view_points(box.corners(), intrinsic, normalize=True)[:2]
                edges.append([sample["token"], channel, box.token, *corners.min(1).tolist(), *corners.max(1).tolist()])
    pose = nusc.get("ego_pose", nusc.get("sample_data", sample["data"]["LIDAR_TOP"])["ego_pose_token"])
    mask = nusc.map[0]["mask"]
    on_road.append(bool(mask.is_on_mask(*pose["translation"][:2])[0]))
    cloud, times = LidarPointCloud.from_file_multisweep(nusc, sample, "LIDAR_TOP", "LIDAR_TOP", nsweeps=5)
    sweeps.append([cloud.points.shape[1], float(times.max())])
print(
    json.dumps(
        found
        | {
            "stated": stated,
            "wide": wide,
            "tight": tight,
            "edges": edges,
            "velocities": velocities,
            "on_road": on_road,
            "sweeps": sweeps,
        }
    )
)
if len(sys.argv) > 2:
    out = Path(sys.argv[2])
    out.mkdir(exist_ok=True)
    sample = nusc.sample[len(nusc.sample) // 2]
    nusc.render_sample(sample["token"], out_path=str(out / "sample.png"), verbose=False)
    ahead = min(sample["data"], key=lambda channel: (channel != "CAM_FRONT", channel == "LIDAR_TOP"))
    nusc.render_pointcloud_in_image(
        sample["token"], camera_channel=ahead, out_path=str(out / "points_in_image.png"), verbose=False
    )
    nusc.render_sample_data(
        sample["data"]["LIDAR_TOP"], out_path=str(out / "top.png"), nsweeps=5, underlay_map=True, verbose=False
    )
    nusc.render_egoposes_on_map(nusc.log[0]["location"], out_path=str(out / "map.png"))
