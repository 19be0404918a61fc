"""The VAE, the flow and their training: against plain arithmetic, and end to end on a small town."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from uniscene_sim.datasets.drives import make_data
from uniscene_sim.datasets.windows import read_split
from uniscene_sim.errors import InputError
from uniscene_sim.layout import CONDITION_CHANNELS, PLAN_CHANNELS
from uniscene_sim.occupancy.learned.dit import DiT, DiTConfig
from uniscene_sim.occupancy.learned.flow import flow_loss, sample
from uniscene_sim.occupancy.learned.model import OccupancyModel
from uniscene_sim.occupancy.learned.unet import UNet, UNetConfig
from uniscene_sim.occupancy.learned.vae import OccupancyVae, VaeConfig, fold, unfold
from uniscene_sim.taxonomy import OccClass
from uniscene_sim.training.batches import Crops
from uniscene_sim.training.loop import Schedule, train
from uniscene_sim.training.losses import focal_loss, kl_loss, lovasz_softmax
from uniscene_sim.training.occupancy import OccupancyRecipe, save_occupancy, train_decoder, train_flow, train_vae
from uniscene_sim.training.recipe_file import read_recipe

CPU = torch.device("cpu")
CHANNELS = len(CONDITION_CHANNELS)
LATENT = VaeConfig().latent
SMALL_VAE = VaeConfig(widths=(16, 48), encoder_blocks=(1, 1), decoder_blocks=(1, 2), layout_width=8)
SMALL_UNET = UNetConfig(widths=(48, 64), blocks=(1, 1, 1), layout_width=8)
SMALL_DIT = DiTConfig(width=64, depth=2, heads=2, layout_width=8)
NETS = {"unet": lambda: UNet(SMALL_UNET), "dit": lambda: DiT(SMALL_DIT)}
KINDS = {"net": {"unet": UNetConfig, "dit": DiTConfig}}


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)
    torch.set_num_threads(1)


# --- losses -----------------------------------------------------------------------------------------------------------


def test_lovasz_is_the_plain_extension_of_the_jaccard_loss():
    logits, labels = torch.randn(40, 3), torch.randint(0, 3, (40,))
    p = logits.softmax(1).double().numpy()
    losses = []
    for k in range(3):
        truth = (labels == k).numpy()
        errors = np.abs(truth - p[:, k])
        order = np.argsort(-errors, kind="stable")
        before, total = 0.0, 0.0
        for n in range(1, 41):
            wrong = np.zeros(40, bool)
            wrong[order[:n]] = True
            after = wrong.sum() / (truth | wrong).sum()  # 1 - IoU where just those are wrong
            total += errors[order[n - 1]] * (after - before)
            before = after
        losses.append(total)
    assert lovasz_softmax(torch.from_numpy(p), labels).item() == pytest.approx(np.mean(losses), abs=1e-6)


def test_focal_and_kl_by_hand():
    logits, labels, weight = torch.randn(6, 4), torch.tensor([0, 1, 2, 3, 0, 1]), torch.rand(6)
    p = logits.softmax(1)[range(6), labels]
    for gamma in (0.0, 2.0):
        by_hand = (weight * (1 - p) ** gamma * -p.log()).sum() / weight.sum()
        assert focal_loss(logits, labels, weight, gamma).item() == pytest.approx(by_hand.item(), rel=1e-5)
    mean, deviation = torch.tensor([0.5]), torch.tensor([0.3])
    divergence = torch.distributions.kl_divergence(
        torch.distributions.Normal(mean, deviation), torch.distributions.Normal(0.0, 1.0)
    )
    assert kl_loss(mean, 2 * deviation.log()).item() == pytest.approx(divergence.item(), rel=1e-5)


# --- the VAE ----------------------------------------------------------------------------------------------------------


def test_ratio_is_counted_as_in_occworld():
    assert VaeConfig().ratio == pytest.approx(200 * 200 * 32 * 8 / (50 * 50 * VaeConfig().latent))
    assert VaeConfig(latent=16).ratio == 256 and VaeConfig(height=16, latent=4).ratio == 512


def test_folding_is_undone():
    labels = torch.randint(0, 21, (2, 8, 12, 16), dtype=torch.uint8)
    folded = fold(labels)
    assert folded.shape == (2, 4, 6, 64) and torch.equal(unfold(folded), labels)
    assert torch.equal(folded[1, 3, 5, 48:], labels[1, 7, 11])


def test_a_window_decodes_as_the_canvas_around_it_does():
    vae = OccupancyVae(SMALL_VAE).eval()
    for parameter in vae.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    latents, layout = torch.randn(1, LATENT, 40, 40), (torch.rand(1, CHANNELS, 160, 160) < 0.2).float()
    has_layout = torch.ones(1, dtype=torch.bool)
    with torch.no_grad():
        whole = vae.decode(latents, layout, has_layout)
        part = vae.decode(latents[:, :, 8:32, 8:32], layout[:, :, 32:128, 32:128], has_layout)
    inner = slice(28, 68)
    assert (part[:, inner, inner] != whole[:, 32 + 28 : 32 + 68, 32 + 28 : 32 + 68]).float().mean() < 1e-3


def test_a_layout_that_is_not_given_does_not_matter():
    vae = OccupancyVae(SMALL_VAE).eval()
    vae.layout.unknown.data.normal_()
    latents, layout = torch.randn(2, LATENT, 6, 6), (torch.rand(2, CHANNELS, 24, 24) < 0.3).float()
    with torch.no_grad():
        a, b = (vae.features(latents, x, torch.tensor([False, True])).view(2, -1) for x in (layout, 1 - layout))
    assert torch.equal(a[0], b[0]) and not torch.equal(a[1], b[1])


# --- the flow ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", NETS)
def test_what_is_given_is_kept_and_what_is_not_hangs_on_it(kind):
    net = NETS[kind]().eval()
    for parameter in net.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    noise, layout = torch.randn(1, LATENT, 10, 14), (torch.rand(1, CHANNELS, 40, 56) < 0.2).float()
    mask = torch.zeros(1, 1, 10, 14)
    mask[..., :3] = 1
    with torch.no_grad():
        runs = [sample(net, noise, layout, known, mask, 3, 1.5) for known in torch.randn(2, 1, LATENT, 10, 14).unbind()]
        known = torch.randn(1, LATENT, 10, 14)
        kept = sample(net, noise, layout, known, mask, 2, 1.0)
    assert torch.equal(kept[..., :3], known[..., :3])
    assert (runs[0] - runs[1])[..., 3:].abs().max() > 1e-4


def test_steps_and_guidance_by_hand():
    def net(x, t, layout, has_layout, known, mask):
        return has_layout.float()[:, None, None, None] * 2.0 + t[:, None, None, None] + 0.0 * x

    noise = torch.zeros(1, 4, 2, 2)
    args = noise, torch.zeros(1, CHANNELS, 8, 8), noise, torch.zeros(1, 1, 2, 2)
    # With the layout 2 + t, without it t: guided by 1.5 it is t + 3. Steps at t = 0, 0.5; the second adds a quarter of
    # the change of 0.5.
    assert sample(net, *args, steps=1, guidance=1.5).mean().item() == pytest.approx(3.0)
    assert sample(net, *args, steps=2, guidance=1.5).mean().item() == pytest.approx(3.375)
    assert sample(net, *args, steps=2, guidance=1.0).mean().item() == pytest.approx(2.375)
    # With the last step twice as long as the first, t = 0 and 1/3: 2 / 3 + 2 / 3 (2 + 1 / 3 + 1 / 3).
    assert sample(net, *args, steps=2, guidance=1.0, shift=2.0).mean().item() == pytest.approx(22 / 9)
    # A velocity that changes evenly is followed to its end, but for the first step.
    assert sample(net, *args, steps=64, guidance=1.0).mean().item() == pytest.approx(2.5, abs=2e-4)


def test_the_loss_counts_only_what_is_not_given_and_by_weight():
    data, layout, has_layout = (
        torch.randn(2, LATENT, 6, 6),
        torch.zeros(2, CHANNELS, 24, 24),
        torch.ones(2, dtype=torch.bool),
    )
    mask, weight = torch.zeros(2, 1, 6, 6), torch.ones(2, 1, 6, 6)
    mask[:, :, :3] = 1
    weight[:, :, 5] = 5.0
    seen = {}

    def net(x, t, layout, has_layout, known, mask):
        seen["known"], seen["x"], seen["t"] = known, x, t[:, None, None, None]
        return torch.zeros_like(x)

    loss = flow_loss(net, data, layout, has_layout, mask, weight, torch.Generator().manual_seed(1))
    assert torch.equal(seen["known"], data * mask)
    noise = (seen["x"] - seen["t"] * data) / (1 - seen["t"])
    error = ((data - noise) ** 2).mean(1)
    by_hand = (error[:, 3:5].sum() + 5 * error[:, 5].sum()) / (2 * 12 + 5 * 12)
    assert loss.item() == pytest.approx(by_hand.item(), rel=1e-3)


# --- from data to a model of the zoo ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def towns(tmp_path_factory):
    folder = tmp_path_factory.mktemp("towns")
    make_data(folder, "train", [3], 12)
    make_data(folder, "validation", [10_000], 6)
    return read_split(folder / "train"), read_split(folder / "validation")


def test_crops_repeat_and_are_parts_of_windows(towns):
    training, _ = towns
    crops = Crops(training, 64, 3, seed=1)
    first, again = crops[5], Crops(training, 64, 3, seed=1)[5]
    assert torch.equal(first.labels, again.labels) and torch.equal(first.layout, again.layout)
    assert not torch.equal(first.labels, crops[6].labels)
    assert first.labels.shape == first.observed.shape == (3, 64, 64, 32)
    assert first.layout.shape == (3, CHANNELS, 64, 64)
    whole = Crops(training, 200, 1, seed=1, near_agents=0.0)[0]
    windows = [training[0].sample(n, True).labels for n in range(12)]
    turned = lambda a: [b for c in (a, a.transpose(1, 0, 2)) for d in (c, c[::-1]) for b in (d, d[:, ::-1])]  # noqa: E731
    assert any(np.array_equal(t, whole.labels[0].numpy()) for window in windows for t in turned(window))


def test_crops_without_the_plan_say_so_and_what_was_not_observed_is_free(towns):
    (town,), _ = towns
    hidden = replace(town, observed=np.where(np.arange(200) < 100, np.uint32(2**32 - 1), np.uint32(0b111))[
        None, :, None].repeat(12, axis=0).repeat(200, axis=2))  # fmt: skip
    told, untold = (Crops([hidden], 96, 4, seed=2, near_agents=0.0, unplanned=share)[0] for share in (0.0, 1.0))
    assert torch.equal(told.labels, untold.labels) and 0 < told.observed.float().mean() < 1
    assert (told.labels[~told.observed] == int(OccClass.FREE)).all()
    plan = [CONDITION_CHANNELS.index(name) for name in PLAN_CHANNELS]
    assert told.layout[:, plan].any() and not untold.layout[:, plan].any()
    assert not told.layout[:, -1].any() and untold.layout[:, -1].all() and CONDITION_CHANNELS[-1] == "unplanned"
    few = Crops([hidden], 96, 4, seed=2, near_agents=0.0, channels=("car", "drivable_area"))[0]
    assert torch.equal(few.layout, told.layout[:, [CONDITION_CHANNELS.index("car"), 0]])


@pytest.mark.slow
def test_small_models_learn_and_obey_the_layout(towns, tmp_path):
    recipe = OccupancyRecipe(
        vae=SMALL_VAE, net=SMALL_UNET, vae_schedule=Schedule(200, 4e-3, 20), decoder_schedule=Schedule(50, 2e-3, 5),
        flow_schedule=Schedule(150, 3e-3, 20), vae_crop=64, vae_batch=4, flow_crop=64, flow_batch=4,
    )  # fmt: skip
    training, validation = towns
    first = train_vae(recipe, training, validation, tmp_path, CPU)
    vae = train_decoder(recipe, first, training, validation, tmp_path, CPU)
    crop = Crops(validation, 96, 4, seed=3, near_agents=0.0)[0]
    assert torch.equal(first.encode(crop.labels)[0], vae.encode(crop.labels)[0])
    off = first.encode(crop.labels)[0] + 0.2 * first.latent_std[:, None, None] * torch.randn(
        4, SMALL_VAE.latent, 24, 24, generator=torch.Generator().manual_seed(0)
    )
    given = torch.ones(4, dtype=torch.bool)
    wrong = [(net.decode(off, crop.layout.float(), given) != crop.labels).float().mean() for net in (first, vae)]
    assert wrong[1] < wrong[0]
    flow = train_flow(recipe, vae, training, validation, tmp_path, CPU)
    for name, much in (("vae", 0.5), ("flow", 0.9)):
        rows = [json.loads(line) for line in (tmp_path / f"{name}.jsonl").read_text().splitlines()]
        assert [row["step"] for row in rows] == list(range(50, getattr(recipe, f"{name}_schedule").steps + 1, 50))
        assert rows[-1]["loss"] < much * rows[0]["loss"], name

    save_occupancy(tmp_path / "small", recipe, vae, flow, {}, "# small\n")
    model = OccupancyModel.load(tmp_path / "small", "cpu")
    windows = [validation[0].sample(n, True) for n in (0, 5)]
    layouts, labels = (np.stack([getattr(window, part) for window in windows]) for part in ("layout", "labels"))
    latents = model.encode(labels)
    assert abs(latents.mean()) < 0.5 and 0.4 < latents.std() < 2.5
    ground = (model.decode(latents, layouts)[..., 2] == labels[..., 2]).mean()
    assert ground > 0.6

    # What is made of a layout is nearer to its own scene than what is made of the other's.
    noise = np.random.default_rng(0).standard_normal(latents.shape).astype(np.float32)
    made = model.generate(layouts, noise)
    apart = [[float(((made[a] - latents[b]) ** 2).mean()) for b in (0, 1)] for a in (0, 1)]
    assert apart[0][0] < apart[1][0] and apart[1][1] < apart[0][1]
    assert np.array_equal(made, OccupancyModel.load(tmp_path / "small", "cpu").generate(layouts, noise))


def test_a_training_that_was_stopped_ends_as_one_that_was_not(tmp_path):
    def run(folder, stop=None):
        torch.manual_seed(0)
        net = torch.nn.Linear(4, 1)

        def loss_of(step):
            if step == stop:
                raise KeyboardInterrupt
            x = torch.randn(8, 4, generator=torch.Generator().manual_seed(step))
            return {"loss": ((net(x)[:, 0] - x.sum(1)) ** 2).mean()}

        return train(net, loss_of, Schedule(20, 1e-2, 3), folder, "line", CPU, every=5)

    whole = run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", stop=13)
    assert torch.load(tmp_path / "cut" / "line.ckpt", weights_only=True)["step"] == 10
    rest = run(tmp_path / "cut")
    assert all(torch.equal(a, b) for a, b in zip(rest.parameters(), whole.parameters(), strict=True))


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("zoo") / "raw"
    recipe = OccupancyRecipe(vae=SMALL_VAE, net=SMALL_DIT)
    save_occupancy(folder, recipe, OccupancyVae(SMALL_VAE), DiT(SMALL_DIT), {}, "")
    return folder


def test_wrong_shapes_are_named(raw):
    model = OccupancyModel.load(raw, "cpu")
    layout, noise = np.zeros((1, CHANNELS, 32, 32), np.uint8), np.zeros((1, LATENT, 8, 8), np.float32)
    model.generate(layout, noise)
    for bad, message in (
        (lambda: model.generate(layout[:, :5], noise), "layout: expected .*channels drivable_area"),
        (lambda: model.generate(layout, noise[:, :2]), f"noise: expected {LATENT} channels"),
        (lambda: model.generate(layout, noise, known=noise[..., :4]), "known: expected"),
        (lambda: model.decode(noise, layout[..., :16]), "layout: expected"),
        (lambda: model.encode(np.zeros((1, 32, 32, 8), np.uint8)), "labels: expected height 32"),
    ):
        with pytest.raises(InputError, match=message):
            bad()


def test_a_config_that_does_not_fit_is_refused(raw):
    for old, new, message in (
        (f"latent: {LATENT}", "latent: 8", "expected shape"),
        ("kind: dit", "kind: mlp", "expected the sizes"),
        ("depth: 2", "deep: 2", "expected the sizes"),
        ("depth: 2", "depth: 100000000", "expected the sizes"),
        ("depth: 2", "depth: two", "expected the sizes"),
        (f"latent: {LATENT}", "latent: 4000", "expected shape"),  # told before it takes memory
        (f"latent: {LATENT}", "latent: {a: 4}", "expected the sizes"),
    ):
        config = raw / "config.yaml"
        text = config.read_text()
        try:
            config.write_text(text.replace(old, new))
            with pytest.raises(InputError, match=message):
                OccupancyModel.load(raw, "cpu")
        finally:
            config.write_text(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("vae: {latnt: 4}", r"vae.latnt: no such field, expected some of .*latent"),
        ("seed: one", "seed: expected int"),
        ("net: {kind: mlp}", "net.kind: expected one of unet, dit"),
        ("vae_schedule: 3", "vae_schedule: expected fields"),
        ("[", "not valid YAML"),
    ],
)
def test_a_bad_recipe_is_refused(tmp_path, text, message):
    (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        read_recipe(tmp_path / "r.yaml", OccupancyRecipe(), KINDS)


def test_a_recipe_says_what_to_change(tmp_path):
    (tmp_path / "r.yaml").write_text("net: {kind: dit, depth: 3}\nvae: {widths: [8, 16]}\nkl: 1\n")
    recipe = read_recipe(tmp_path / "r.yaml", OccupancyRecipe(), KINDS)
    assert recipe.net == DiTConfig(depth=3) and recipe.vae == VaeConfig(widths=(8, 16)) and recipe.kl == 1
