"""Camera engines beside exact buffers: rays are exact, splats nearly, and what is worse is told."""

import pytest

from uniscene_sim.errors import InputError
from uniscene_sim.evaluation.cameras import evaluate_cameras


def test_rays_are_exact_and_splats_nearly():
    ray, splat, plain = evaluate_cameras(["raycast", "splat", "raycast-plain"], towns=1, rig="rl")
    assert ray.images == splat.images == 6
    assert ray.depth_m == 0.0 and ray.depth_within == 1.0 and ray.miou == 1.0 and ray.loop_equal
    assert plain.depth_m == 0.0 and plain.warped_db != ray.warped_db
    assert 0.0 < splat.depth_m < 0.15 and splat.depth_within > 0.7 and splat.loop_equal
    assert 0.4 < splat.miou < 1.0 and splat.miou <= splat.miou_but_lines
    assert splat.warped_db > 15.0


def test_an_unknown_engine_is_refused():
    with pytest.raises(InputError, match=r"^engines"):
        evaluate_cameras(["nothing"], towns=1)
