"""The options of `fit`, each against what it promises."""

import math
from functools import partial

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from coursekit import training
from coursekit.losses import cross_entropy
from coursekit.training import devices
from coursekit.training.averaging import Average
from coursekit.training.history import Epoch, History
from coursekit.training.loading import Order, in_turn
from coursekit.training.randomness import mixed, start_from, undisturbed
from coursekit.training.schedules import SCHEDULES, cosine, poly, schedule_of
from coursekit.training.settings import name_of
from coursekit.training.tasks import Semantic


@pytest.fixture
def task():
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(24, 3, 8, 8, generator=generator)
    return TensorDataset(images, (images.mean(dim=1) > 0.5).long())


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(), nn.Conv2d(8, 2, 1))


fit = partial(training.fit, progress=False)


def weights(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


# Memory


class Greedy(nn.Module):
    """Runs out of memory above `most` pictures, as a GPU would; `sizes` are those that it was given."""

    def __init__(self, most, error=torch.OutOfMemoryError):
        super().__init__()
        self.inner, self.most, self.error, self.sizes = network(), most, error, []

    def forward(self, x):
        self.sizes.append(len(x))
        if len(x) > self.most:
            raise self.error("CUDA out of memory. Tried to allocate 2 GiB")
        return self.inner(x)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, RuntimeError])
def test_out_of_memory_takes_smaller_parts_of_the_same_batch(task, error):
    greedy, modest = Greedy(3, error), network()
    history = fit(greedy, task, task, epochs=2, batch_size=8, learning_rate=0.05)
    assert greedy.sizes[:8] == [8, 4, 2, 2, 2, 2, 2, 2]
    expected = fit(modest, task, task, epochs=2, batch_size=8, learning_rate=0.05)
    torch.testing.assert_close(weights(greedy), weights(modest), rtol=1e-4, atol=1e-5)
    assert history.epochs[-1].loss == pytest.approx(expected.epochs[-1].loss, rel=1e-4)


def test_memory_for_not_even_one_picture(task):
    with pytest.raises(torch.OutOfMemoryError, match="too small for 1 pictures at a time: take smaller pictures"):
        fit(Greedy(0), task)


def test_other_errors_are_not_taken_for_it(task):
    class Broken(nn.Conv2d):
        def forward(self, x):
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        fit(Broken(3, 2, 1), task)


def test_parts_of_a_batch_add_up_to_the_batch(task):
    models = [network() for _ in range(3)]
    for model, parts in zip(models, (1, 3, 100)):
        fit(model, task, epochs=3, batch_size=7, learning_rate=0.05, accumulate=parts)
    for other in models[1:]:
        torch.testing.assert_close(weights(other), weights(models[0]), rtol=1e-4, atol=1e-5)


# What stops a run


def test_a_loss_that_is_no_number_names_the_samples(task):
    images, target = task.tensors
    images[13] = math.nan
    with pytest.raises(FloatingPointError) as caught:
        fit(network(), TensorDataset(images, target), batch_size=4)
    order = Order(24, 4, seed=0)
    order.epoch = 1
    number, indices = next((n, batch) for n, batch in enumerate(order.batches()) if 13 in batch)
    assert f"the loss is nan in batch {number} of epoch 1, samples {', '.join(map(str, indices))} of the" in str(
        caught.value
    )


def test_the_weights_before_a_loss_that_is_no_number_are_kept(task, tmp_path):
    def turns_bad(logits, target):
        value = torch.nn.functional.cross_entropy(logits, target)
        calls.append(value)
        return value * (math.inf if len(calls) > 4 else 1)

    calls = []
    model = network()
    with pytest.raises(FloatingPointError, match="batch 1 of epoch 2"):
        fit(model, task, epochs=3, loss=turns_bad, folder=tmp_path)
    assert weights(model).isfinite().all()
    assert (tmp_path / "checkpoint.pt").exists()


