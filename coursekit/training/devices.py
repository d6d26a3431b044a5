"""What the machine is good for: number format and memory."""

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils.memory import should_reduce_batch_size

PRECISIONS = ("auto", "no", "bf16", "fp16")


def start_accelerator(precision: str) -> Accelerator:
    """accelerate's view of this process: CUDA, MPS or CPU, alone or one of several that were launched together."""
    if precision not in PRECISIONS:
        raise ValueError(f"precision is {precision!r}; it must be one of {', '.join(PRECISIONS)}")
    AcceleratorState._reset_state()  # else a second run in one process keeps the first one's precision
    return Accelerator(mixed_precision=best_precision() if precision == "auto" else precision)


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
