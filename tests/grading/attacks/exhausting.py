"""Code that uses up what there is, or does not come to its end. It costs its own exercise."""

from attacks.bank import Family

exhausting = Family("exhausting")


def inside(body: str) -> str:
    return f"def max_pool_with_indices(x, kernel_size):\n    {body}\n"


exhausting.source("ends the process", inside("import os; os._exit(0)"))
exhausting.source("ends the process with an exit code", inside("import os; os._exit(9)"))
exhausting.source("asks Python to exit", inside("import sys; sys.exit(0)"))
exhausting.source("kills itself", inside("import os; os.kill(os.getpid(), 9); os.abort()"))
exhausting.source("crashes", inside("import ctypes; ctypes.string_at(0)"))
exhausting.source("ends the process while it is defined", "import os\nos._exit(0)")
exhausting.source("overflows the stack", inside("return max_pool_with_indices(x, kernel_size)"))
exhausting.source(
    "overflows the C stack",
    inside("import sys; sys.setrecursionlimit(10**9); return max_pool_with_indices(x, kernel_size)"),
)
exhausting.source("takes all memory", inside("return [bytearray(2**30) for _ in range(10**6)], x"))
exhausting.source("takes all memory as a tensor", inside("return torch.ones(2**40), x"))
exhausting.source("returns a tensor of 64 GB that is a view", inside("return torch.zeros(1).expand(2**34), x"))
exhausting.source("returns a gigabyte", inside("return torch.zeros(2**28), x"))
exhausting.source(
    "returns a list in a list in a list",
    inside("a = []; b = a; [b := b[0] for _ in range(999) if b.append([]) is None]; return a, x"),
)
exhausting.source("returns itself", inside("a = []; a.append(a); return a, a"))
exhausting.source("returns a million numbers as text", inside("return '9' * 10**8, 10**100000"))
exhausting.source("prints 100 MB", inside("[print('x' * 10**6) for _ in range(100)]; return x, x"))
exhausting.source(
    "prints 100 MB past Python", inside("import os; [os.write(1, b'x' * 10**6) for _ in range(100)]; return x, x")
)
exhausting.source(
    "a fork bomb", inside("import os\n    while True:\n        try: os.fork()\n        except OSError: pass")
)
exhausting.source(
    "threads without end",
    inside("import threading, time\n    while True: threading.Thread(target=time.sleep, args=(999,)).start()"),
)
exhausting.source("fills the disk", inside("f = open('/tmp/full', 'wb')\n    while True: f.write(bytes(10**7))"))
exhausting.source("opens every file", inside("return [open('/dev/null') for _ in range(10**6)], x"))
