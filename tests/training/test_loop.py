"""The training loop: what a stopped training leaves, and that it goes on from there."""

import json

import pytest

torch = pytest.importorskip("torch")

from uniscene_sim.training.card import read_log  # noqa: E402
from uniscene_sim.training.loop import Schedule, train  # noqa: E402


def test_a_stopped_training_goes_on_from_its_checkpoint_and_logs_each_step_once(tmp_path):
    """Also where the log holds rows from after the checkpoint."""
    device = torch.device("cpu")

    def learn(stop_at: int | None = None):
        torch.manual_seed(0)
        net = torch.nn.Linear(2, 1)

        def loss_of(step: int):
            if step == stop_at:
                raise KeyboardInterrupt
            return {"loss": (net(torch.ones(1, 2)) - 1.0).square().sum()}

        return train(net, loss_of, Schedule(300, 1e-2), tmp_path, "net", device, every=100)

    with pytest.raises(KeyboardInterrupt):
        learn(stop_at=180)
    assert [row["step"] for row in read_log(tmp_path / "net.jsonl")] == [50, 100, 150]
    learn()
    assert [row["step"] for row in read_log(tmp_path / "net.jsonl")] == [50, 100, 150, 200, 250, 300]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["net.ckpt", "net.jsonl"]
    assert all(json.loads(line)["loss"] >= 0 for line in (tmp_path / "net.jsonl").read_text().splitlines())
