"""Arithmetic that people write: parsed to a tree of a few kinds of nodes, and evaluated on arrays. Nothing is executed.

::

    electricity / production_t
    (co2_total - 0.5 * A_steam) / max(employees, 1)

Numbers, names, `+ - * /`, powers with a whole number from -4 to 4 and parentheses; `min`, `max`, `abs`, `sqrt`. No
other text gets past :func:`parse`, which says in sentences what is wrong with it, and never fails in another way.
"""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from domain.errors import InputError
from domain.frames import FloatArray

__all__ = ["Apply", "Expression", "ExpressionError", "Name", "Node", "Number", "evaluate", "parse"]

MOST_CHARACTERS = 500
MOST_DEPTH = 20
MOST_NODES = 100
MOST_POWER = 4
SHOWN = 80
LARGEST = 1e15
"""No number of a formula may be larger."""

ARGUMENTS = {"min": (2, 8), "max": (2, 8), "abs": (1, 1), "sqrt": (1, 1)}
"""Functions, each with the least and the greatest number of its arguments."""

# Only what is made of these is shown to Python's parser at all; it would warn of, or labour at, much else. No token can
# be cut in two, so that a long text is refused in one pass.
_TOKENS = re.compile(
    r"(?:[ \t]*(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?(?![A-Za-z0-9_.])|[A-Za-z_][A-Za-z0-9_]*(?![A-Za-z0-9_.])|[-+*/(),]))*[ \t]*"
)
_OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
# Unlike np.fmin and np.fmax, these pass on that something is not known.
_OF_MANY = {"+": np.add, "-": np.subtract, "*": np.multiply, "min": np.minimum, "max": np.maximum}
_OF_ONE = {"negative": np.negative, "abs": np.abs, "sqrt": np.sqrt}
_ALLOWED = "use numbers, names, + - * /, parentheses, ** with a whole number up to 4, min, max, abs and sqrt"


class ExpressionError(InputError):
    """A text that is no expression; says what would be right."""


@dataclass(frozen=True, slots=True)
class Number:
    """A constant."""

    value: float


@dataclass(frozen=True, slots=True)
class Name:
    """Something measured or entered."""

    key: str


@dataclass(frozen=True, slots=True)
class Apply:
    """An operator or function on its operands; `**` has its exponent as its second."""

    operator: str
    operands: tuple["Node", ...]


Node = Number | Name | Apply


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """A parsed text."""

    text: str
    root: Node
    names: tuple[str, ...]
    """Each once, in order of their first place in the text."""


@lru_cache(maxsize=1024)
def parse(text: str) -> Expression:
    """
    A text as a tree.

    Raises
    ------
    ExpressionError
        It is no expression of the allowed kind; the only thing that is ever raised.

    Examples
    --------
    >>> parse("electricity / (2 * production_t)").names
    ('electricity', 'production_t')
    """
    if not text.strip():
        raise ExpressionError(f"the expression is empty; {_ALLOWED}")
    if len(text) > MOST_CHARACTERS:
        raise ExpressionError(f"the expression has {len(text)} characters; at most {MOST_CHARACTERS} are read")
    if _TOKENS.fullmatch(text) is None:
        raise ExpressionError(f"{_shown(text)} holds something else than arithmetic; {_ALLOWED}")
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ExpressionError(f"{_shown(text)} is not arithmetic that can be read; {_ALLOWED}") from None
    reader = _Reader()
    root = reader.node(tree.body, 0)
    return Expression(text=text, root=root, names=tuple(dict.fromkeys(reader.names)))


def _shown(text: str) -> str:
    return repr(text if len(text) <= SHOWN else text[:SHOWN] + "...")


