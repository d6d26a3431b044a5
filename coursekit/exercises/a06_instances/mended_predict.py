"""`mended_predict(model, images)`, the autopsy: a prediction that forgets `model.eval()`.

A network has a state, so a call cannot be repeated on its inputs to recognise a mistake. In its place one small story
is told with a fresh network for every answer; what can be seen from outside is written down and compared.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn

from coursekit.exercises import expect
from coursekit.exercises.answer import Answer
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise
from coursekit.exercises.given import MoodyNetwork
from coursekit.exercises.watch import CHECKS

mended_predict = Exercise("mended_predict", forbids=(CHECKS,))

Predict = Callable[[nn.Module, Tensor], Any]


@dataclass(eq=False)
class Story:
    """What is seen when an answer predicts."""

    together: Any  # four pictures as one batch
    again: Any  # the same once more
    with_others: Any  # the first two beside two other pictures
    after_eval: Any  # by a network that was in evaluation mode
    weights_kept: bool
    buffers_kept: bool
    images_kept: bool
    modes: tuple[list[bool], list[bool]]  # of all layers after each call, in training and in evaluation mode before
    gradients_recorded: bool
    weights_trainable: bool
    gradients_possible: bool  # afterwards, anywhere

    def agrees(self, other: "Story") -> bool:
        return all(_alike(getattr(self, field.name), getattr(other, field.name)) for field in fields(self))


def _alike(left: Any, right: Any) -> bool:
    if isinstance(left, Tensor) and isinstance(right, Tensor):
        return left.shape == right.shape and torch.allclose(left.double(), right.double(), atol=1e-4)
    return type(left) is type(right) and bool(left == right)


def _scenery(draw: Draw) -> tuple[MoodyNetwork, Tensor, Tensor]:
    """A network with a history, two pairs of pictures of different brightness; no pixel between two classes."""
    while True:
        torch.manual_seed(draw.integer(0, 10**6))
        network = MoodyNetwork(draw.integer(4, 5))
        for _ in range(8):
            network(0.5 + draw.normal(4, 3, 6, 9))
        network.gradients.clear()
        images = draw.uniform(4, 3, 7, 10)
        others = 2.5 * draw.normal(2, 3, 7, 10)
        with torch.no_grad():
            scores = copy.deepcopy(network).eval()(torch.cat([images, others])).topk(2, dim=1).values
        if (scores[:, 0] - scores[:, 1]).min() > 1e-3:
            return network.train(), images, others


def _tell(predict: Predict, draw: Draw) -> Story:
    network, images, others = _scenery(draw)
    before, given = copy.deepcopy(network.state_dict()), images.clone()
    torch.manual_seed(1)
    try:
        together, again = predict(network, given), predict(network, given)
        with_others = predict(network, torch.cat([images[:2], others]))
        after_training = [module.training for module in network.modules()]
        kept = {key: torch.equal(value, before[key]) for key, value in network.state_dict().items()}
        gradients, trainable = any(network.gradients), all(p.requires_grad for p in network.parameters())
        possible = torch.is_grad_enabled()
        network.load_state_dict(before)
        after_eval = predict(network.eval(), given)
    finally:
        torch.set_grad_enabled(True)
    return Story(
        together=_detached(together),
        again=_detached(again),
        with_others=with_others[:2].detach() if isinstance(with_others, Tensor) else with_others,
        after_eval=_detached(after_eval),
        weights_kept=all(same for key, same in kept.items() if key in dict(network.named_parameters())),
        buffers_kept=all(same for key, same in kept.items() if key in dict(network.named_buffers())),
        images_kept=torch.equal(given, images),
        modes=(after_training, [module.training for module in network.modules()]),
        gradients_recorded=gradients,
        weights_trainable=trainable,
        gradients_possible=possible,
    )


def _detached(result: Any) -> Any:
    return result.detach().clone() if isinstance(result, Tensor) else result


class _Told:
    """The answer's story beside the right one; a failure names the mistake of the bank that has the same story."""

    def __init__(self, answer: Answer, draw: Draw) -> None:
        self.draw_state = draw.generator.get_state()
        self.draw = draw
        self.right = self.of(_reference)
        self.seen = self.of(lambda model, images: answer.run(answer.function, model, images))

    def of(self, predict: Predict) -> Story:
        self.draw.generator.set_state(self.draw_state)
        return _tell(predict, self.draw)

    def mistake(self) -> str | None:
        for mistake in mended_predict.mistakes.values():
            if self.of(mistake.answer).agrees(self.seen):
                return mistake.answer.__name__
        return None

    def expect_same(self, field: str, message: str) -> None:
        got, expected = getattr(self.seen, field), getattr(self.right, field)
        if isinstance(expected, Tensor):
            expect.a_tensor(got, what=message)
        if not _alike(got, expected):
            seen = got if isinstance(expected, Tensor) and got.shape == expected.shape else None
            right = expected if seen is not None else None
            raise expect.CheckFailed(message, seen, right, self.mistake())


