"""Code that looks for the right answer, or calls what it is asked to write."""

from attacks.bank import Family

prying = Family("prying")

FORBIDDEN = {
    "under another name": "from torch.nn.functional import max_pool2d as p\n"
    "def max_pool_with_indices(x, k):\n    return p(x, k, return_indices=True)",
    "by getattr": "def max_pool_with_indices(x, k):\n    return getattr(F, 'max_' + 'pool2d')(x, k, return_indices=True)",
    "as a module": "def max_pool_with_indices(x, k):\n    return nn.MaxPool2d(k, return_indices=True)(x)",
    "through torch.ops": "def max_pool_with_indices(x, k):\n"
    "    return torch.ops.aten.max_pool2d_with_indices(x, [k, k], [k, k])",
    "adaptive": "def max_pool_with_indices(x, k):\n"
    "    return F.adaptive_max_pool2d(x, (x.shape[2] // k, x.shape[3] // k), return_indices=True)",
    "in a thread": "import threading\n"
    "def max_pool_with_indices(x, k):\n    out = []\n"
    "    t = threading.Thread(target=lambda: out.append(F.max_pool2d(x, k, return_indices=True)))\n"
    "    t.start()\n    t.join()\n    return out[0]",
    "in a raw thread": "import _thread, time\n"
    "def max_pool_with_indices(x, k):\n    out = []\n"
    "    _thread.start_new_thread(lambda: out.append(F.max_pool2d(x, k, return_indices=True)), ())\n"
    "    for _ in range(200):\n        if out: break\n        time.sleep(0.01)\n    return out[0]",
    "with the watch put aside": "from torch.utils._python_dispatch import _disable_current_modes\nimport sys\n"
    "def max_pool_with_indices(x, k):\n    sys.setprofile(None)\n"
    "    with _disable_current_modes(), torch._C.DisableTorchFunction():\n"
    "        return F.max_pool2d(x, k, return_indices=True)",
    "scripted": "unit = torch.jit.CompilationUnit('def pooled(x, k: int):\\n'\n"
    "    '    return torch.ops.aten.max_pool2d_with_indices(x, [k, k], [k, k])\\n')\n"
    "def max_pool_with_indices(x, k):\n    return unit.pooled(x, k)",
    "on another kind of tensor": "def max_pool_with_indices(x, k):\n"
    "    n, c, h, w = x.shape\n"
    "    largest = F.max_pool2d(x.detach().float().to_mkldnn(), k).to_dense()\n"
    "    windows = x.view(n, c, h // k, k, w // k, k).transpose(3, 4).flatten(-2)\n"
    "    at = (windows - largest[..., None]).abs().argmin(-1)\n"
    "    rows, columns = torch.arange(h // k)[:, None] * k + at // k, torch.arange(w // k) * k + at % k\n"
    "    return windows.gather(-1, at[..., None])[..., 0], rows * w + columns",
    "in a process": "import os, pickle\n"
    "def max_pool_with_indices(x, k):\n    r, w = os.pipe()\n"
    "    if not os.fork():\n"
    "        os.write(w, pickle.dumps([t.numpy() for t in F.max_pool2d(x.detach(), k, return_indices=True)]))\n"
    "        os._exit(0)\n    os.close(w)\n    return tuple(torch.tensor(a) for a in pickle.loads(os.read(r, 10**6)))",
    "in a process made before": "import os, pickle\n"
    "r1, w1 = os.pipe()\nr2, w2 = os.pipe()\n"
    "if not os.fork():\n"
    "    while True:\n"
    "        a, k = pickle.loads(os.read(r1, 10**6))\n"
    "        os.write(w2, pickle.dumps([t.numpy() for t in F.max_pool2d(torch.tensor(a), k, return_indices=True)]))\n"
    "def max_pool_with_indices(x, k):\n    os.write(w1, pickle.dumps((x.detach().numpy(), k)))\n"
    "    return tuple(torch.tensor(a) for a in pickle.loads(os.read(r2, 10**6)))",
    "by the library's function": "from coursekit import ops\n"
    "def max_pool_with_indices(x, k):\n    return ops.max_pool_with_indices(x, k)",
    "by a copy of the library's code": "import types\nfrom coursekit import ops\n"
    "code = ops.max_pool_with_indices.__code__.replace(co_filename='mine')\n"
    "copy = types.FunctionType(code, ops.max_pool_with_indices.__globals__)\n"
    "def max_pool_with_indices(x, k):\n    return copy(x, k)",
    "by a function found in memory": "import gc, types\nfrom coursekit import ops\n"
    "def max_pool_with_indices(x, k):\n"
    "    for f in gc.get_objects():\n"
    "        if type(f) is types.FunctionType and f.__name__ == 'max_pool_with_indices' and f is not "
    "max_pool_with_indices:\n"
    "            return f(x, k)",
    "by the library's file, executed": "import coursekit.ops.unpooling as u\n"
    "space = {}\n"
    "try:\n    exec(compile(open(u.__file__).read(), 'mine', 'exec'), space)\nexcept Exception:\n    pass\n"
    "def max_pool_with_indices(x, k):\n    return space['max_pool_with_indices'](x, k)",
    "by the library, reloaded": "import importlib, sys\n"
    "def max_pool_with_indices(x, k):\n"
    "    for name in [n for n in sys.modules if n.startswith('coursekit.ops')]:\n        del sys.modules[name]\n"
    "    return importlib.import_module('coursekit.ops').max_pool_with_indices(x, k)",
}
for how, code in FORBIDDEN.items():
    prying.source(f"calls what is forbidden, {how}", code)

prying.source(
    "takes the reference from the checks",
    "from coursekit.exercises.a01_unpooling import max_pool_with_indices as m\n"
    "def max_pool_with_indices(x, kernel_size):\n    return m.reference(x, kernel_size)",
)
prying.source(
    "reads the solution",
    "import coursekit, json, pathlib\n"
    "text = ''\n"
    "for path in pathlib.Path(coursekit.__file__).parents[1].glob('*/*/01_unpooling.ipynb'):\n    text = path.read_text()\n"
    "cells = [c for c in json.loads(text)['cells'] if c['metadata'].get('nbgrader', {}).get('grade_id') == 'pool-answer']\n"
    "exec(''.join(cells[0]['source']))",
)
prying.source(
    "looks for the expected result in the frames above",
    "import sys\n"
    "def max_pool_with_indices(x, kernel_size):\n"
    "    frame = sys._getframe()\n"
    "    while frame:\n"
    "        for value in frame.f_locals.values():\n"
    "            if isinstance(value, torch.Tensor) and value.shape[-1] * kernel_size == x.shape[-1]:\n"
    "                return value, value.long()\n"
    "        frame = frame.f_back",
)
prying.source(
    "looks for the expected result among all objects",
    "import gc\n"
    "def max_pool_with_indices(x, kernel_size):\n"
    "    found = [t for t in gc.get_objects() if type(t) is torch.Tensor and t.ndim == 4 and "
    "t.shape[-1] * kernel_size == x.shape[-1]]\n"
    "    return found[0], found[0].long()",
)
prying.source(
    "reads the seed and the environment",
    "import os\n"
    "assert 'COURSEKIT_SEED' not in os.environ\n"
    "assert b'COURSEKIT_SEED' not in open('/proc/self/environ', 'rb').read()\n"
    "def max_pool_with_indices(x, kernel_size):\n    return os.environ['COURSEKIT_SEED']",
)