class _Reader:
    """Turns Python's tree into ours, counting as it goes."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._nodes = 0

    def node(self, node: ast.expr, depth: int) -> Node:
        self._nodes += 1
        if depth > MOST_DEPTH:
            raise ExpressionError(f"the expression is nested more than {MOST_DEPTH} deep; write it in simpler parts")
        if self._nodes > MOST_NODES:
            raise ExpressionError(f"the expression has more than {MOST_NODES} parts; write it shorter")
        match node:
            case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
                return Number(_bounded(value))
            case ast.Name(id=key):
                return self._name(key)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return Apply("negative", (self.node(operand, depth + 1),))
            case ast.BinOp(op=ast.Pow(), left=base, right=exponent):
                return Apply("**", (self.node(base, depth + 1), _exponent(exponent)))
            case ast.BinOp(op=op, left=left, right=right) if type(op) in _OPERATORS:
                return Apply(_OPERATORS[type(op)], (self.node(left, depth + 1), self.node(right, depth + 1)))
            case ast.Call(func=ast.Name(id=key), args=args, keywords=[]):
                return self._call(key, args, depth)
        raise ExpressionError(f"the expression holds a part that is not arithmetic; {_ALLOWED}")

    def _name(self, key: str) -> Name:
        if key in ARGUMENTS:
            raise ExpressionError(f"{key} is a function; write it as {key}(...)")
        self.names.append(key)
        return Name(key)

    def _call(self, key: str, args: list[ast.expr], depth: int) -> Apply:
        if key not in ARGUMENTS:
            raise ExpressionError(
                f"{_shown(key)} is not a function that a formula may use: only {', '.join(ARGUMENTS)}"
            )
        least, most = ARGUMENTS[key]
        if not least <= len(args) <= most:
            wanted = f"{least}" if least == most else f"{least} to {most}"
            raise ExpressionError(f"{key} takes {wanted} arguments and was given {len(args)}")
        return Apply(key, tuple(self.node(arg, depth + 1) for arg in args))


def _bounded(value: float) -> float:
    if not abs(value) <= LARGEST:
        raise ExpressionError(f"the expression holds a number beyond {LARGEST:g}; write it in a larger unit")
    return float(value)


def _exponent(node: ast.expr) -> Number:
    sign, inner = (-1, node.operand) if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) else (1, node)
    match inner:
        case ast.Constant(value=int() as value) if not isinstance(value, bool) and abs(value) <= MOST_POWER:
            return Number(float(sign * value))
    raise ExpressionError(f"a power must be a whole number from -{MOST_POWER} to {MOST_POWER}; use sqrt for roots")


def evaluate(node: Node, values: Mapping[str, FloatArray]) -> tuple[FloatArray, FloatArray]:
    """
    A tree on arrays of one shape.

    Returns
    -------
    result : float64 (n,)
        NaN where something is not known or not finite, where a denominator is zero, and of the root of what is below zero.
    divided_by_zero : bool as float64 (n,)
        1 where a denominator was zero.
    """
    length = len(next(iter(values.values()))) if values else 1
    zero = np.zeros(length)
    with np.errstate(all="ignore"):
        result = _evaluated(node, values, zero)
    return np.where(np.isfinite(result), result, np.nan), zero


def _evaluated(node: Node, values: Mapping[str, FloatArray], zero: FloatArray) -> FloatArray:
    """The value; marks in `zero` where a denominator is zero."""
    match node:
        case Number(value):
            return np.full(len(zero), value)
        case Name(key):
            return values[key]
        case Apply(operator, operands):
            return _applied(operator, [_evaluated(operand, values, zero) for operand in operands], zero)


def _applied(operator: str, operands: list[FloatArray], zero: FloatArray) -> FloatArray:
    if operator == "/":
        return _divided(operands[0], operands[1], zero)
    if operator == "**":
        return _raised(operands[0], int(operands[1][0]), zero)
    if operator in _OF_MANY:
        return np.asarray(_OF_MANY[operator].reduce(operands), dtype=np.float64)
    return np.asarray(_OF_ONE[operator](operands[0]), dtype=np.float64)


def _divided(over: FloatArray, under: FloatArray, zero: FloatArray) -> FloatArray:
    zero[under == 0] = 1.0
    return np.where(under == 0, np.nan, over / np.where(under == 0, 1.0, under))


def _raised(base: FloatArray, exponent: int, zero: FloatArray) -> FloatArray:
    raised = np.ones(len(base)) * np.where(np.isnan(base), np.nan, 1.0)
    for _ in range(abs(exponent)):
        raised = raised * base
    return raised if exponent >= 0 else _divided(np.ones(len(base)), raised, zero)
