"""Recordings of ours lifted: their own colours come back, in views that were taken and in others."""

import numpy as np
import pytest

from uniscene_sim.camera.splat.appearance import Appearance
from uniscene_sim.camera.splat.engine import SplatCameras
from uniscene_sim.cli.main import main
from uniscene_sim.datasets.lift.own import OwnDrive
from uniscene_sim.errors import InputError
from uniscene_sim.evaluation.lifted_street import evaluate_own_lift
from uniscene_sim.interfaces import WorldView
from uniscene_sim.recording.mcap_file import Recording
from uniscene_sim.recording.source import RecordedSource

pytestmark = pytest.mark.filterwarnings("ignore::uniscene_sim.errors.InputWarning")
RIG = """
cameras:
  - {name: front, width: 96, height: 54, fov_deg: 80, position: [1.5, 0.0, 1.6], max_range_m: 80, period_ms: 100}
  - {name: left, width: 96, height: 54, fov_deg: 80, position: [1.5, 0.0, 1.6], yaw_deg: 40, max_range_m: 80,
     period_ms: 100}
"""


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    (folder / "rig.yaml").write_text(RIG)
    told = main(["run", "cut_in", "--rig", str(folder / "rig.yaml"), "--ticks", "16", "--no-preview", "--record",
                 str(folder / "run.mcap"), "--record-images", "png", "--out", str(folder / "out")])  # fmt: skip
    assert told in (0, 1)
    return folder / "run.mcap"


def test_views_that_were_not_lifted_from_are_nearer_than_mean_colours(recording, tmp_path):
    between, beside = evaluate_own_lift(recording, rounds=2, pictures=tmp_path / "pictures")
    assert between.pictures >= 1 and beside.pictures >= 4 and len(list((tmp_path / "pictures").glob("*.png"))) >= 5
    assert between.lifted_db > between.label_db + 2.0 and between.lifted_ssim > 0.6
    assert beside.lifted_db > beside.label_db


def test_the_engine_shows_the_recorded_colours(recording, tmp_path, capsys):
    assert main(["lift", str(recording), "--out", str(tmp_path / "lifted"), "--rounds", "2"]) == 0
    assert str(tmp_path / "lifted") in capsys.readouterr().out
    appearance = Appearance.load(tmp_path / "lifted")
    assert appearance.bodies
    drive = OwnDrive(Recording.open(recording))
    view = next(v for v in drive.views if v.camera.name == "front")
    source = RecordedSource.open(str(recording))
    layout = source.reset()
    from uniscene_sim.assembly import tile_store
    from uniscene_sim.tracing.atlas import TileAtlas

    atlas = TileAtlas(tile_store("procedural", source.map, source.seed))
    atlas.update(layout.ego_pose.x, layout.ego_pose.y, 80.0)
    engine = SplatCameras(options=SplatCameras.Options(appearance=tmp_path / "lifted"))
    made = engine.step(None, [WorldView(layout, (), atlas)], [view.camera])[1][0]["front"].rgb
    real = 255.0 * drive.image(view)[0] ** (1 / 2.2)
    assert np.median(np.abs(made - real)) < 6.0
    assert np.median(np.abs(made - real[:, ::-1])) > 8.0  # another picture is not as near


def test_without_pictures_it_is_told(tmp_path):
    told = main(["run", "cut_in", "--rig", "rl", "--ticks", "2", "--no-preview", "--record", str(tmp_path / "run.mcap"),
                 "--record-images", "none", "--out", str(tmp_path / "out")])  # fmt: skip
    assert told in (0, 1)
    with pytest.raises(InputError, match="holds no pictures"):
        OwnDrive(Recording.open(tmp_path / "run.mcap")).views  # noqa: B018
    assert main(["lift", str(tmp_path / "run.mcap"), "--out", str(tmp_path / "lifted")]) == 2
    assert not list((tmp_path / "lifted").glob("*")) if (tmp_path / "lifted").exists() else True