@mended_predict.check(points=0.5)
def as_in_evaluation(answer: Answer, draw: Draw) -> None:
    """The classes are those of the network in evaluation mode."""
    told = _Told(answer, draw)
    shape, found = told.right.together.shape, told.seen.together
    if not isinstance(found, Tensor) or found.shape != shape:
        message = f"classes of shape {tuple(shape)} are expected; yours is {expect.describe(found)}"
        raise expect.CheckFailed(message, mistake=told.mistake())
    told.expect_same("together", "the classes are not those of the network in evaluation mode")
    told.expect_same("after_eval", "a network that was in evaluation mode before gives other classes")


@mended_predict.check(points=0.5, needs="as_in_evaluation")
def independent_of_the_batch(answer: Answer, draw: Draw) -> None:
    """A picture's classes are the same again, and beside other pictures."""
    told = _Told(answer, draw)
    told.expect_same("again", "the second time the same pictures give other classes")
    told.expect_same("with_others", "beside other pictures the same picture gives other classes")


@mended_predict.check(points=0.5, needs="as_in_evaluation")
def modes_restored(answer: Answer, draw: Draw) -> None:
    """Afterwards the network is in the mode it was in, be it training or evaluation."""
    told = _Told(answer, draw)
    training = told.seen.modes[0] == told.right.modes[0]
    message = f"a network that was in {'evaluation' if training else 'training'} mode is not in it afterwards"
    told.expect_same("modes", message)


@mended_predict.check(points=0.5, needs="as_in_evaluation")
def nothing_else_changes(answer: Answer, draw: Draw) -> None:
    """No gradient is recorded; weights, running statistics and images stay as they are."""
    told = _Told(answer, draw)
    told.expect_same("gradients_recorded", "the forward pass recorded gradients")
    told.expect_same("gradients_possible", "afterwards no gradient can be computed any more, by anyone")
    told.expect_same("weights_trainable", "afterwards the weights want no gradient any more")
    told.expect_same("weights_kept", "the weights have changed")
    told.expect_same("buffers_kept", "the running statistics of batch normalisation have changed")
    told.expect_same("images_kept", "the images have changed")


def _reference(model: nn.Module, images: Tensor) -> Tensor:
    was_training = model.training
    model.eval()
    with torch.no_grad():
        classes = model(images).argmax(dim=1)
    model.train(was_training)
    return classes


def still_in_training_mode(model: nn.Module, images: Tensor) -> Tensor:
    """Nothing has changed yet: which layers behave otherwise while a network is training?"""
    return model(images).argmax(dim=1)


def only_without_gradient(model: nn.Module, images: Tensor) -> Tensor:
    """`no_grad` saves memory and changes no result: batch normalisation and dropout do not look at it."""
    with torch.no_grad():
        return model(images).argmax(dim=1)


def left_in_evaluation_mode(model: nn.Module, images: Tensor) -> Tensor:
    """The network stays in evaluation mode: a training that goes on afterwards is silently another one."""
    model.eval()
    with torch.no_grad():
        return model(images).argmax(dim=1)


def always_back_to_training(model: nn.Module, images: Tensor) -> Tensor:
    """A network that was in evaluation mode comes back in training mode: remember how it was."""
    model.eval()
    with torch.no_grad():
        classes = model(images).argmax(dim=1)
    model.train()
    return classes


def layers_left_in_evaluation_mode(model: nn.Module, images: Tensor) -> Tensor:
    """Only the outermost flag is back, the layers inside are still in evaluation mode: use `train(...)`."""
    was_training = model.training
    model.eval()
    with torch.no_grad():
        classes = model(images).argmax(dim=1)
    model.training = was_training
    return classes


