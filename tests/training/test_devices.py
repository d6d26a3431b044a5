"""What `fit` promises about devices. Each test needs its device, and skips without it."""

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from coursekit import models, training

cuda = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
mps = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.backends.mps.is_available(), reason="needs Apple's MPS device"),
]
DEVICES = [pytest.param("cuda", marks=cuda), pytest.param("mps", marks=mps)]
on_cuda = pytest.mark.parametrize("device", DEVICES[:1])


@pytest.fixture
def task():
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(16, 3, 32, 32, generator=generator)
    return TensorDataset(images, (images.mean(dim=1) > 0.5).long())


def network():
    torch.manual_seed(0)
    return models.UNet(2, 3, base_channels=4, depth=2, padding="same")


@pytest.mark.parametrize("device", DEVICES)
def test_the_device_is_found_and_used(task, device):
    model = network()
    history = training.fit(model, task, task, epochs=5, progress=False)
    assert next(model.parameters()).device.type == device
    assert history.epochs[-1].loss < history.epochs[0].loss
    assert training.evaluate(model, task).mean_iou == pytest.approx(history.epochs[-1].mean_iou, abs=0.02)


@on_cuda
def test_bfloat16_is_chosen_where_it_is_fast(task, device):
    seen = []

    class Watched(nn.Conv2d):
        def forward(self, x):
            out = super().forward(x)
            seen.append(out.dtype)
            return out

    training.fit(Watched(3, 2, 1), task, epochs=1, progress=False)
    expected = torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    assert set(seen) == {expected}


@on_cuda
@pytest.mark.parametrize("options", [{"precision": "fp16"}, {"channels_last": True}, {"compile": True}, {"ema": 0.9}])
def test_options_train_there_too(task, device, options):
    history = training.fit(network(), task, task, epochs=3, learning_rate=0.01, progress=False, **options)
    assert history.epochs[-1].loss < history.epochs[0].loss


@on_cuda
def test_real_memory_that_ends_is_survived(task, device):
    class Greedy(nn.Module):
        """Takes half of the free memory for each picture of a batch above two."""

        def __init__(self):
            super().__init__()
            self.inner, self.sizes = network(), []

        def forward(self, x):
            self.sizes.append(len(x))
            if len(x) > 2:
                torch.empty(2 * torch.cuda.mem_get_info()[1], dtype=torch.uint8, device=x.device)
            return self.inner(x)

    model = Greedy()
    training.fit(model, task, epochs=1, batch_size=8, progress=False)
    assert model.sizes == [8, 4, 2, 2, 2, 2] + [2] * 4


@pytest.mark.parametrize("device", DEVICES)
def test_a_run_goes_on_there(task, device, tmp_path):
    through, first, second = network(), network(), network()
    training.fit(through, task, epochs=4, progress=False)
    training.fit(first, task, epochs=2, folder=tmp_path, progress=False)
    training.fit(second, task, epochs=4, folder=tmp_path, progress=False)
    for a, b in zip(through.parameters(), second.parameters()):
        torch.testing.assert_close(a, b, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("device", DEVICES)
def test_a_checkpoint_of_a_gpu_is_read_without_one(task, device, tmp_path):
    training.fit(network(), task, epochs=1, folder=tmp_path, progress=False)
    weights = training.load_weights(network(), tmp_path / "weights.safetensors")
    assert next(weights.parameters()).device.type == "cpu"
