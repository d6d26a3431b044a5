"""Answers that never come back. Each takes its time limit, so these stand apart from the quick ones."""

from attacks.bank import Family

endless = Family("endless")


def inside(body: str) -> str:
    return f"def max_pool_with_indices(x, kernel_size):\n    {body}\n"


endless.source("a loop without end", inside("while True: pass"))
endless.source(
    "a loop that swallows every interruption",
    inside(
        "import signal\n    signal.setitimer(signal.ITIMER_REAL, 0)\n    while True:\n        try:\n            while True: pass\n"
        "        except BaseException: pass"
    ),
)
endless.source("a long sleep", inside("import time; time.sleep(10**6)"))
