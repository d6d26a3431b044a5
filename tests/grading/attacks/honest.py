"""Right answers in the clothes of real life: none of them may lose a point."""

from attacks.bank import HONEST_POINTS, Family

honest = Family("honest")
POINTS = HONEST_POINTS | {"pool-check": 4.0}
RIGHT = """\
def max_pool_with_indices(x, kernel_size):
    {first}
    k = kernel_size
    n, c, height, width = x.shape
    windows = x.reshape(n, c, height // k, k, width // k, k).transpose(3, 4).flatten(4)
    values, inside = windows.max(dim=-1)
    rows = torch.arange(height // k)[:, None] * k + inside // k
    columns = torch.arange(width // k) * k + inside % k
    return values, rows * width + columns
"""


def right(first: str = "pass", before: str = "", after: str = "") -> str:
    return before + RIGHT.format(first=first) + after


LOOPS = """\
def max_pool_with_indices(x, kernel_size):
    k = kernel_size
    n, c, h, w = x.shape
    values = x.new_zeros(n, c, h // k, w // k)
    places = torch.zeros(n, c, h // k, w // k, dtype=torch.int64)
    for a in range(n):
        for b in range(c):
            for i in range(h // k):
                for j in range(w // k):
                    best = (i * k, j * k)
                    for p in range(i * k, i * k + k):
                        for q in range(j * k, j * k + k):
                            if x[a, b, p, q] > x[a, b, best[0], best[1]]:
                                best = (p, q)
                    values[a, b, i, j] = x[a, b, best[0], best[1]]
                    places[a, b, i, j] = best[0] * w + best[1]
    return values, places
"""


def add(name: str, source: str) -> None:
    honest.source(name, source, earns=POINTS)


add(
    "warns",
    right("import warnings; warnings.warn('deprecated')", before="import warnings\nwarnings.warn('at the top')\n"),
)
add("writes to standard error", right("import sys; print('hm', file=sys.stderr)"))
add("prints a lot", right("print('x' * 10000)", after="print(max_pool_with_indices(torch.rand(1, 1, 4, 4), 2))\n"))
add("shows a progress bar", right("list(tqdm(range(10)))", before="from tqdm.auto import tqdm\n"))
add("draws a plot", right(before="import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\n"))
add("slow, in loops", LOOPS)
add(
    "uses magics",
    right(before="%matplotlib inline\n%config InlineBackend.figure_format = 'png'\n", after="%time 1 + 1\n"),
)
add("is timed as a cell", "%%time\n" + right())
add(
    "defines other names",
    right(before="unused = 5\nclass Helper: pass\ndef check_mine(): return max_pool_with_indices\n"),
)
add("names `check`, `result` and `np` its own", right(before="check = result = np = None\n"))
add("a line fails after the definition", right(after="max_pool_with_indices(None, None)\n"))
add(
    "compares with the library beside the answer",
    right(after="a = torch.rand(1, 2, 4, 4)\nassert torch.equal(max_pool_with_indices(a, 2)[0], F.max_pool2d(a, 2))\n"),
)
add(
    "uses `input`-less helpers and comments",
    "# my answer\n" + right(before="def helper(a):  # ünïcode ✓\n    return a\n", first="x = helper(x)"),
)
add(
    "a class with a call",
    "class Pool:\n    def __call__(self, x, kernel_size):\n        return pooled(x, kernel_size)\n"
    + right().replace("def max_pool_with_indices", "def pooled")
    + "max_pool_with_indices = Pool()\n",
)
add(
    "a decorated function",
    "import functools\n@functools.lru_cache\ndef size(a, b): return a // b\n"
    "def logged(f):\n    @functools.wraps(f)\n    def g(*a, **k): return f(*a, **k)\n    return g\n@logged\n" + right(),
)
add(
    "seeds the generators",
    right(first="torch.manual_seed(3)", before="import random\nrandom.seed(1)\ntorch.manual_seed(5)\n"),
)
add("asks for the GPU if there is one", right(before="device = 'cuda' if torch.cuda.is_available() else 'cpu'\n"))
add("uses a thread", right(before="import threading\nt = threading.Thread(target=print)\nt.start()\nt.join()\n"))
add(
    "annotated",
    right().replace("(x, kernel_size)", "(x: torch.Tensor, kernel_size: int) -> tuple[torch.Tensor, torch.Tensor]"),
)