def gradients_recorded(model: nn.Module, images: Tensor) -> Tensor:
    """The results are right, and every activation is kept in memory for a gradient that nobody asks for."""
    was_training = model.training
    classes: Tensor = model.eval()(images).argmax(dim=1)
    model.train(was_training)
    return classes


def gradients_off_for_good(model: nn.Module, images: Tensor) -> Tensor:
    """Gradients are switched off and never on again, so no training is possible afterwards: use `with`."""
    was_training = model.training
    torch.set_grad_enabled(False)
    classes: Tensor = model.eval()(images).argmax(dim=1)
    model.train(was_training)
    return classes


def weights_frozen(model: nn.Module, images: Tensor) -> Tensor:
    """The parameters want no gradient afterwards, so the network cannot learn any more."""
    model.requires_grad_(False)
    return _reference(model, images)


def only_dropout_switched_off(model: nn.Module, images: Tensor) -> Tensor:
    """Dropout is off, but batch normalisation still looks at the batch: what else depends on the mode?"""
    return _with_modes(model, images, lambda module: isinstance(module, nn.modules.batchnorm._BatchNorm))


def only_batch_norm_switched(model: nn.Module, images: Tensor) -> Tensor:
    """Batch normalisation is mended, but dropout still throws the dice: what else depends on the mode?"""
    return _with_modes(model, images, lambda module: not isinstance(module, nn.modules.batchnorm._BatchNorm))


def only_the_layers_switched(model: nn.Module, images: Tensor) -> Tensor:
    """The layers are switched and the network itself is not: its own `forward` may ask for the mode too."""
    return _with_modes(model, images, lambda module: module is model)


def _with_modes(model: nn.Module, images: Tensor, in_training: Callable[[nn.Module], bool]) -> Tensor:
    was_training = model.training
    for module in model.modules():
        module.training = was_training and in_training(module)
    with torch.no_grad():
        classes = model(images).argmax(dim=1)
    model.train(was_training)
    return classes


def one_by_one_in_training_mode(model: nn.Module, images: Tensor) -> Tensor:
    """One picture at a time, no picture sees another, and still each is normalised by itself and dropped from."""
    with torch.no_grad():
        return torch.cat([model(image[None]).argmax(dim=1) for image in images])


def statistics_put_back(model: nn.Module, images: Tensor) -> Tensor:
    """The running statistics are put back, but they were not *used*: batch and chance still decide."""
    state = copy.deepcopy(model.state_dict())
    with torch.no_grad():
        classes = model(images).argmax(dim=1)
    model.load_state_dict(state)
    return classes


def statistics_forgotten(model: nn.Module, images: Tensor) -> Tensor:
    """The running statistics were reset: what the network learnt about its pictures is lost."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.reset_running_stats()
    return _reference(model, images)


def statistics_learnt_once_more(model: nn.Module, images: Tensor) -> Tensor:
    """A pass in training mode comes before the one that counts, and changes the running statistics."""
    with torch.no_grad():
        model(images)
    return _reference(model, images)


def scores_instead_of_classes(model: nn.Module, images: Tensor) -> Tensor:
    """The scores came back; the class of every pixel is asked for."""
    was_training = model.training
    with torch.no_grad():
        scores: Tensor = model.eval()(images)
    model.train(was_training)
    return scores


def best_along_the_wrong_axis(model: nn.Module, images: Tensor) -> Tensor:
    """The best was sought among rows or pictures; classes lie along dimension 1."""
    was_training = model.training
    with torch.no_grad():
        classes = model.eval()(images).argmax(dim=-1)
    model.train(was_training)
    return classes


for function in (
    still_in_training_mode,
    only_without_gradient,
    left_in_evaluation_mode,
    always_back_to_training,
    layers_left_in_evaluation_mode,
    gradients_recorded,
    gradients_off_for_good,
    weights_frozen,
    only_dropout_switched_off,
    only_batch_norm_switched,
    only_the_layers_switched,
    one_by_one_in_training_mode,
    statistics_put_back,
    statistics_forgotten,
    statistics_learnt_once_more,
    scores_instead_of_classes,
    best_along_the_wrong_axis,
):
    mended_predict.mistake(function, right_values=True)
