"""The transformers over clips: causal where they should be, and the cache equal to the clip."""

import pytest
import torch

from tests.occupancy.temporal.small import SMALL, drawn, small_net
from uniscene_sim.layout import CONDITION_CHANNELS
from uniscene_sim.occupancy.temporal.occdit import OccDiT

B, F, SIDE = 2, 4, 8
BEFORE = torch.ones(F, F, dtype=torch.bool).tril(-1).expand(B, F, F)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)
    torch.set_num_threads(1)


@pytest.fixture
def clip():
    return {
        "x": torch.randn(B, F, 4, SIDE, SIDE),
        "t": torch.rand(B, F),
        "layout": (torch.rand(B, F, len(CONDITION_CHANNELS), 4 * SIDE, 4 * SIDE) < 0.1).float(),
        "has_layout": torch.ones(B, dtype=torch.bool),
        "seconds": 0.5 * torch.arange(F).expand(B, F),
        "clean": torch.randn(B, F, 4, SIDE, SIDE),
        "known": torch.ones(B, F, 1, SIDE, SIDE),
    }


def velocity(net, clip, frames=slice(None), past=slice(None)):
    memory = net.remember(clip["clean"][:, past], clip["known"][:, past], torch.ones(B, F)[:, past],
                          clip["seconds"][:, past])  # fmt: skip
    told = (clip[name][:, frames] for name in ("x", "t", "layout"))
    x, t, layout = told
    return net(x, t, layout, clip["has_layout"], clip["seconds"][:, frames], memory, BEFORE[:, frames, past])


def test_a_frame_generated_from_the_cache_is_that_of_the_clip(clip):
    net = small_net("occdit")
    whole = velocity(net, clip)
    for n in range(1, F):
        alone = velocity(net, clip, slice(n, n + 1), slice(0, n))
        assert torch.allclose(whole[:, n : n + 1], alone, atol=1e-4)


def test_no_frame_sees_a_later_one(clip):
    net = small_net("occdit")
    before = velocity(net, clip)
    clip["clean"][:, 2] += 1.0
    after = velocity(net, clip)
    assert torch.equal(before[:, :3], after[:, :3])
    assert not torch.allclose(before[:, 3], after[:, 3], atol=1e-3)


def test_the_past_counts_only_where_it_is_seen_and_only_with_attention_over_time(clip):
    net = small_net("occdit")
    nothing = net(clip["x"], clip["t"], clip["layout"], clip["has_layout"], clip["seconds"])
    assert torch.allclose(velocity(net, clip)[:, 0], nothing[:, 0], atol=1e-5)
    assert not torch.allclose(velocity(net, clip)[:, 2], nothing[:, 2], atol=1e-3)
    from dataclasses import replace

    torch.manual_seed(3)
    without = drawn(OccDiT(replace(SMALL["occdit"], temporal=False)))
    alone = without(clip["x"], clip["t"], clip["layout"], clip["has_layout"], clip["seconds"])
    assert torch.equal(velocity(without, clip), alone)


def test_attention_over_time_begins_without_effect(clip):
    torch.manual_seed(3)
    net = OccDiT(SMALL["occdit"]).eval()
    torch.nn.init.normal_(net.head.weight)  # else the velocity is zero whatever was before
    nothing = net(clip["x"], clip["t"], clip["layout"], clip["has_layout"], clip["seconds"])
    assert torch.equal(velocity(net, clip), nothing)


def test_convolutions_at_latent_cells_begin_without_effect_and_see_the_layout_finer_than_tokens(clip):
    torch.manual_seed(3)
    net = OccDiT(SMALL["occdit"]).eval()
    torch.nn.init.normal_(net.head.weight)

    def made(net):
        return net(clip["x"], clip["t"], clip["layout"], clip["has_layout"], clip["seconds"])

    before = made(net)
    torch.nn.init.normal_(net.fine.out.weight)
    assert not torch.equal(made(net), before)
    net.fine = None
    assert torch.equal(made(net), before)


@pytest.mark.parametrize("kind", SMALL)
def test_the_layout_counts_unless_it_is_withheld(kind, clip):
    net = small_net(kind)

    def made(layout, has_layout):
        if kind == "occdit":
            return net(clip["x"], clip["t"], layout, has_layout, clip["seconds"])
        sees = torch.ones(B, F, F, dtype=torch.bool)
        return net(clip["x"], clip["t"], layout, has_layout, clip["seconds"], clip["known"], sees)

    other = 1.0 - clip["layout"]
    yes, no = clip["has_layout"], ~clip["has_layout"]
    assert not torch.allclose(made(clip["layout"], yes), made(other, yes), atol=1e-3)
    assert torch.equal(made(clip["layout"], no), made(other, no))


def test_frames_of_a_clip_see_each_other_in_both_directions(clip):
    net = small_net("occ-uniscene")
    sees = torch.ones(B, F, F, dtype=torch.bool)

    def made():
        return net(clip["x"], clip["t"], clip["layout"], clip["has_layout"], clip["seconds"], clip["known"], sees)

    before = made()
    clip["x"][:, 3] += 1.0
    assert not torch.allclose(before[:, 0], made()[:, 0], atol=1e-3)
