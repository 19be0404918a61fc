"""Valid examples of what readers read, small and with as many fields as there are: those of `valid/`, and made ones."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from tests.fuzz.array_formats import npz_bytes
from tests.fuzz.case import Bases
from uniscene_sim.storage.data_folders import data_dir

__all__ = ["arrays", "files_of", "models", "painted", "painted_archive", "scenarios", "vector_maps"]

_VALID = Path(__file__).parent / "valid"


def files_of(reader: str) -> Callable[[], Bases]:
    """The examples in `valid/READER/NAME/`."""

    @cache
    def bases() -> Bases:
        return {folder.name: _files(folder) for folder in sorted((_VALID / reader).iterdir())}

    return bases


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@cache
def scenarios() -> Bases:
    library = {name: data_dir("scenarios") / f"{name}.yaml" for name in ("lane_following", "roundabout_entry")}
    return {**files_of("scenario")(), **{name: {"s.yaml": path.read_bytes()} for name, path in library.items()}}


@cache
def vector_maps() -> Bases:
    """Of the OpenDRIVE examples, where their reader is installed, and of the library."""
    found = {"roundabout": {"m.npz": (data_dir("scenarios") / "maps" / "roundabout.npz").read_bytes()}}
    try:
        from uniscene_sim.maps.opendrive.extract import extract
    except ImportError:
        return found
    with tempfile.TemporaryDirectory() as folder:
        for name in files_of("opendrive")():
            path = Path(folder, f"{name}.npz")
            extract(_VALID / "opendrive" / name / "m.xodr").save(path)
            found[name] = {"m.npz": path.read_bytes()}
    return found


def _cells() -> dict[str, np.ndarray]:
    i, j = np.indices((60, 24))
    street = (j > 8) & (j < 16)
    return {
        "drivable_area": street,
        "walkway": (j > 5) & (j < 9),
        "building": (j > 18) & (i % 20 < 12),
        "vegetation": j < 2,
        "ped_crossing": street & (abs(i - 30) < 3),
        "lane_divider": (j == 12) & (i % 8 < 4),
    }


@cache
def painted() -> Bases:
    files = {"map.yaml": b"resolution_m: 0.5\norigin: [-10.0, -6.0]\n"}
    for name, cells in _cells().items():
        out = io.BytesIO()
        Image.fromarray(np.flipud(cells.T).astype(np.uint8) * 255).save(out, "PNG")
        files[f"{name}.png"] = out.getvalue()
    return {"street": files}


@cache
def painted_archive() -> Bases:
    raster = np.stack(list(_cells().values())).astype(np.uint8)
    origin, resolution = np.array([-10.0, -6.0]), np.array(0.5)
    arrays = {"channels": np.array(list(_cells())), "raster": raster, "resolution_m": resolution, "origin": origin}
    return {"street": {"m.npz": npz_bytes(arrays)}}


@cache
def models() -> Bases:
    """Tiny networks of all kinds of models."""
    import torch

    from uniscene_sim.camera.splat.learned.conditions import COLUMNS
    from uniscene_sim.camera.splat.learned.nets import PaintVae, PaintVaeConfig
    from uniscene_sim.lidar.learned.network import SdfConfig, SparseSdfNet
    from uniscene_sim.occupancy.learned.dit import DiT, DiTConfig
    from uniscene_sim.occupancy.learned.unet import UNet, UNetConfig
    from uniscene_sim.occupancy.learned.vae import OccupancyVae, VaeConfig
    from uniscene_sim.training.appearance import AppearanceRecipe, save_appearance
    from uniscene_sim.training.lidar import LidarRecipe, save_lidar
    from uniscene_sim.training.occupancy import OccupancyRecipe, save_occupancy

    torch.manual_seed(0)
    vae = VaeConfig(widths=(16, 16), encoder_blocks=(1, 1), decoder_blocks=(1, 1), layout_width=4)
    unet = UNetConfig(widths=(16, 16), blocks=(1, 1, 1), layout_width=4)
    dit = DiTConfig(width=32, depth=1, heads=2, layout_width=4)
    sdf = SdfConfig(widths=(8, 8), blocks=(1, 1), hidden=8)
    with tempfile.TemporaryDirectory() as home:
        for name, sizes, net in (("unet", unet, UNet(unet)), ("dit", dit, DiT(dit))):
            recipe = OccupancyRecipe(vae=vae, net=sizes)
            save_occupancy(Path(home, name), recipe, OccupancyVae(vae), net, {"towns": 1}, "# card\n")
        save_lidar(Path(home, "sdf"), LidarRecipe(net=sdf), SparseSdfNet(sdf), {"towns": 1}, "# card\n")
        painter = PaintVaeConfig(4, 8, 8, 8, 4, 1, 1)
        flow = UNetConfig(4, 2, (16, 16), (1, 1, 1), 4, False, COLUMNS)
        recipe = AppearanceRecipe(vae=painter, net=flow)
        save_appearance(Path(home, "painter"), recipe, PaintVae(painter), UNet(flow), {"towns": 1}, "# card\n")
        return {name: _files(Path(home, name)) for name in ("unet", "dit", "sdf", "painter")}


@cache
def arrays() -> Bases:
    """Training data: a window, a sweep, and the images of a drive; and an appearance."""
    from uniscene_sim.datasets.images import DriveImages, write_images
    from uniscene_sim.datasets.sweeps import GroundTruthSweep, TownSweeps, write_sweeps
    from uniscene_sim.geometry import Pose
    from uniscene_sim.layout import AGENT_DTYPE, EgoVehicle, LayoutFrame, Style
    from uniscene_sim.lidar.learned.voxels import Cells
    from uniscene_sim.rig import CameraSpec

    window = {
        "labels": np.zeros((1, 200, 200, 32), np.uint8),
        "layout": np.zeros((1, 200, 200), np.uint32),
        "agents_window": np.zeros(2, np.int32),
        "agents_voxel": np.array([5, 9], np.int32),
        "agents_label": np.full(2, 4, np.uint8),
        "pose": np.zeros((1, 4)),
        "sequence": np.zeros(1, np.int32),
        "stamp_us": np.zeros(1, np.int64),
        "observed": np.zeros((1, 200, 200), np.uint32),
        "maker": np.array("seeded town"),
    }
    rays, ones, never = np.eye(3, dtype=np.float32), np.ones(3, np.float32), np.zeros(3, bool)
    sweep = GroundTruthSweep(0, np.zeros(3), 60.0, 30.0, "clear", rays, ones, ones, never, np.ones(3, np.uint8), never)
    cells = Cells(np.array([[0, 0, 0], [1, 0, 0]], np.int32), np.array([4, 11], np.uint8), 2)
    camera = CameraSpec("front", 4, 3, 4.0, 4.0, 2.0, 1.5, Pose(1.5, 0.0, 1.6), model="fisheye")
    layout = LayoutFrame(
        0, Pose(), np.zeros(3), 0.0, 0.0, 0.0, EgoVehicle(), np.zeros(1, AGENT_DTYPE), np.zeros(0, np.uint8),
        np.zeros((0, 3)), "", 1,
    )  # fmt: skip
    planes: dict[str, np.ndarray] = {
        name: np.ones((2, 3, 4), dtype)
        for name, dtype in (("depth", np.float32), ("instance", np.uint16), ("semantic", np.uint8),
                            ("material", np.uint8), ("paint", np.uint8))
    }  # fmt: skip
    planes |= {"rgb": np.zeros((2, 3, 4, 3), np.uint8), "normals": np.zeros((2, 3, 4, 3), np.float32)}
    with tempfile.TemporaryDirectory() as home:
        path = Path(home, "sweeps_1.npz")
        write_sweeps(path, TownSweeps(cells, (np.zeros(1, AGENT_DTYPE),), (sweep,)))
        drive = Path(home, "images_1.npz")
        write_images(drive, DriveImages(1, Style(), (camera,), (layout, layout), {"front": planes}))
        return {
            "windows": {"town_1.npz": npz_bytes(window)},
            "sweeps": {"sweeps_1.npz": path.read_bytes()},
            "images": {"images_1.npz": drive.read_bytes()},
            "painted": {
                "paint_1_0_0.npz": npz_bytes(
                    {
                        "label": np.full(4, 15, np.uint8),
                        "place": np.ones((4, 3), np.float32),
                        "normal": np.zeros((4, 3), np.int8),
                        "size": np.ones(4, np.float32),
                        "colours": np.zeros((4, 3), np.uint8),
                        "known": np.ones(4, bool),
                        "pane": np.zeros(4, bool),
                        "maker": np.array("seeded towns, materials"),
                    }
                ),
            },
            "appearance": {
                "appearance.json": b'{"format": 1, "bodies": 1}',
                "body_0.npz": npz_bytes(
                    {
                        "cls": np.int64(0),
                        "template": np.int64(0),
                        "size": np.array([4.5, 1.8, 1.5]),
                        "colours": np.zeros((5, 3), np.uint8),
                    }
                ),
            },
        }
