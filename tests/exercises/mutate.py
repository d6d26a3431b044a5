"""Machine-made mistakes: a solution's source with one small thing changed, as many ways as there are places."""

import ast
import copy
from collections.abc import Iterator

SWAPS: dict[type, type] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}


def mutants(source: str) -> Iterator[tuple[str, str]]:
    """(what was changed, the changed source), one change each, in the order of the source."""
    tree = ast.parse(source)
    count = sum(1 for _ in ast.walk(tree))
    seen = {ast.unparse(tree)}
    for position in range(count):
        for variant in range(3):
            changed = copy.deepcopy(tree)
            node = next(n for i, n in enumerate(ast.walk(changed)) if i == position)
            told = _change(node, variant)
            if told is None:
                continue
            text = ast.unparse(ast.fix_missing_locations(changed))
            if text not in seen:
                seen.add(text)
                yield f"line {getattr(node, 'lineno', '?')}: {told}", text


def _change(node: ast.AST, variant: int) -> str | None:
    """Make the change number `variant` at a node, and say what it was; None when there is none."""
    changes = {
        ast.BinOp: _operator,
        ast.AugAssign: _operator,
        ast.BoolOp: _operator,
        ast.Compare: _comparison,
        ast.Constant: _constant,
        ast.UnaryOp: _unary,
        ast.Call: _call,
        ast.Slice: _slice,
    }
    if isinstance(node, ast.FunctionDef | ast.For | ast.If | ast.With):
        return _statement(node, variant)
    change = changes.get(type(node))
    return change(node, variant) if change else None


def _operator(node, variant):
    swapped = SWAPS.get(type(node.op))
    if variant or swapped is None:
        return None
    node.op = swapped()
    return f"{swapped.__name__} as the operator"


def _comparison(node, variant):
    swapped = SWAPS.get(type(node.ops[0]))
    if variant or swapped is None:
        return None
    node.ops[0] = swapped()
    return f"{swapped.__name__} as the comparison"


def _constant(node, variant):
    value = node.value
    if isinstance(value, bool):
        if variant:
            return None
        node.value = not value
    elif isinstance(value, int):
        node.value = value + (1, -1, 7)[variant]
    elif isinstance(value, float):
        node.value = (value * 2, value + 0.25, -value)[variant]
    else:
        return None
    return f"{node.value} in place of {value}"


def _unary(node, variant):
    if variant or not isinstance(node.op, ast.USub | ast.Not):
        return None
    node.op = ast.UAdd() if isinstance(node.op, ast.USub) else ast.Not()
    if isinstance(node.op, ast.Not):
        node.operand = ast.UnaryOp(ast.Not(), node.operand)
    return "the sign dropped"


def _call(node, variant):
    if variant == 0 and len(node.args) >= 2 and not any(isinstance(a, ast.Starred) for a in node.args[:2]):
        node.args[0], node.args[1] = node.args[1], node.args[0]
        return "the first two arguments swapped"
    if variant == 1 and node.keywords:
        return f"the argument {node.keywords.pop().arg} dropped"
    if variant == 2 and isinstance(node.func, ast.Attribute) and not node.keywords:
        receiver = node.func.value
        if isinstance(receiver, ast.Name) and receiver.id in {"torch", "F", "nn", "np", "self", "super"}:
            return None
        name = node.func.attr
        node.func, node.args = ast.Name("_same", ast.Load()), [receiver]
        return f".{name}() dropped"
    return None


def _slice(node, variant):
    part = ("lower", "upper", "step")[variant]
    if getattr(node, part) is None:
        return None
    setattr(node, part, None)
    return f"the slice's {part} dropped"


def _statement(node, variant):
    """Drop the first, second or third statement of a body that is not its docstring or its last one."""
    body = [s for s in node.body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
    if variant >= len(body) or isinstance(body[variant], ast.Return | ast.Pass | ast.FunctionDef):
        return None
    at = node.body.index(body[variant])
    told = ast.unparse(node.body[at]).splitlines()[0]
    node.body[at] = ast.copy_location(ast.Pass(), node.body[at])
    return f"dropped: {told}"
