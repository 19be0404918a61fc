"""A model of occupancy over time that is made on the spot: its weights are drawn, so its windows are noise."""

import torch

from uniscene_sim.occupancy.learned.vae import OccupancyVae, VaeConfig
from uniscene_sim.occupancy.temporal.model import ClipOccupancy
from uniscene_sim.occupancy.temporal.occ_uniscene import OccUniScene, OccUniSceneConfig
from uniscene_sim.occupancy.temporal.occdit import OccDiT, OccDiTConfig

SMALL_VAE = VaeConfig(height=16, latent=4, widths=(8, 16), encoder_blocks=(1, 1), decoder_blocks=(1, 1),
                      learned_embedding=True, told=False)  # fmt: skip
SMALL = {
    "occdit": OccDiTConfig(latent=4, width=32, depth=2, heads=2, layout_width=4, fine=8),
    "occ-uniscene": OccUniSceneConfig(latent=4, width=32, depth=2, heads=2, layout_width=4, fine=8),
}


def drawn(net: torch.nn.Module) -> torch.nn.Module:
    """The network with what begins at zero drawn, too, so that all of it has an effect."""
    for parameter in net.parameters():
        if not parameter.detach().any():
            torch.nn.init.normal_(parameter, std=0.3)
    return net.eval()


def small_net(kind: str) -> torch.nn.Module:
    torch.manual_seed(3)
    net = OccDiT(SMALL[kind]) if kind == "occdit" else OccUniScene(SMALL[kind])
    return drawn(net)


def small_model(kind: str) -> ClipOccupancy:
    torch.manual_seed(3)
    vae = drawn(OccupancyVae(SMALL_VAE))
    return ClipOccupancy("small", vae, small_net(kind), "0" * 64, "cpu", steps=2, past=2)
