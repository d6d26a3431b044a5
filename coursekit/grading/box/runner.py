"""What runs inside the box: it defines what a notebook's cells define, and answers calls from the trusted side.

Everything here shares its process with the student's code, so nothing that it says is believed: it hands over arrays,
and what they are worth is decided outside.
"""

import ast
import contextlib
import os
import random
import socket
import sys
import traceback
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from coursekit.exercises import given, watch
from coursekit.exercises.answer import quiet
from coursekit.grading.box import wire
from coursekit.grading.box.forbid import forbid, watch_of_gradients
from coursekit.grading.box.randomness import Randomness
from coursekit.grading.source import python

_GRAPHS_KEPT = 64
_BANS = {ban.title: ban for ban in vars(watch).values() if isinstance(ban, watch.Ban)}


def serve(channel: socket.socket) -> None:
    """Answer messages until the other side is gone."""
    runner = Runner(channel)
    with contextlib.suppress(EOFError, OSError):
        while True:
            message, buffers = wire.receive(channel)
            runner.answer(message, buffers)


class Runner:
    """One box: the namespace, the objects that the other side has handles on, the graphs it may ask about."""

    def __init__(self, channel: socket.socket) -> None:
        self.channel = channel
        self.namespace: dict[str, Any] = {"__name__": "__main__"}
        self.objects: list[Any] = []
        self.graphs: OrderedDict[int, tuple[list[Tensor], list[Tensor]]] = OrderedDict()
        self.calls = 0
        self.given: dict[int, nn.Module] = {}
        self.watch = self.watch_of_gradients = watch.Watch(())
        self.randomness = Randomness()

    def answer(self, message: dict[str, Any], buffers: list[bytes]) -> None:
        work: Callable[..., dict[str, Any]] = getattr(self, f"on_{message['do']}")
        try:
            reply, packer = work(message, buffers), self.packer
        except BaseException as error:
            reply, packer = {"error": described(error)}, wire.Packer()
        reply["seen"] = sorted(self.watch.seen | self.watch_of_gradients.seen)
        wire.send(self.channel, reply, packer.buffers)

    def on_define(self, message: dict[str, Any], buffers: list[bytes]) -> dict[str, Any]:
        """Run the cells, statement by statement, so that a line that fails does not take the next ones with it."""
        self.packer = wire.Packer()
        bans = [_BANS[title] for title in message["forbid"]]
        forbid(bans)
        self.watch, self.watch_of_gradients = watch.Watch(bans), watch_of_gradients(bans)
        problems = []
        for number, source in enumerate(message["cells"]):
            with quiet():
                problems += [{"cell": number, **problem} for problem in self._execute(source, f"<cell {number}>")]
        return {"problems": problems, "answers": {name: self._what(name) for name in message["names"]}}

    def _execute(self, source: str, name: str) -> list[dict[str, Any]]:
        problems = []
        try:
            text = python(source)
            statements = ast.parse(text, name).body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            return [described(error)]
        _remember(name, text)
        for statement in statements:
            try:
                code = compile(ast.Module([statement], []), name, "exec")
                exec(code, self.namespace)
            except BaseException as error:
                problems.append(described(error))
        return problems

    def _what(self, name: str) -> dict[str, Any]:
        if name not in self.namespace:
            return {"kind": "missing"}
        value = self.namespace[name]
        if not callable(value):
            return {"kind": "value", "type": type(value).__name__[:80]}
        return {"kind": "function", "number": self._number(value)}

    def _number(self, value: Any) -> int:
        known = next((n for n, there in enumerate(self.objects) if there is value), None)
        if known is None:
            self.objects.append(value)
            known = len(self.objects) - 1
        return known

    def on_call(self, message: dict[str, Any], buffers: list[bytes]) -> dict[str, Any]:
        target = self.objects[message["target"]]
        call = _Call(self, buffers)
        plain = wire.Unpacker(buffers)
        args, kwargs = call.unpacker.unpack(message["args"]), call.unpacker.unpack(message["kwargs"])
        self.packer = wire.Packer(call.pack_tensor, self._handle)
        before = None
        if isinstance(target, nn.Module):
            write_state(target, plain.unpack(message["state"]))
            if target.training != message["training"]:
                target.train(message["training"])
            for name, parameter in target.named_parameters():
                if not nn.parameter.is_lazy(parameter):
                    parameter.requires_grad_(name in message["trainable"])
            before = read_state(target)
            call.inputs += [p for p in target.parameters() if p.requires_grad and not nn.parameter.is_lazy(p)]
        self.randomness.receive(plain.unpack(message["random"]))
        torch.set_grad_enabled(message["grad"])
        reply: dict[str, Any] = {}
        try:
            with quiet(), self.watch:
                result = target(*args, **kwargs)
            reply["value"] = self.packer.pack(result)
        except BaseException as error:
            reply["error"] = described(error)
        reply["grad"] = torch.is_grad_enabled()
        torch.set_grad_enabled(True)
        reply["random"] = self.packer.pack(self.randomness.changed())
        reply["changed"] = [[i, self.packer.pack(t.detach())] for i, t in call.changed()]
        reply["given"] = {str(n): self.packer.pack(given_state(m)) for n, m in self.given.items()}
        if before is not None:
            reply["state"], reply["training"] = self._state_after(target, before), target.training
        if call.outputs:
            self.calls += 1
            self.graphs[self.calls] = (call.inputs, call.outputs)
            while len(self.graphs) > _GRAPHS_KEPT:
                self.graphs.popitem(last=False)
            reply["graph"] = self.calls
        return reply

    def _state_after(self, module: nn.Module, before: dict[str, Tensor]) -> dict[str, Any]:
        """What a call has changed; everything anew where the names have changed, as lazy layers do."""
        after = read_state(module)
        if {n: t.shape for n, t in after.items()} != {n: t.shape for n, t in before.items()}:
            return {"anew": self.packer.pack(module_facts(module))}
        changed = {n: t for n, t in after.items() if not torch.equal(t, before[n])}
        return {"changed": self.packer.pack(changed)}

    def on_vjp(self, message: dict[str, Any], buffers: list[bytes]) -> dict[str, Any]:
        """Vector–Jacobian products of an earlier call."""
        inputs, outputs = self.graphs[message["graph"]]
        self.packer = wire.Packer()
        cotangents = wire.Unpacker(buffers).unpack(message["cotangents"])
        asked = [(out, cotangent) for out, cotangent in zip(outputs, cotangents) if cotangent is not None]
        with quiet(), self.watch_of_gradients:
            found = torch.autograd.grad(
                [out for out, _ in asked], inputs, [c for _, c in asked], retain_graph=True, allow_unused=True
            )
        return {"gradients": self.packer.pack(list(found))}

    def on_run(self, message: dict[str, Any], buffers: list[bytes]) -> dict[str, Any]:
        """Run an instructor's own test cell: whether it went through, and the number it ended with, if any."""
        self.packer = wire.Packer()
        try:
            tree = ast.parse(python(message["source"]))
            last = tree.body[-1] if tree.body else None
            value = None
            with quiet():
                if isinstance(last, ast.Expr):
                    tree.body.pop()
                    exec(compile(tree, "<test>", "exec"), self.namespace)
                    value = eval(compile(ast.Expression(last.value), "<test>", "eval"), self.namespace)
                else:
                    exec(compile(tree, "<test>", "exec"), self.namespace)
        except BaseException as error:
            return {"passed": False, "problem": described(error)}
        number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
        return {"passed": True, "value": self.packer.pack(number)}

    def _handle(self, value: Any) -> wire.Handle | None:
        if isinstance(value, nn.Module):
            return wire.Handle("module", self._number(value), module_facts(value))
        if callable(value) and not isinstance(value, Tensor | type(None)):
            return wire.Handle("function", self._number(value))
        return None

    def ask(self, number: int, module: nn.Module, args: Any, kwargs: Any) -> Any:
        """Have the other side answer a call of one of its networks."""
        packer = wire.Packer()
        question = {"ask": number, "args": packer.pack(args), "kwargs": packer.pack(kwargs)}
        question["grad"], question["training"] = torch.is_grad_enabled(), module.training
        wire.send(self.channel, question, packer.buffers)
        reply, buffers = wire.receive(self.channel)
        if "error" in reply:
            raise getattr(__import__("builtins"), reply["error"]["type"], RuntimeError)(reply["error"]["message"])
        return wire.Unpacker(buffers).unpack(reply["value"])

    def twin(self, handle: wire.Handle) -> nn.Module:
        """The twin of a network that the checks hand over, in the state of the original."""
        facts = handle.facts
        module = self.given.get(handle.number)
        if module is None:
            kind: type[given.Given] = getattr(given, facts["class"])
            module = self.given[handle.number] = kind(*facts["arguments"])
            if kind.counted:
                number = handle.number
                module.forward = lambda *args, **kwargs: self.ask(number, module, args, kwargs)
        set_given_state(module, facts["state"])
        return module


