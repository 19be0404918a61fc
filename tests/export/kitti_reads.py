"""What nuscenes-devkit's reader of KITTI makes of a data set; run by an interpreter that has it: FOLDER [PNG].

Prints a list of labelled objects: type, truncation, 2D box as labelled and as projected, points inside.
"""

import json
import sys
import tempfile
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import numpy as np
from nuscenes.utils.geometry_utils import points_in_box
from nuscenes.utils.kitti import KittiDB
from PIL import Image
from pyquaternion import Quaternion

root = tempfile.TemporaryDirectory()
(Path(root.name) / "train").symlink_to(Path(sys.argv[1]).resolve() / "training")
data, found = KittiDB(root.name, splits=("train",)), []
for token in data.tokens:
    boxes, size = data.get_boxes(token), Image.open(data.get_filepath(token, "image_2", root.name)).size
    cloud = data.get_pointcloud(token, root.name)
    cloud.rotate(data.kitti_to_nu_lidar.rotation_matrix)
    transforms = data.get_transforms(token, root.name)
    lines = Path(data.get_filepath(token, "label_2", root.name)).read_text().splitlines()
    for line, box in zip(lines, boxes, strict=True):
        label = data.parse_label_line(line)
        in_camera = data.box_nuscenes_to_kitti(
            box, Quaternion(matrix=transforms["velo_to_cam"]["R"]), transforms["velo_to_cam"]["T"],
            Quaternion(matrix=transforms["r0_rect"]),
        )  # fmt: skip
        projected = data.project_kitti_box_to_image(in_camera, transforms["p_left"], size)
        found.append(
            [
                label["name"],
                label["truncation"],
                label["bbox_camera"],
                [float(v) for v in projected or ()],
                int(points_in_box(box, cloud.points[:3], wlh_factor=1.2).sum()),
            ]
        )
print(json.dumps({"frames": len(data.tokens), "objects": found}))
if len(sys.argv) > 2:
    data.render_sample_data(
        data.tokens[len(data.tokens) // 2], color_func=lambda _: (255, 158, 0), out_path=sys.argv[2]
    )
assert np.isfinite(cloud.points).all()
