"""What the machine is good for: number format and memory."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, PartialState
from accelerate.utils.memory import should_reduce_batch_size

PRECISIONS = ("auto", "no", "bf16", "fp16")


@contextmanager
def accelerated(precision: str) -> Iterator[Accelerator]:
    """accelerate's view of this process: CUDA, MPS or CPU, alone or one of several that were launched together.

    accelerate keeps precision and devices for the whole process. Here they are a run's own, so that the next one may
    have others, and `notebook_launcher`, which wants a process that has none yet, still works after a run.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision is {precision!r}; it must be one of {', '.join(PRECISIONS)}")
    shared = AcceleratorState._shared_state, PartialState._shared_state
    before = [dict(state) for state in shared]
    AcceleratorState._reset_state()
    try:
        accelerator = Accelerator(mixed_precision=best_precision() if precision == "auto" else precision)
        yield accelerator
    finally:
        for state, values in zip(shared, before):
            if values or not torch.distributed.is_initialized():
                state.clear()
                state.update(values)


def best_precision() -> str:
    """bfloat16 on the GPUs that calculate with it, float32 elsewhere: on MPS and CPU it is slower or no faster."""
    return "bf16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False) else "no"


def out_of_memory(error: Exception) -> bool:
    """Whether a smaller batch could help."""
    return isinstance(error, torch.OutOfMemoryError) or should_reduce_batch_size(error)


def free_memory() -> None:
    """Hand cached blocks back, so that smaller ones find room."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()
