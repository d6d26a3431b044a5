"""A function in the box behaves, for the checks, like the same function here."""

import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from coursekit.exercises.given import MoodyNetwork, ValidConvolutions
from coursekit.grading.box.remote import BoxEnded, RemoteError, RemoteModule

pytestmark = pytest.mark.slow

IMPORTS = (
    "import random\nimport numpy as np\nimport torch\nfrom torch import nn\nfrom torch.nn import functional as F\n"
)


@pytest.fixture
def define(warm):
    """Define something in a box of its own and get it as seen from here."""
    boxes = []

    def make(source, name="f", forbid=()):
        box = warm.box()
        boxes.append(box)
        said = box.define([IMPORTS, source], [name], list(forbid))
        assert said["problems"] == []
        return box.function(said["answers"][name]["number"])

    yield make
    for box in boxes:
        box.close()


def here(source, name="f"):
    space = {}
    exec(IMPORTS + source, space)
    return space[name]


FUNCTION = "def f(a, b, scale=2.0):\n    return (a * b).sum(dim=-1) * scale, a.detach().argmax(), b.sin()"


def test_values_and_gradients_are_the_same(define):
    results = []
    for function in (define(FUNCTION), here(FUNCTION)):
        torch.manual_seed(0)
        a, b = (torch.randn(3, 4, dtype=torch.float64, requires_grad=True) for _ in range(2))
        first, where, third = function(a, b=b, scale=3.0)
        assert first.requires_grad
        assert not where.requires_grad
        (first.square().sum() + third.sum()).backward()
        results.append((first.detach(), where, third.detach(), a.grad, b.grad))
    for got, expected in zip(*results):
        assert torch.equal(got, expected)


def test_a_cut_graph_stays_cut(define):
    x = torch.ones(3, requires_grad=True)
    assert not define("def f(x):\n    return x.detach() * 2")(x).requires_grad
    with torch.no_grad():
        assert not define("def f(x):\n    return x * 2")(x).requires_grad


def test_what_a_call_does_to_its_arguments_is_seen(define):
    x, y = torch.ones(3), torch.ones(3)
    define("def f(x, y):\n    x.zero_()\n    y.numpy()[1] = 5")(x, y)
    assert x.tolist() == [0, 0, 0]
    assert y.tolist() == [1, 5, 1]


def test_random_numbers_go_on_from_those_here(define):
    source = "def f():\n    return random.random(), float(np.random.rand()), torch.rand(2)"
    results = []
    for function in (define(source), here(source)):
        random.seed(1)
        np.random.seed(2)
        torch.manual_seed(3)
        results.append((function(), function(), random.random(), np.random.rand(), torch.rand(1)))
    assert str(results[0]) == str(results[1])


def test_errors_come_with_their_type_their_words_and_their_line(define):
    function = define("def f(x):\n    y = x + 1\n    raise ValueError(f'odd: {int(y)}')")
    with pytest.raises(ValueError, match="odd: 2") as raised:
        function(1)
    assert "raise ValueError" in raised.value.place
    with pytest.raises(RemoteError) as raised:
        define("class Mine(BaseException): pass\ndef f():\n    raise Mine('own')")()
    assert type(raised.value).__name__ == "Mine"
    with pytest.raises(NotImplementedError):
        define("def f():\n    raise NotImplementedError")()


NETWORK = """\
class f(nn.Module):
    def __init__(self, width, bias=True):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, width, 3, padding=1, bias=bias), nn.BatchNorm2d(width), nn.Dropout(0.1))
        self.head = nn.Conv2d(width, 2, 1)
        self.unused = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return self.head(self.body(x).relu())
"""


