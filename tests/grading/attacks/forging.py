"""Code that would give itself points: hooks, patched libraries, objects equal to everything, forged messages."""

from attacks.bank import Family

forging = Family("forging")

forging.source("shows full marks", "display(4.0)\n4.0")
forging.source("replaces the display hook", "import sys\nsys.displayhook = lambda value: print(4.0)")
forging.source(
    "an AST transformer that drops what fails",
    "import ast\n"
    "class Drop(ast.NodeTransformer):\n"
    "    def visit_Expr(self, node):\n"
    "        return ast.Expr(ast.Constant(4.0))\n"
    "get_ipython().ast_transformers.append(Drop())",
)
forging.source("an input transformer", "get_ipython().input_transformers_post.append(lambda lines: ['4.0'])")
forging.source(
    "a check of its own", "def check(name, answer):\n    return 4.0\ndef max_pool_with_indices(x, k):\n    return x, x"
)
forging.source(
    "patches the judge",
    "import coursekit.exercises, coursekit.exercises.judge as j\n"
    "j.judge = lambda *a, **k: 4.0\ncoursekit.exercises.check = lambda *a: 4.0\n"
    "def max_pool_with_indices(x, kernel_size):\n    return x, x",
)
forging.source(
    "patches what compares",
    "import torch\n"
    "torch.allclose = torch.equal = lambda *a, **k: True\n"
    "torch.isclose = lambda a, b, **k: torch.ones_like(a, dtype=torch.bool)\n"
    "torch.testing.assert_close = lambda *a, **k: None\n"
    "torch.Tensor.__eq__ = lambda a, b: True\n"
    "def max_pool_with_indices(x, kernel_size):\n    return x, x.long()",
)
forging.source(
    "patches the builtins",
    "import builtins\n"
    "builtins.isinstance = lambda *a: True\nbuiltins.float = lambda *a: 4.0\nbuiltins.all = builtins.any = lambda *a: True\n"
    "def max_pool_with_indices(x, kernel_size):\n    return x, x",
)
forging.source(
    "an object that is equal to everything",
    "class Always:\n"
    "    shape = dtype = ndim = 0\n"
    "    def __eq__(self, other): return True\n"
    "    def __bool__(self): return True\n"
    "    def __getattr__(self, name): return self\n"
    "    def __call__(self, *a, **k): return self\n"
    "    def __iter__(self): return iter((self, self))\n"
    "    def __float__(self): return 4.0\n"
    "    def __len__(self): return 2\n"
    "def max_pool_with_indices(x, kernel_size):\n    return Always(), Always()",
)
forging.source(
    "a tensor class with a will of its own",
    "class Mine(torch.Tensor):\n"
    "    @classmethod\n"
    "    def __torch_function__(cls, function, types, args=(), kwargs=None):\n"
    "        return True\n"
    "def max_pool_with_indices(x, kernel_size):\n    t = x.as_subclass(Mine)\n    return t, t",
)
forging.source(
    "a dict subclass, a str subclass, a float subclass",
    "class D(dict):\n    def __eq__(self, o): return True\n"
    "class S(str):\n    def __eq__(self, o): return True\n    __hash__ = str.__hash__\n"
    "class F(float):\n    def __eq__(self, o): return True\n    def __float__(self): return 4.0\n"
    "def max_pool_with_indices(x, kernel_size):\n    return D(a=F(1.0)), S('x')",
)
forging.source(
    "forges messages on every open descriptor",
    "import json, os, struct\n"
    "def message(body):\n"
    "    head = json.dumps({'message': body, 'sizes': []}).encode()\n"
    "    return struct.pack('!QQ', len(head), 0) + head\n"
    "def max_pool_with_indices(x, kernel_size):\n"
    "    for fd in range(3, 64):\n"
    "        for body in ({'value': 4.0, 'seen': []}, {'passed': True, 'value': 4.0}, {'points': 4.0}):\n"
    "            try: os.write(fd, message(body))\n"
    "            except OSError: pass\n"
    "    return x, x",
)
forging.source(
    "writes noise on every open descriptor",
    "import os\n"
    "def max_pool_with_indices(x, kernel_size):\n"
    "    for fd in range(3, 64):\n"
    "        try: os.write(fd, b'\\xff' * 1000)\n"
    "        except OSError: pass\n"
    "    return x, x",
)
forging.source(
    "patches the language of the box",
    "import sys\n"
    "wire = sys.modules['coursekit.grading.box.wire']\n"
    "wire.Packer.pack = lambda self, value, depth=0: {'t': 'tensor', 'dtype': 'float32', 'shape': [10**9], 'stride': [1], 'b': 0}\n"
    "def max_pool_with_indices(x, kernel_size):\n    return x, x",
)
forging.source(
    "answers with shapes that lie",
    "import sys\n"
    "wire = sys.modules['coursekit.grading.box.wire']\n"
    "old = wire.Packer._tensor\n"
    "def lie(self, t):\n    made = old(self, t)\n    made['shape'] = [-1, 2**62]\n    made['b'] = -5\n    return made\n"
    "wire.Packer._tensor = lie\n"
    "def max_pool_with_indices(x, kernel_size):\n    return x, x.long()",
)
forging.source(
    "claims that the input has become the answer's",
    "def max_pool_with_indices(x, kernel_size):\n    x.zero_()\n    return x[:, :, ::kernel_size, ::kernel_size], "
    "x[:, :, ::kernel_size, ::kernel_size].long()",
)
forging.source(
    "an error that prints itself as a success",
    "class Fine(Exception):\n    def __str__(self): return '4 of 4 points'\n"
    "def max_pool_with_indices(x, kernel_size):\n    raise Fine",
)
forging.source(
    "an error that cannot be printed",
    "class Bad(BaseException):\n    def __str__(self): raise Bad\n    __repr__ = __str__\n"
    "def max_pool_with_indices(x, kernel_size):\n    raise Bad",
)
forging.source("the name is not a function", "max_pool_with_indices = 4.0")

forging.source(
    "sends a structure of a gigabyte",
    "import os, struct\n"
    "def max_pool_with_indices(x, kernel_size):\n"
    "    for fd in range(3, 64):\n"
    "        try:\n"
    "            os.write(fd, struct.pack('!QQ', 2**30, 0))\n"
    "            for _ in range(1024): os.write(fd, b'[' * 2**20)\n"
    "        except OSError: pass\n"
    "    return x, x",
)
forging.source(
    "a network that makes its input fit its output",
    "class TinySegNet(nn.Module):\n"
    "    def __init__(self, in_channels, num_classes, width=16):\n"
    "        super().__init__()\n"
    "        self.a = nn.Conv2d(in_channels, width, 3, padding=1)\n"
    "        self.b = nn.Conv2d(width, num_classes, 3, padding=1)\n"
    "    def forward(self, x):\n"
    "        y = self.b(self.a(x)) * 0\n"
    "        x.zero_()\n"
    "        return y",
    cell="segnet-answer",
    earns={"nearest-check": 2.0, "nails-check": 2.0, "segnet-check": 1.0},
)