class _Call:
    """The tensors of one call: which were given, as they were, and which results hang on a graph."""

    def __init__(self, runner: Runner, buffers: list[bytes]) -> None:
        self.given: list[tuple[Tensor, Tensor]] = []
        self.inputs: list[Tensor] = []
        self.outputs: list[Tensor] = []
        self.unpacker = wire.Unpacker(buffers, self.take, runner.twin)

    def take(self, tensor: Tensor, facts: dict[str, Any]) -> Tensor:
        handed = tensor
        if facts.get("grad"):
            self.inputs.append(tensor.requires_grad_())
            handed = tensor if facts.get("leaf") else tensor.clone()
        self.given.append((handed, handed.detach().clone()))
        return handed

    def pack_tensor(self, tensor: Tensor) -> dict[str, Any]:
        if not tensor.requires_grad:
            return {}
        self.outputs.append(tensor)
        return {"output": len(self.outputs) - 1}

    def changed(self) -> list[tuple[int, Tensor]]:
        return [
            (i, now)
            for i, (now, before) in enumerate(self.given)
            if now.shape == before.shape and not torch.equal(_bits(now), _bits(before))
        ]


def _bits(tensor: Tensor) -> Tensor:
    """NaN is equal to itself only in bytes."""
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8)


def module_facts(module: nn.Module) -> dict[str, Any]:
    """Names, values and kinds of a module's parameters and buffers; a parameter that stands twice points to itself."""
    first: dict[int, str] = {}
    parameters = []
    for name, parameter in module.named_parameters(remove_duplicate=False):
        lazy = nn.parameter.is_lazy(parameter)
        same = first.setdefault(id(parameter), name)
        value = None if lazy or same != name else parameter.detach()
        parameters.append([name, value, parameter.requires_grad, lazy, same])
    kept = set(module.state_dict()) if not any(lazy for *_, lazy, _ in parameters) else set()
    buffers = [
        [name, None if buffer is None or nn.parameter.is_lazy(buffer) else buffer, name in kept or not kept]
        for name, buffer in module.named_buffers()
    ]
    return {"parameters": parameters, "buffers": buffers, "training": module.training}


