"""Sizes that are the same down and across, or not."""

IntOrPair = int | tuple[int, ...]


def pair(value: IntOrPair, name: str, minimum: int = 0) -> tuple[int, int]:
    """(down, across) from one number for both or from two; ValueError for other lengths or below `minimum`."""
    down_across = (value, value) if isinstance(value, int) else tuple(value)
    if len(down_across) != 2 or min(down_across) < minimum:
        raise ValueError(f"{name} is a number or a pair (down, across) of at least {minimum} each, not {value}")
    return down_across
