"""What every loss shares: the check of its inputs, a safe power, and its form as a module."""

from collections.abc import Callable
from inspect import Parameter, Signature, signature
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


def prepare(logits: Float[Tensor, "n c h w"], target: Int[Tensor, "n h w"]) -> Float[Tensor, "n c h w"]:
    """The logits, once they are known to fit the target; half precision, whose sums overflow, as float32.

    Raises ValueError for shapes that do not go together and TypeError for a target that is not int64.
    """
    if logits.ndim != 4:
        raise ValueError(f"logits must be (N, C, H, W), not {tuple(logits.shape)}")
    expected = (logits.shape[0], *logits.shape[2:])
    if target.shape != expected:
        raise ValueError(
            f"target must be {expected} to go with logits {tuple(logits.shape)}, not {tuple(target.shape)}: "
            "one class id a pixel, without a channel axis"
        )
    if target.dtype != torch.int64:
        raise TypeError(f"target must hold class ids as int64, not {target.dtype}: call target.long()")
    return logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits


def power(x: Tensor, exponent: float) -> Tensor:
    """`x ** exponent` for x ≥ 0; at x = 0 the gradient is 0, where torch has an infinite one below 1."""
    if exponent >= 1:
        return x**exponent
    return torch.where(x > 0, x.clamp(min=torch.finfo(x.dtype).tiny) ** exponent, 0)


class Loss(nn.Module):
    """The base of every loss module: a loss function with its keyword options fixed.

    `class FocalLoss(Loss, function=focal_loss)` is all that a subclass says. Its signature is the function's
    options, as keywords; each is kept as an attribute (`loss.gamma`), a tensor as a buffer that follows the module
    to its device. What changes from batch to batch is given at the call: `BoundaryLoss()(logits, target, maps)`.
    """

    function: ClassVar[Callable[..., Tensor]]
    __signature__: ClassVar[Signature]

    def __init_subclass__(cls, *, function: Callable[..., Tensor] | None = None) -> None:
        super().__init_subclass__()
        if function is not None:
            options = list(signature(function).parameters.values())[2:]
            cls.function = staticmethod(function)
            cls.__signature__ = Signature([option.replace(kind=Parameter.KEYWORD_ONLY) for option in options])

    def __init__(self, **options: Any) -> None:
        super().__init__()
        bound = self.__signature__.bind(**options)
        bound.apply_defaults()
        for name, value in bound.arguments.items():
            if isinstance(value, Tensor):
                self.register_buffer(name, value)
            else:
                setattr(self, name, value)

    def options(self) -> dict[str, Any]:
        """The keyword options as they stand."""
        return {name: getattr(self, name) for name in self.__signature__.parameters}

    def forward(
        self,
        logits: Float[Tensor, "n c h w"],
        target: Int[Tensor, "n h w"],
        distances: Float[Tensor, "n c h w"] | None = None,
        **overrides: Any,
    ) -> Float[Tensor, "..."]:
        if distances is not None:
            overrides["distances"] = distances
        return self.function(logits, target, **(self.options() | overrides))

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={value!r}" for name, value in self.options().items())
