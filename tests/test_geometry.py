"""Poses round-trip, boxes overlap exactly when their polygons do, points lie in polygons as a plain reference says."""

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from uniscene_sim.geometry import Pose, box_corners, boxes_overlap, point_in_polygon, wrap_angle

coordinate = st.floats(-20, 20)
angle = st.floats(-3.1, 3.1)
poses = st.builds(Pose, coordinate, coordinate, coordinate, angle, st.floats(-1.5, 1.5), angle)
boxes = st.tuples(st.floats(-4, 4), st.floats(-4, 4), angle, st.floats(0.2, 6), st.floats(0.2, 3)).map(np.array)


@given(poses, poses)
def test_pose_composes_and_inverts(a, b):
    points = np.array([[1.0, 2.0, 3.0], [-4.0, 0.5, 0.0]])
    np.testing.assert_allclose(a.compose(b).apply(points), a.apply(b.apply(points)), atol=1e-8)
    np.testing.assert_allclose(a.inverse().apply(a.apply(points)), points, atol=1e-8)


def test_axes_follow_rep_103():
    np.testing.assert_allclose(Pose(yaw=np.pi / 2).apply([1.0, 0, 0]), [0, 1, 0], atol=1e-12)
    assert Pose(pitch=0.1).apply([1.0, 0, 0])[2] < 0, "a positive pitch points the nose down"
    assert Pose(roll=0.1).apply([0, 1.0, 0])[2] > 0, "a positive roll lifts the left side"


@given(st.floats(-100, 100))
def test_wrapped_angles_stay_in_range(value):
    wrapped = float(wrap_angle(value))
    assert -np.pi <= wrapped < np.pi + 1e-9
    np.testing.assert_allclose([np.cos(wrapped), np.sin(wrapped)], [np.cos(value), np.sin(value)], atol=1e-9)


def clip_area(subject, clip):
    """Area of the intersection of two anticlockwise convex polygons, by Sutherland-Hodgman."""
    output = list(subject)
    for i in range(len(clip)):
        a, b = clip[i], clip[(i + 1) % len(clip)]
        side = [(b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0]) for p in output]
        points, output = output, []
        for j, p in enumerate(points):
            k = (j + 1) % len(points)
            if side[j] >= 0:
                output.append(p)
            if side[j] * side[k] < 0:
                output.append(p + (points[k] - p) * side[j] / (side[j] - side[k]))
        if not output:
            return 0.0
    x, y = np.array(output).T
    return 0.5 * abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))


@given(boxes, boxes)
def test_boxes_overlap_when_their_polygons_share_area(a, b):
    area = clip_area(box_corners(*a), box_corners(*b))
    assume(not 0 < area < 1e-6)
    assert boxes_overlap(a, b) == (area > 0)
    assert boxes_overlap(a, b) == boxes_overlap(b, a)


@given(boxes, coordinate, coordinate)
def test_point_in_polygon_agrees_with_the_box_frame(box, x, y):
    c, s = np.cos(box[2]), np.sin(box[2])
    along, across = c * (x - box[0]) + s * (y - box[1]), -s * (x - box[0]) + c * (y - box[1])
    margin = max(abs(along) - box[3] / 2, abs(across) - box[4] / 2)
    assume(abs(margin) > 1e-9)
    assert point_in_polygon(x, y, box_corners(*box)) == (margin < 0)
