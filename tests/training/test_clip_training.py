"""Clips as they are learned from, the training of models over time, and the models it writes."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.occupancy.temporal.small import SMALL, SMALL_VAE
from uniscene_sim.datasets.drives import make_data
from uniscene_sim.datasets.windows import read_split
from uniscene_sim.errors import InputError
from uniscene_sim.layout import CONDITION_CHANNELS
from uniscene_sim.occupancy.learned.vae import OccupancyVae
from uniscene_sim.occupancy.temporal.model import ClipOccupancy
from uniscene_sim.occupancy.temporal.occdit import Memory
from uniscene_sim.occupancy.temporal.temporal_vae import TemporalVae
from uniscene_sim.taxonomy import OccClass
from uniscene_sim.training.clip_flow import (
    ClipFlowRecipe,
    _Objective,
    flow_of,
    kind_of,
    save_clip_flow,
    told_decoder,
    train_clip_flow,
)
from uniscene_sim.training.clips import ClipCrops, clips_of, cut_clip
from uniscene_sim.training.loop import Schedule
from uniscene_sim.training.occupancy import train_decoder, train_vae
from uniscene_sim.training.recipe_file import read_recipe
from uniscene_sim.training.temporal_decoder import train_temporal_decoder

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    make_data(folder, "train", [3], windows_per_town=12)
    return read_split(folder / "train")


def small(kind):
    recipe = ClipFlowRecipe()
    still = replace(recipe.still, vae=SMALL_VAE, vae_schedule=Schedule(60, 4e-3, 5), vae_crop=48, vae_batch=2)
    return replace(
        recipe, still=still, net=SMALL[kind], crop=48, frames_batch=4, clips_batch=2, frames=3,
        frames_schedule=Schedule(60, 3e-3, 5, average=0.9), clips_schedule=Schedule(50, 2e-3, 5, average=0.9),
    )  # fmt: skip


# --- clips ------------------------------------------------------------------------------------------------------------


def test_clips_are_runs_of_one_drive(town):
    places = clips_of(town, 4)
    assert [(place.first, place.frames) for place in places] == [(0, 4), (1, 4), (2, 4), (6, 4), (7, 4), (8, 4)]


def test_in_its_own_axes_a_frame_is_its_window(town):
    place = clips_of(town, 4)[1]
    clip = cut_clip(town[0], place, 16, 2)
    window = town[0].sample(place.first + 2, agents=True)
    assert np.array_equal(clip.labels[2], window.labels[:, :, :16])
    assert np.array_equal(clip.layout[2], window.layout)
    assert clip.observed[2].all() and clip.seconds.tolist() == [0.0, 0.5, 1.0, 1.5]


def test_what_stands_is_at_one_place_in_all_frames(town):
    still = [OccClass.MANMADE, OccClass.VEGETATION]
    same = total = 0
    for place in clips_of(town, 2):
        clip = cut_clip(town[0], place, 16, 0)
        seen = clip.observed.all(axis=0) & np.isin(clip.labels, still).any(axis=0)
        same += int((clip.labels[0] == clip.labels[1])[seen].sum())
        total += int(seen.sum())
    assert total > 1000 and same / total > 0.85  # but for columns at edges, which are drawn by their middle


def test_crops_are_seeded_and_free_where_nothing_is_known(town):
    def batches():
        return ClipCrops(town, 3, 48, 2, 5, 0.5, 1.0, CONDITION_CHANNELS, 16)

    a, b, other = batches()[4], batches()[4], batches()[5]
    assert torch.equal(a.labels, b.labels) and torch.equal(a.layout, b.layout)
    assert not torch.equal(a.labels, other.labels)
    assert a.labels.shape == (2, 3, 48, 48, 16) and a.layout.shape == (2, 3, len(CONDITION_CHANNELS), 48, 48)
    unknown = [batch.labels[~batch.observed] for batch in (batches()[n] for n in range(8))]
    assert sum(map(len, unknown)) and all((labels == OccClass.FREE).all() for labels in unknown)
    assert (a.layout[:, :, CONDITION_CHANNELS.index("building")] == 0).all()
    with pytest.raises(ValueError, match="no drive has 7 windows"):
        ClipCrops(town, 7, 48, 2, 5, 0.5, 1.0, CONDITION_CHANNELS, 16)


# --- training ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SMALL)
def test_a_flow_over_clips_learns_and_is_written(kind, town, tmp_path):
    recipe = small(kind)
    assert kind_of(recipe) == kind
    vae = train_vae(recipe.still, town, town, tmp_path, CPU)
    flow = train_clip_flow(recipe, vae, town, town, tmp_path, CPU)
    for name, least in (("frames", 60), ("clips", 50)):
        rows = [json.loads(line) for line in (tmp_path / f"{name}.jsonl").read_text().splitlines()]
        assert rows[-1]["step"] == least and np.isfinite(rows[-1]["held_out"])
        assert rows[-1]["held_out"] < 1.3  # predicting nothing costs about 2
    if kind == "occ-uniscene":
        vae = train_temporal_decoder(recipe.still, Schedule(4, 1e-3, 2), vae, town, town, tmp_path, CPU)
    save_clip_flow(tmp_path / "small", recipe, vae, flow, {}, "# small\n")
    model = ClipOccupancy.load(tmp_path / "small", kind, "cpu")
    labels = town[0].sample(0, agents=True).labels[None, :, :, :16]
    latents = model.encode(np.ascontiguousarray(labels))
    assert abs(latents.mean()) < 1.0 and 0.3 < latents.std() < 3.0
    assert model.decode(latents).shape == labels.shape

    other = next(name for name in SMALL if name != kind)
    with pytest.raises(InputError, match=rf"config.yaml: kind: expected {other}, got '{kind}'"):
        ClipOccupancy.load(tmp_path / "small", other, "cpu")


def test_the_decoder_over_time_goes_on_from_that_of_single_frames(town, tmp_path):
    recipe = small("occ-uniscene").still
    vae = OccupancyVae(recipe.vae)
    before = train_temporal_decoder(recipe, Schedule(1, 0.0), vae, town, town, tmp_path / "none", CPU)
    after = train_temporal_decoder(recipe, Schedule(20, 3e-3, 2, average=0.5), vae, town, town, tmp_path / "some", CPU)
    assert isinstance(after, TemporalVae)
    clip = torch.randn(1, 3, recipe.vae.latent, 12, 12)
    alone = vae.decode(clip[0], torch.zeros(3, 0, 48, 48), torch.zeros(3, dtype=torch.bool))
    assert torch.equal(before.decode_clip(clip)[0], alone)
    for name, weight in vae.state_dict().items():
        if name.startswith(("stem", "moments", "encoder", "down")):
            assert torch.equal(weight, after.state_dict()[name]), name  # latents are as they were
    later = clip.clone()
    later[:, 2] += 3.0
    assert not torch.equal(after.clip_features(clip)[: 48 * 48 * 16], after.clip_features(later)[: 48 * 48 * 16])


def test_a_decoder_learns_to_be_told_and_begins_as_it_was(town, tmp_path):
    recipe = told_decoder(replace(small("occdit"), decoder_schedule=Schedule(1, 0.0)))
    vae = OccupancyVae(SMALL_VAE)
    labels = torch.from_numpy(np.ascontiguousarray(town[0].sample(0, agents=True).labels[None, :, :, :16]))
    layout = torch.from_numpy(town[0].sample(0, agents=True).layout[None].astype(np.float32))
    none, told = torch.zeros(1, dtype=torch.bool), torch.ones(1, dtype=torch.bool)
    before = train_decoder(recipe, vae, town, town, tmp_path / "none", CPU)
    latents = vae.encode(labels)[0]
    assert torch.equal(before.decode(latents, layout, told), vae.decode(latents, layout, none))
    learned = replace(recipe, decoder_schedule=Schedule(30, 3e-3, 2, average=0.5))
    after = train_decoder(learned, vae, town, town, tmp_path / "some", CPU)
    assert torch.equal(after.encode(labels)[0], latents)
    assert not torch.equal(after.features(latents, layout, told), after.features(latents, layout, none))


class Known(torch.nn.Module):
    """A network that knows the velocity of a lesson."""

    def __init__(self, lesson):
        super().__init__()
        self.lesson = lesson

    def remember(self, clean, known, level, seconds):
        return Memory([], [])

    def forward(self, noisy, t, *rest):
        return self.lesson.target


def test_a_past_of_its_own_making_is_the_true_one_where_the_network_is_right(town):
    recipe = replace(small("occdit"), own_history=1.0)
    vae = OccupancyVae(SMALL_VAE)
    objective = _Objective(recipe, vae)
    batch = ClipCrops(town, 3, 48, 2, 5, 0.5, 1.0, CONDITION_CHANNELS, 16)[0]
    lesson = objective._lesson(batch, torch.Generator().manual_seed(1), 0.0)
    data = lesson.noisy + (1 - lesson.t)[:, :, None, None, None] * lesson.target
    own = objective._with_own_past(Known(lesson), lesson)
    assert torch.allclose(own.past, data * lesson.known, atol=1e-5) and (own.level == 1).all()
    assert not torch.allclose(lesson.past, own.past, atol=1e-2)  # that of the lesson has noise
    net = flow_of(recipe.net)  # whose velocity is zero: it leaves the noise where it is
    assert not torch.allclose(objective._with_own_past(net, lesson).past, data * lesson.known, atol=1e-2)


@pytest.mark.parametrize(("change", "message"), [
    ({"kind": "triplane"}, r"kind: expected occdit, got 'triplane'"),
    ({"engine": {"steps": 0, "guidance": 1.0, "past": 2}}, r"engine: expected steps, a whole number from 1 to 1000"),
    ({"engine": {"steps": 2}}, r"engine: expected steps, a whole number from 1 to 1000"),
])  # fmt: skip
def test_configs_that_cannot_be_are_refused(change, message, tmp_path):
    import yaml

    recipe = small("occdit")
    save_clip_flow(tmp_path, recipe, OccupancyVae(SMALL_VAE), flow_of(recipe.net), {}, "# small\n")
    config = yaml.safe_load((tmp_path / "config.yaml").read_text())
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config | change))
    with pytest.raises(InputError, match=message):
        ClipOccupancy.load(tmp_path, "occdit", "cpu")


def test_channels_and_latents_have_to_fit(tmp_path):
    recipe = small("occdit")
    unknown = replace(recipe, net=replace(recipe.net, channels=("drivable_area", "moat")))
    save_clip_flow(tmp_path / "a", unknown, OccupancyVae(SMALL_VAE), flow_of(unknown.net), {}, "")
    with pytest.raises(InputError, match=r"clips.channels: no such channels: moat; expected some of drivable_area, "):
        ClipOccupancy.load(tmp_path / "a", "occdit", "cpu")
    other = replace(recipe, net=replace(recipe.net, latent=5))
    save_clip_flow(tmp_path / "b", other, OccupancyVae(SMALL_VAE), flow_of(other.net), {}, "")
    with pytest.raises(InputError, match=r"clips.latent, clips.patch: expected those of its VAE, 4 and 4, got 5 and 4"):
        ClipOccupancy.load(tmp_path / "b", "occdit", "cpu")


def test_a_recipe_takes_away_what_the_papers_take_away(tmp_path):
    file = tmp_path / "recipe.yaml"
    file.write_text("teacher: false\nnet: {temporal: false, joined: false, learned_empty: false}\n"
                    "still: {vae: {latent: 64}}\n", encoding="utf-8")  # fmt: skip
    recipe = read_recipe(file, ClipFlowRecipe(), {})
    assert not recipe.teacher and not recipe.net.temporal and not recipe.net.joined and not recipe.net.learned_empty
    assert recipe.still.vae.ratio == 32


def test_a_decoder_that_is_told_the_layout_has_the_channels_of_the_flow(tmp_path):
    recipe = small("occdit")
    told = OccupancyVae(replace(SMALL_VAE, told=True, channels=("drivable_area", "car")))
    save_clip_flow(tmp_path, recipe, told, flow_of(recipe.net), {}, "")
    with pytest.raises(InputError, match=r"vae.channels: expected those of the flow, in one order"):
        ClipOccupancy.load(tmp_path, "occdit", "cpu")