def read_state(module: nn.Module) -> dict[str, Tensor]:
    """Copies of all parameters and buffers that have values."""
    named = [*module.named_parameters(), *module.named_buffers()]
    return {name: t.detach().clone() for name, t in named if not nn.parameter.is_lazy(t)}


@torch.no_grad()
def write_state(module: nn.Module, values: dict[str, Tensor]) -> None:
    there = dict([*module.named_parameters(), *module.named_buffers()])
    for name, value in values.items():
        old = there[name]
        if nn.parameter.is_lazy(old):
            continue
        if old.shape == value.shape and old.dtype == value.dtype:
            old.copy_(value)
        else:
            old.data = value


def given_state(module: nn.Module) -> dict[str, Any]:
    """Everything that a student's function may have changed about one of the checks' networks."""
    return {
        "values": read_state(module),
        "training": {name: part.training for name, part in module.named_modules()},
        "trainable": {name: p.requires_grad for name, p in module.named_parameters()},
        "records": {name: list(getattr(module, name)) for name in getattr(type(module), "records", ())},
    }


def set_given_state(module: nn.Module, state: dict[str, Any]) -> None:
    write_state(module, state["values"])
    for name, part in module.named_modules():
        if name in state["training"]:
            part.training = bool(state["training"][name])
    for name, parameter in module.named_parameters():
        if name in state["trainable"]:
            parameter.requires_grad_(bool(state["trainable"][name]))
    for name in getattr(type(module), "records", ()):
        getattr(module, name)[:] = state["records"][name]


def described(error: BaseException) -> dict[str, Any]:
    """An error as texts: its type, what it says, and the line of the student's code that it left from."""
    try:
        message = str(error)[: wire.MOST_TEXT]
    except BaseException:
        message = ""
    return {"type": type(error).__name__[:80], "message": message, "place": _place(error)}


def _place(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f"line {error.lineno}: {(error.text or '').strip()[:200]}"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith("<cell")]
    return f"line {frames[-1].lineno} of {frames[-1].name}: {(frames[-1].line or '')[:200]}" if frames else ""


def _remember(name: str, text: str) -> None:
    """So that tracebacks, and `inspect` in an answer, can show the lines."""
    import linecache

    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)


def start(channel: socket.socket) -> None:
    """The whole life of a box, after it was shut in."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    random.seed()
    np.random.seed()  # noqa: NPY002
    torch.seed()
    sys.argv = ["notebook"]
    serve(channel)
