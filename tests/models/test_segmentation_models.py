"""What holds for every model that gives each pixel its logits."""

import pytest
import torch
import torch.nn.functional as F

from coursekit import models

CLASSES = 3

SMALL = {
    "patch_classifier": ("patch_classifier", {"width": 4, "patch_size": 13}),
    "fcn32s": ("fcn32s", {"width": 8, "window": 1}),
    "fcn16s": ("fcn16s", {"width": 8, "window": 1}),
    "fcn8s": ("fcn8s", {"width": 8, "window": 1}),
    "fcn8s-alexnet": ("fcn8s", {"width": 8, "window": 1, "backbone": "alexnet"}),
    "fcn8s-googlenet": ("fcn8s", {"width": 8, "window": 1, "backbone": "googlenet"}),
    "deconvnet": ("deconvnet", {"width": 4, "window": 1}),
    "segnet": ("segnet", {"width": 4}),
    "unet": ("unet", {"base_channels": 4, "depth": 2, "padding": "same", "in_channels": 3}),
    "unet-valid": ("unet", {"base_channels": 4, "depth": 2, "in_channels": 3}),
    "pspnet": ("pspnet", {"width": 4}),
    "pspnet-deep-stem": ("pspnet", {"width": 4, "deep_stem": True}),
}


@pytest.fixture(autouse=True)
def one_thread():
    """On maps this small a second thread waits more than it works."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


every_model = pytest.mark.parametrize("case", SMALL)


def build(case, **options):
    name, small = SMALL[case]
    torch.manual_seed(0)
    return models.create(name, **({"num_classes": CLASSES} | small | options))


def images(n=2, height=44, width=52, channels=3):
    return torch.rand(n, channels, height, width, generator=torch.Generator().manual_seed(1))


def main_logits(output):
    return output[0] if isinstance(output, tuple) else output


def segmentation_loss(model, x):
    """Left half class 1, right half class 0, on whatever part of the image the output covers."""
    output = model(x)
    logits = output if isinstance(output, tuple) else (output,)
    target = torch.zeros(x.shape[0], *logits[0].shape[-2:], dtype=torch.int64)
    target[..., : target.shape[-1] // 2] = 1
    return sum(F.cross_entropy(scores, target) for scores in logits)


@pytest.mark.parametrize("case", sorted(SMALL.keys() - {"unet-valid"}))  # whose sizes have their own tests
@pytest.mark.parametrize("size", [(1, 1), (33, 47), (64, 40)], ids=str)
def test_logits_have_the_image_s_size_whatever_it_is(case, size):
    model = build(case).eval()
    with torch.no_grad():
        assert model(images(1, *size)).shape == (1, CLASSES, *size)


@every_model
def test_state_dict_round_trip(case):
    model = build(case).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.01 * torch.randn_like(parameter))
    torch.manual_seed(9)
    name, small = SMALL[case]
    twin = models.create(name, num_classes=CLASSES, **small).eval()
    x = images()
    with torch.no_grad():
        assert not torch.equal(twin(x), model(x))
        twin.load_state_dict(model.state_dict())
        assert torch.equal(twin(x), model(x))


@every_model
def test_the_gradient_reaches_every_parameter(case):
    model = build(case)
    segmentation_loss(model, images()).backward()
    silent = [
        name
        for name, parameter in model.named_parameters()
        # Of biases it is enough that they are asked: batch normalisation after them takes their mean away again.
        if parameter.grad is None or (parameter.ndim > 1 and not parameter.grad.any())
    ]
    assert not silent


@every_model
def test_a_few_steps_on_one_batch_lower_the_loss(case):
    model = build(case)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    x = images(height=44, width=44)
    losses = []
    for _ in range(8):
        loss = segmentation_loss(model, x)
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert min(losses[-3:]) < 0.98 * losses[0]


@every_model
def test_float64_stays_float64_and_the_image_stays_as_it_was(case):
    model = build(case).double()
    x = images().double().requires_grad_()
    before = x.detach().clone()
    logits = main_logits(model(x))
    assert logits.dtype == torch.float64
    logits.sum().backward()
    assert x.grad.isfinite().all()
    assert torch.equal(x.detach(), before)


@every_model
def test_takes_other_than_three_channels(case):
    model = build(case, in_channels=1).eval()
    with torch.no_grad():
        assert main_logits(model(images(channels=1))).shape[1] == CLASSES


@every_model
def test_an_image_s_logits_do_not_depend_on_the_batch_in_evaluation(case):
    model = build(case).double().eval()
    x = images(3).double()
    with torch.no_grad():
        torch.testing.assert_close(model(x)[1:2], model(x[1:2]))


@every_model
def test_exports(case):
    model = build(case).eval()
    x = images()
    program = torch.export.export(model, (x,))
    with torch.no_grad():
        torch.testing.assert_close(program.module()(x), model(x), rtol=1e-4, atol=1e-5)
