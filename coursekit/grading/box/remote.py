"""The trusted side: a student's function in a box, as something that the checks can call like any other.

`Box` is one box. `RemoteFunction` calls what it defines; gradients come from the box as vector–Jacobian products.
`RemoteModule` holds the parameters of a student's network on this side and sends them along. So the checks' own
`backward()` and optimisers work unchanged, and nothing but arrays has a say.
"""

import builtins
import itertools
import json
import os
import socket
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from coursekit.exercises.given import Given
from coursekit.exercises.limits import Interruption
from coursekit.grading.box import wire
from coursekit.grading.box.isolate import CannotIsolate
from coursekit.grading.box.randomness import Randomness
from coursekit.grading.box.runner import given_state, set_given_state

# Of the environment; the rest, such as an instructor's seed or passwords, is nobody's business in a box.
_HARMLESS = ("PATH", "LANG", "LC_", "TZ", "LD_LIBRARY", "OPENBLAS", "PYTHON", "VIRTUAL_ENV", "COURSEKIT_DATA", "TMPDIR")


class BoxEnded(RuntimeError):
    """The process that a student's code ran in is gone."""


class ServerGone(Interruption):
    """The warm process is gone, and all boxes with it. No answer's doing, so nobody's points depend on it."""


class Server:
    """The warm process that boxes are forked from; several processes of one user can share it by its address.

    Args:
        boxed: shut every box in; without it a submission can do all that this user can.
        address: of one that runs already.
    """

    def __init__(self, boxed: bool = True, address: str | None = None) -> None:
        self.boxed = boxed
        self.address = address
        self._process: subprocess.Popen[str] | None = None
        self._control: socket.socket | None = None

    def start(self) -> None:
        """Start the warm process if it is not running, again where it was lost; not one that was started elsewhere.

        Raises:
            CannotIsolate: the kernel does not let a process be shut in.
            RuntimeError: it does not start for another reason.
        """
        if self._process and self._process.poll() is not None:
            self.close()
        if self.address:
            return
        kept = {name: value for name, value in os.environ.items() if name.startswith(_HARMLESS)}
        environment = {**kept, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "coursekit.grading.box.server", "boxed" if self.boxed else "open"],
            stdin=subprocess.PIPE,  # its end is the end of the server
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdout
        line = self._process.stdout.readline()
        said = json.loads(line) if line else {"problem": "the warm process ended while it started"}
        if "address" in said:
            self.address = said["address"]
            return
        self.close()
        if said.get("isolation"):
            raise CannotIsolate(
                f"this machine does not let students' code be shut in ({said['problem']}); "
                "grade on another one or, if you trust every submission, with --without-box"
            )
        raise RuntimeError(said["problem"])

    def box(self) -> "Box":
        """A new box."""
        self.start()
        ours, theirs = socket.socketpair()
        with theirs:
            made = self._ask({"do": "box"}, [theirs.fileno()])
        return Box(self, ours, made["process"], made["outside"])

    def end(self, process: int) -> int | None:
        """End a box; how it had ended, if it was over: its exit code, or the negative number of a signal."""
        status: int | None = self._ask({"do": "end", "process": process}, [])["status"]
        return status

    def _ask(self, request: dict[str, Any], channels: list[int]) -> dict[str, Any]:
        """One question, one answer. Whoever is interrupted in between hangs up, lest the next one gets that answer."""
        try:
            if self._control is None:
                self._control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                self._control.connect(self.address or "")
            socket.send_fds(self._control, [json.dumps(request).encode()], channels)
            said = self._control.recv(2**16)
            if not said:
                raise ConnectionError("it hung up")
        except BaseException as error:
            if self._control:
                self._control.close()
                self._control = None
            if isinstance(error, OSError):
                raise ServerGone(f"the warm process is gone: {error}") from None
            raise
        answer: dict[str, Any] = json.loads(said)
        return answer

    def close(self) -> None:
        """End every box of this client and, where this started it, the warm process."""
        if self._control:
            self._control.close()
            self._control = None
        if self._process:
            assert self._process.stdin
            self._process.stdin.close()
            try:
                self._process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self._process.kill()
            self._process, self.address = None, None

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class Box:
    """One box, from the trusted side. `forbidden` are the titles of the banned calls that it reports."""

    def __init__(self, server: Server, channel: socket.socket, process: int, outside: int) -> None:
        self.server, self.channel, self.process = server, channel, process
        self.outside = outside  # the number of the same process here
        self.forbidden: set[str] = set()
        self.problem = ""
        self.randomness = Randomness()
        self._numbers = itertools.count()
        self._given: weakref.WeakKeyDictionary[nn.Module, int] = weakref.WeakKeyDictionary()
        self._modules: weakref.WeakValueDictionary[int, RemoteModule] = weakref.WeakValueDictionary()

    def __enter__(self) -> "Box":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self.channel.close()
        self.server.end(self.process)

    def seconds(self) -> float:
        """The computing time that the box has used so far."""
        try:
            fields = Path(f"/proc/{self.outside}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def define(self, cells: list[str], names: list[str], forbid: list[str]) -> dict[str, Any]:
        """Run cells; what they raise, and what they have made of the names: a function, another value, nothing."""
        reply, _ = self._exchange({"do": "define", "cells": cells, "names": names, "forbid": forbid})
        return reply

    def run(self, source: str) -> tuple[bool, float | None, str]:
        """Run a test cell after that: whether it went through, the number it ended with, what it raised."""
        reply, buffers = self._exchange({"do": "run", "source": source})
        if reply.get("passed") is not True:
            return False, None, str(remote_error(reply.get("problem") or reply.get("error") or {}))
        value = wire.Unpacker(buffers).unpack(reply.get("value"))
        return True, value if isinstance(value, float) else None, ""

    def function(self, number: int) -> "RemoteFunction":
        return RemoteFunction(self, number)

    def _exchange(
        self, message: dict[str, Any], buffers: list[bytes] | None = None, given: list[nn.Module] | None = None
    ) -> tuple[dict[str, Any], list[bytes]]:
        """Send a message and wait for its reply; answer the calls of our own networks that come in between."""
        if self.problem:
            raise BoxEnded(self.problem)
        self.problem = "an earlier call of this answer did not come to its end"
        try:
            wire.send(self.channel, message, buffers or [])
            reply, received = wire.receive(self.channel)
            while "ask" in reply:
                self._answer(reply, received, given or [])
                reply, received = wire.receive(self.channel)
        except wire.WireError as error:
            self.problem = f"its result cannot be taken over: {error}"
            raise BoxEnded(self.problem) from None
        except (EOFError, OSError) as error:
            if isinstance(error, TimeoutError):
                raise
            self.problem = self._why_ended()
            raise BoxEnded(self.problem) from None
        self.problem = ""
        seen = reply.get("seen")
        self.forbidden.update(title for title in seen if isinstance(title, str)) if isinstance(seen, list) else None
        return reply, received

    def _why_ended(self) -> str:
        code = self.server.end(self.process)
        return "your code ended the Python process" + (f" (exit code {code})" if code else "")

    def _answer(self, question: dict[str, Any], buffers: list[bytes], given: list[nn.Module]) -> None:
        module = next((m for m in given if self._given.get(m) == question["ask"]), None)
        packer = wire.Packer()
        try:
            if module is None:
                raise wire.WireError("no such network was handed over")
            unpacker = wire.Unpacker(buffers)
            args, kwargs = unpacker.unpack(question["args"]), unpacker.unpack(question["kwargs"])
            module.train(bool(question["training"]))
            with torch.set_grad_enabled(False):
                reply: dict[str, Any] = {"value": packer.pack(module(*args, **kwargs))}
        except Exception as error:
            packer = wire.Packer()
            reply = {"error": {"type": type(error).__name__, "message": str(error)}}
        wire.send(self.channel, reply, packer.buffers)

    def call(self, target: int, args: Any, kwargs: Any, module: "RemoteModule | None" = None) -> Any:
        """Call an object in the box as if it were here: gradients, changed arguments and random numbers included."""
        call = _Call(self)
        packer = wire.Packer(call.pack_tensor, call.handle)
        message: dict[str, Any] = {"do": "call", "target": target, "grad": torch.is_grad_enabled()}
        message["args"], message["kwargs"] = packer.pack(args), packer.pack(kwargs)
        plain = wire.Packer(buffers=packer.buffers)
        if module is not None:
            message["state"], message["training"] = plain.pack(module.unsent()), module.training
            message["trainable"] = [name for name, p in module.named_parameters() if p.requires_grad]
        message["random"] = plain.pack(self.randomness.changed())
        reply, buffers = self._exchange(message, packer.buffers, call.given)
        try:
            return self._take(reply, buffers, call, module)
        except (KeyError, TypeError, ValueError, IndexError, RuntimeError, RecursionError) as error:
            if isinstance(error, RemoteError):
                raise
            raise BoxEnded(f"its result cannot be taken over: {type(error).__name__}: {error}") from None

    def _take(self, reply: dict[str, Any], buffers: list[bytes], call: "_Call", module: "RemoteModule | None") -> Any:
        plain = wire.Unpacker(buffers)
        if "random" in reply:
            self.randomness.receive(plain.unpack(reply["random"]))
        for position, value in reply.get("changed", []):
            with torch.no_grad():
                call.tensors[position].detach().copy_(plain.unpack(value))
        for original in call.given:
            state = reply.get("given", {}).get(str(self._given[original]))
            if state is not None and not getattr(type(original), "counted", False):
                set_given_state(original, plain.unpack(state))
            elif state is not None:
                original.train(bool(plain.unpack(state)["training"][""]))
        inputs = call.inputs
        if module is not None and "state" in reply:
            inputs = [*inputs, *module.trained()]
            module.take_state(plain, reply)
        if "error" in reply:
            raise remote_error(reply["error"])
        outputs: dict[int, Tensor] = {}

        def take(tensor: Tensor, facts: dict[str, Any]) -> Tensor:
            if "output" in facts and tensor.is_floating_point():
                outputs[int(facts["output"])] = tensor
            return tensor

        value = wire.Unpacker(buffers, take, self._object).unpack(reply["value"])
        if outputs and inputs and torch.is_grad_enabled():
            numbers = sorted(outputs)
            linked = _Linked.apply(
                self, reply["graph"], max(numbers) + 1, numbers, *(outputs[n] for n in numbers), *inputs
            )
            value = _replaced(value, {id(outputs[n]): t for n, t in zip(numbers, linked)})
        if reply.get("grad") is False and torch.is_grad_enabled():
            torch.set_grad_enabled(False)
        return value

    def vjp(self, graph: int, cotangents: list[Tensor | None]) -> list[Tensor | None]:
        packer = wire.Packer()
        message = {"do": "vjp", "graph": graph, "cotangents": packer.pack(cotangents)}
        reply, buffers = self._exchange(message, packer.buffers)
        if "error" in reply:
            raise remote_error(reply["error"])
        found = wire.Unpacker(buffers).unpack(reply["gradients"])
        return [t if isinstance(t, Tensor) else None for t in found]

    def _object(self, handle: wire.Handle) -> Any:
        if handle.kind != "module":
            return RemoteFunction(self, handle.number)
        known = self._modules.get(handle.number)
        if known is None:
            known = self._modules[handle.number] = RemoteModule(self, handle.number, handle.facts)
        return known


def _replaced(value: Any, by: dict[int, Tensor]) -> Any:
    if isinstance(value, Tensor):
        return by.get(id(value), value)
    if isinstance(value, list | tuple):
        return type(value)(_replaced(item, by) for item in value)
    if isinstance(value, dict):
        return {key: _replaced(item, by) for key, item in value.items()}
    return value


class _Call:
    """The tensors and networks of one call, in the order in which they are sent."""

    def __init__(self, box: Box) -> None:
        self.box = box
        self.tensors: list[Tensor] = []
        self.inputs: list[Tensor] = []
        self.given: list[nn.Module] = []

    def pack_tensor(self, tensor: Tensor) -> dict[str, Any]:
        self.tensors.append(tensor)
        if not tensor.requires_grad:
            return {}
        self.inputs.append(tensor)
        return {"grad": True, "leaf": tensor.is_leaf}

    def handle(self, value: Any) -> wire.Handle | None:
        if not isinstance(value, Given):
            return None
        if value not in self.box._given:
            self.box._given[value] = next(self.box._numbers)
        self.given.append(value)
        facts = {"class": type(value).__name__, "arguments": value.arguments, "state": given_state(value)}
        return wire.Handle("given", self.box._given[value], facts)


class _Linked(torch.autograd.Function):
    """Results of the box, tied to what they were computed from: the way back asks the box."""

    @staticmethod
    def forward(ctx: Any, box: Box, graph: int, count: int, numbers: list[int], *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.box, ctx.graph, ctx.count, ctx.numbers = box, graph, count, numbers
        ctx.set_materialize_grads(False)
        ctx.inputs = len(tensors) - len(numbers)
        return tuple(tensor.clone() for tensor in tensors[: len(numbers)])

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Any, ...]:
        cotangents: list[Tensor | None] = [None] * ctx.count
        for number, gradient in zip(ctx.numbers, gradients):
            cotangents[number] = gradient
        found = ctx.box.vjp(ctx.graph, cotangents)[: ctx.inputs]
        found += [None] * (ctx.inputs - len(found))
        return (None, None, None, None, *([None] * len(ctx.numbers)), *found)


class RemoteFunction:
    """A function or class of the student's, called in its box."""

    def __init__(self, box: Box, number: int) -> None:
        self.box, self.number = box, number

    @property
    def forbidden(self) -> set[str]:
        """Titles of the banned calls that the box reports."""
        return self.box.forbidden

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.box.call(self.number, args, kwargs)


class RemoteModule(nn.Module):
    """A student's network: parameters and buffers here, what it does with them in the box.

    Its parts are plain containers with the names that the student gave; only calling the whole is possible.
    """

    def __init__(self, box: Box, number: int, facts: dict[str, Any]) -> None:
        super().__init__()
        self._box, self._number = box, number
        self._register(facts)

    @property
    def forbidden(self) -> set[str]:
        """Titles of the banned calls that the box reports."""
        return self._box.forbidden

    def _register(self, facts: dict[str, Any]) -> None:
        first: dict[str, Any] = {}
        for name, value, trainable, lazy, same in facts["parameters"]:
            if same not in first:
                made = nn.UninitializedParameter() if lazy else nn.Parameter(value, bool(trainable))
                first[same] = made
            parent, last = self._place(str(name))
            parent.register_parameter(last, first[same])
        for name, value, persistent in facts["buffers"]:
            parent, last = self._place(str(name))
            parent.register_buffer(last, value if isinstance(value, Tensor) else None, persistent=bool(persistent))
        super().train(bool(facts["training"]))
        self._sent = {name: t.detach().clone() for name, t in self._tensors()}

    def _place(self, name: str) -> tuple[nn.Module, str]:
        *path, last = name.split(".")
        place: nn.Module = self
        for part in path:
            if part not in place._modules:
                place.add_module(part, nn.Module())
            place = place._modules[part]  # type: ignore[assignment]
        place._parameters.pop(last, None)
        place._buffers.pop(last, None)
        return place, last

    def _tensors(self) -> Iterator[tuple[str, Tensor]]:
        for name, tensor in itertools.chain(self.named_parameters(), self.named_buffers()):
            if not nn.parameter.is_lazy(tensor):
                yield name, tensor

    def unsent(self) -> dict[str, Tensor]:
        """What has changed on this side since the box last saw it."""
        changed = {name: t.detach() for name, t in self._tensors() if not _identical(t, self._sent.get(name))}
        self._sent |= {name: t.clone() for name, t in changed.items()}
        return changed

    def trained(self) -> list[Tensor]:
        """The parameters that gradients are asked for, in the order of the box."""
        return [p for p in self.parameters() if p.requires_grad and not nn.parameter.is_lazy(p)]

    def take_state(self, plain: wire.Unpacker, reply: dict[str, Any]) -> None:
        """What a call has changed in the box: running statistics, lazy parameters that have got their shapes."""
        if "anew" in reply["state"]:
            self._register(plain.unpack(reply["state"]["anew"]))
            return
        own = dict(self._tensors())
        with torch.no_grad():
            for name, value in plain.unpack(reply["state"]["changed"]).items():
                own[name].detach().copy_(value)
                self._sent[name] = value

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self._box.call(self._number, args, kwargs, self)


def _identical(left: Tensor, right: Tensor | None) -> bool:
    return right is not None and left.dtype == right.dtype and torch.equal(left, right)


class RemoteError(Exception):
    """An error that was raised in the box. It has the type that it had there, as far as that is one of Python's own."""

    place = ""


def remote_error(facts: Any) -> BaseException:
    """An error as it was described by the box; `place` is the student's line."""
    facts = facts if isinstance(facts, dict) else {}
    name, message, place = (str(facts.get(key, ""))[: wire.MOST_TEXT] for key in ("type", "message", "place"))
    base = getattr(builtins, name, None)
    bases: Any = (RemoteError,)
    if isinstance(base, type) and issubclass(base, Exception):
        bases = (RemoteError, base)
    try:
        made = type(name if name.isidentifier() else "Error", bases, {"place": place})(message)
    except TypeError:  # a type of Python's own that wants more than a message
        made = type(name, (RemoteError,), {"place": place})(message)
    return made