def test_patience_stops_and_leaves_the_best_weights(task):
    scores = iter([0.5, 0.7, 0.6, 0.7, 0.1])
    kept = []

    class Scored:
        """The semantic task, with scores that are given."""

        def __getattr__(self, name):
            return getattr(given, name)

        def scores(self, computed):
            kept.append(weights(model))
            return {"mean_iou": next(scores)}

    given, model = Semantic(cross_entropy), network()
    history = fit(model, task, task, epochs=9, patience=2, task=Scored(), learning_rate=0.05)
    assert [epoch.number for epoch in history.epochs] == [1, 2, 3, 4]
    assert history.best.number == 2
    assert torch.equal(weights(model), kept[1])
    assert not torch.equal(kept[3], kept[1])


def test_patience_without_scores_is_an_error(task):
    with pytest.raises(ValueError, match="give a validation set"):
        fit(network(), task, patience=2)


@pytest.mark.parametrize(
    ("option", "value"),
    [("batch_size", 0), ("accumulate", 0), ("ema", 1.0), ("schedule", "linear"), ("precision", "int4")],
)
def test_options_out_of_range_are_named(task, option, value):
    with pytest.raises(ValueError, match=str(value)):
        fit(network(), task, epochs=1, **{option: value})


# Learning rate, clipping, averaging


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_is_a_factor_that_never_leaves_0_to_1(name):
    factors = [SCHEDULES[name](step / 200) for step in range(200)]
    assert all(0 < factor <= 1 for factor in factors)
    assert max(factors) == pytest.approx(1, abs=0.01)


def test_schedules_by_hand():
    assert cosine(0.05) == 1
    assert cosine(0.05 + 0.95 / 2) == pytest.approx(0.5)
    assert cosine(1) == pytest.approx(0)
    assert poly(0.5) == pytest.approx(0.5**0.9)
    assert schedule_of(math.sin) is math.sin


def test_the_schedule_is_followed_for_every_group_of_parameters(task):
    rates = []

    class Watched(torch.optim.SGD):
        def __init__(self, parameters, lr):
            first, *others = parameters
            super().__init__([{"params": [first], "lr": lr / 10}, {"params": others}], lr=lr)

        def step(self, closure=None):
            rates.append([group["lr"] for group in self.param_groups])
            return super().step(closure)

    fit(network(), task, epochs=2, batch_size=12, schedule=lambda done: 1 - done, learning_rate=1.0, optimizer=Watched)
    assert rates == [pytest.approx([rate / 10, rate]) for rate in (1, 0.75, 0.5, 0.25)]


def test_clipping_bounds_the_step(task):
    free, clipped = network(), network()
    options = {"epochs": 1, "batch_size": 24, "learning_rate": 1.0, "optimizer": torch.optim.SGD}
    start = weights(free)
    fit(free, task, loss=lambda logits, target: 1e3 * logits.square().mean(), **options)
    fit(clipped, task, loss=lambda logits, target: 1e3 * logits.square().mean(), clip=0.5, **options)
    assert (weights(clipped) - start).norm() == pytest.approx(0.5, rel=1e-3)
    assert (weights(free) - start).norm() > 5


