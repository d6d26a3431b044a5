"""`make seeds`: does every right answer keep every point, whatever the seed? The solution and each variant, 100 seeds.

Seeds come in rounds of ten over all exercises, so that a run that was stopped has still tried everything.
"""

import os
import sys
import time
import warnings
from concurrent.futures import ProcessPoolExecutor, as_completed

import torch
from gate import definitions, namespace, right_variants

from coursekit import exercises
from coursekit.exercises.judge import keeps_every_point

SEEDS, ROUND = 100, 10


def lost(assignment: str, name: str, first: int) -> tuple[int, list[str]]:
    """How many answers were judged with the seeds of a round, and which lost points with which seed."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    exercise = exercises.load(assignment).exercises[name]
    answers = {"the solution": namespace(definitions(assignment))[name], **right_variants(assignment, name)}
    seeds = range(first, first + ROUND)
    pairs = [(style, answer, seed) for style, answer in answers.items() for seed in seeds]
    return len(pairs), [
        f"{s}, seed {seed}" for s, answer, seed in pairs if not keeps_every_point(exercise, answer, seed)
    ]


def main() -> int:
    chosen = sys.argv[1:] or exercises.ASSIGNMENTS
    pairs = [(name, exercise) for name in chosen for exercise in exercises.load(name).exercises]
    flaky, judged, started = [], 0, time.monotonic()
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        for first in range(0, SEEDS, ROUND):
            running = {pool.submit(lost, *pair, first): pair for pair in pairs}
            for future in as_completed(running):
                count, found = future.result()
                judged += count
                flaky += [f"{running[future][1]}: {told}" for told in found]
            print(f"seeds 0 to {first + ROUND - 1}: {judged} answers judged, {len(flaky)} lost points,", end=" ")
            print(f"{time.monotonic() - started:.0f} s", flush=True)
    print(*flaky, sep="\n")
    return 1 if flaky else 0


if __name__ == "__main__":
    sys.exit(main())