def train(make):
    torch.manual_seed(0)
    network = make(4, bias=False)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    x, target = torch.randn(2, 1, 5, 6), torch.randint(2, (2, 5, 6))
    for _ in range(4):
        loss = F.cross_entropy(network(x), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network, network.eval()(x).detach()


def test_a_network_trains_bit_for_bit_as_here(define):
    (there, got), (own, expected) = train(define(NETWORK)), train(here(NETWORK))
    assert isinstance(there, RemoteModule)
    assert torch.equal(got, expected)
    assert list(there.state_dict()) == list(own.state_dict())
    for name, value in own.state_dict().items():
        assert torch.equal(there.state_dict()[name], value), name
    assert there.unused.grad is None


def test_states_are_exchanged_and_modes_kept(define):
    make = define(NETWORK)
    one, other = make(4), make(4)
    other.load_state_dict(one.state_dict())
    x = torch.randn(2, 1, 5, 6)
    assert torch.equal(one.eval()(x), other.eval()(x))
    assert torch.equal(one.double()(x.double()), other.double()(x.double()))
    assert one(x.double()).dtype == torch.float64


def test_layers_that_are_not_registered_stay_there(define):
    make = define(
        "class f(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.layers = [nn.Linear(2, 2)]\n    def forward(self, x):\n        return self.layers[0](x)"
    )
    one, other = make(), make()
    assert list(one.parameters()) == []
    other.load_state_dict(one.state_dict())
    assert not torch.equal(one(torch.ones(1, 2)), other(torch.ones(1, 2)))


def test_lazy_and_shared_parameters(define):
    lazy = define("def f():\n    return nn.LazyLinear(3)")()
    assert all(nn.parameter.is_lazy(p) for p in lazy.parameters())
    assert lazy(torch.ones(2, 5)).shape == (2, 3)
    assert [tuple(p.shape) for p in lazy.parameters()] == [(3, 5), (3,)]
    shared = define(
        "class f(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.a = nn.Linear(2, 2)\n        self.b = self.a\n    def forward(self, x):\n        return self.b(self.a(x))"
    )()
    assert len(list(shared.parameters())) == 2
    assert set(shared.state_dict()) == {"a.weight", "a.bias", "b.weight", "b.bias"}
    shared(torch.ones(1, 2)).sum().backward()
    assert shared.a.weight.grad.shape == (2, 2)


def test_a_network_of_ours_is_asked_here(define):
    model = ValidConvolutions(2, 3, (3, 3))
    x = torch.rand(1, 2, 7, 8)
    function = define(
        "def f(model, x):\n    model.eval()\n    return model(x), len(list(model.parameters())), model.most"
    )
    result, count, most = function(model, x)
    assert torch.allclose(result, model(x))
    assert (count, most, model.most) == (4, 0, 12)
    assert not model.training
    with pytest.raises(ValueError, match="batches"):
        function(model, x[0])


def test_a_network_of_ours_comes_back_as_it_was_left(define):
    model = MoodyNetwork(4).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    result = define(
        "def f(model, x):\n    model.body.eval()\n    model.head.weight.requires_grad_(False)\n    return model(x)"
    )(model, torch.rand(2, 3, 6, 6))
    assert result.shape == (2, 4, 6, 6)
    assert model.training
    assert not model.body[1].training
    assert not model.head.weight.requires_grad
    assert model.gradients == [True]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_the_end_of_the_process_is_an_error_of_the_call(define):
    function = define("def f():\n    import os\n    os._exit(7)")
    with pytest.raises(BoxEnded, match="exit code 7"):
        function()
    with pytest.raises(BoxEnded):
        function()


@pytest.mark.parametrize(
    ("title", "call"),
    [
        ("interpolate or Upsample", "F.interpolate(x, scale_factor=2.0)"),
        ("PyTorch's max pooling", "F.max_pool2d(x, 2)"),
        ("PyTorch's transposed convolution", "F.conv_transpose2d(x, torch.ones(2, 1, 3, 3))"),
        (
            "PyTorch's transposed convolution",
            "torch.convolution(x, torch.ones(2, 1, 3, 3), None, [1, 1], [0, 0], [1, 1], True, [0, 0], 1)",
        ),
        ("PyTorch's cross_entropy or nll_loss", "F.cross_entropy(x, torch.zeros(1, 6, 6, dtype=torch.long))"),
        ("fold", "F.fold(torch.ones(1, 8, 4), (3, 3), 2)"),
        ("torchvision's roi_align", "__import__('torchvision').ops.roi_align(x, [torch.ones(1, 4)], 2)"),
    ],
)
def test_forbidden_calls_are_reported(define, title, call):
    function = define(
        f"def f(x):\n    try:\n        return {call}\n    except RuntimeError:\n        return x", forbid=[title]
    )
    function(torch.rand(1, 2, 6, 6))
    assert title in function.forbidden


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "groups"), [(1, 0, 1, 1), (2, 1, 1, 2), (1, 2, 2, 1), (3, 1, 2, 2)]
)
def test_an_ordinary_convolution_is_as_ever_where_the_transposed_is_forbidden(
    define, dtype, stride, padding, dilation, groups
):
    source = (
        f"def f(x, w, b):\n    y = F.conv2d(x, w, b, {stride}, {padding}, {dilation}, {groups})\n"
        f"    return y, F.conv1d(x[:, :, 0], w[:, :, 0], b, {stride}, {padding}, {dilation}, {groups})"
    )
    x, w, b = (
        torch.randn(2, 4, 9, 11, dtype=dtype),
        torch.randn(6, 4 // groups, 3, 3, dtype=dtype),
        torch.randn(6, dtype=dtype),
    )
    w.requires_grad_()
    got, expected = define(source, forbid=["PyTorch's transposed convolution"])(x, w, b), here(source)(x, w, b)
    for one, other in zip(got, expected):
        assert torch.allclose(one, other, atol=1e-5)
    (got_gradient,), (gradient,) = (torch.autograd.grad(pair[0].sum(), w) for pair in (got, expected))
    assert torch.allclose(got_gradient, gradient, atol=1e-4)