def test_the_average_by_hand():
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 1.0)
    average = Average(model, 0.5)
    expected = 1.0
    for step, weight in enumerate((2.0, 3.0, 5.0), 1):
        nn.init.constant_(model.weight, weight)
        average.update(model, step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * weight
    assert average.weights["weight"].item() == pytest.approx(expected)
    with average.used_by(model):
        assert model.weight.item() == pytest.approx(expected)
    assert model.weight.item() == 5.0


def test_the_averaged_weights_are_scored_and_left_in_the_model(task):
    plain, averaged = network(), network()
    fit(plain, task, task, epochs=3, learning_rate=0.05)
    history = fit(averaged, task, task, epochs=3, learning_rate=0.05, ema=0.9)
    assert not torch.equal(weights(plain), weights(averaged))
    assert training.evaluate(averaged, task).mean_iou == pytest.approx(history.epochs[-1].mean_iou)


# Order and randomness


def test_an_epoch_shows_every_sample_once_in_batches_of_nearly_one_size():
    order = Order(23, 5, seed=1)
    order.epoch = 1
    batches = order.batches()
    assert sorted(index for batch in batches for index in batch) == list(range(23))
    assert sorted(map(len, batches)) == [4, 4, 5, 5, 5]
    order.epoch = 2
    assert order.batches() != batches


def test_processes_share_each_batch_and_one_without_a_share_still_takes_part():
    orders = [Order(10, 2, seed=0, rank=rank, processes=3) for rank in range(3)]
    for whole, *shares in zip(orders[0].batches(), *orders):
        assert sorted(index for _, index in shares[0] + shares[1]) == sorted(whole)
        assert [index for _, index in shares[2]] == whole[:1]


def test_evaluation_takes_every_sample_once_in_turn():
    shares = [in_turn(10, 3, rank, 2) for rank in range(2)]
    assert shares[0] == [[(0, 0), (0, 1), (0, 2)], [(0, 6), (0, 7), (0, 8)]]
    assert shares[1] == [[(0, 3), (0, 4), (0, 5)], [(0, 9)]]


def test_the_generators_stand_where_they_stood(task):
    model = nn.Sequential(nn.Dropout(), network())
    before = torch.get_rng_state()
    fit(model, task, task, epochs=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_seeds_of_several_numbers():
    assert mixed(1, 2) == mixed(1, 2) != mixed(2, 1)
    before = torch.get_rng_state()
    with undisturbed():
        start_from(1, 2)
        first = torch.rand(3)
        start_from(1, 2)
        assert torch.equal(torch.rand(3), first)
    assert torch.equal(torch.get_rng_state(), before)


# Formats


@pytest.mark.parametrize("options", [{"channels_last": True}, {"precision": "no"}])
def test_formats_train_as_well(task, options):
    model, plain = network(), network()
    fit(model, task, epochs=2, **options)
    fit(plain, task, epochs=2)
    torch.testing.assert_close(weights(model), weights(plain), rtol=1e-3, atol=1e-4)


def test_channels_last_is_what_the_network_gets(task):
    seen = []

    class Watched(nn.Conv2d):
        def forward(self, x):
            seen.append(x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous())
            return super().forward(x)

    model = Watched(3, 2, 3, padding=1)
    fit(model, task, task, epochs=1, channels_last=True)
    assert all(seen)
    assert model.weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.slow
def test_compiled_networks_train_as_well(task, tmp_path, monkeypatch):
    # The graph is captured for real, and run as it is: to turn it into machine code takes a minute.
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    model, plain = network(), network()
    fit(model, task, epochs=2, compile=True, folder=tmp_path)
    fit(plain, task, epochs=2)
    torch.testing.assert_close(weights(model), weights(plain), rtol=1e-3, atol=1e-4)
    assert torch.equal(weights(training.load_weights(network(), tmp_path / "weights.safetensors")), weights(model))


def test_a_model_is_left_as_it_was_but_for_its_weights(task):
    model = network()
    attributes = set(vars(model))
    fit(model, task, epochs=1, precision="bf16")
    assert not model.training
    assert set(vars(model)) == attributes  # a bound forward would go on with the old weights in a copy
    assert model(task.tensors[0]).dtype == torch.float32


@pytest.mark.parametrize(("cuda", "bf16", "expected"), [(True, True, "bf16"), (True, False, "no"), (False, True, "no")])
def test_precision_is_chosen_by_the_device(monkeypatch, cuda, bf16, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: bf16)
    assert devices.best_precision() == expected


def test_options_have_names_that_do_not_change():
    assert name_of(partial(torch.optim.SGD, momentum=0.9)) == "SGD(momentum=0.9)"
    assert name_of(nn.CrossEntropyLoss()) == "CrossEntropyLoss()"
    assert name_of(name_of) == "name_of"
    assert "0x" not in name_of(object())


def test_the_best_epoch_of_a_history():
    history = History(
        [Epoch(1, 1.0, 0.1, {"ap": math.nan}), Epoch(2, 0.9, 0.1, {"ap": 0.2}), Epoch(3, 0.8, 0.1, {"ap": 0.2})]
    )
    assert history.best.number == 2
    assert History.from_dict(history.to_dict()).epochs[1] == history.epochs[1]
    assert History([Epoch(1, 1.0, 0.1), Epoch(2, 2.0, 0.1)]).best.number == 2
