"""Laws of expressions: they compute what Python computes, and no text does anything but that or is refused."""

import math
import string
import time

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kpi.custom import check_formula
from kpi.expression import ExpressionError, evaluate, parse
from kpi.formulaunits import factor_to_base, is_unit
from tests.support.small_formulas import a_formula
from tests.support.small_parks import a_channel, a_meter, a_registry

NAMES = ("electricity", "water_intake", "x")
PYTHON = {"min": min, "max": max, "abs": abs, "sqrt": math.sqrt}

HOSTILE = (
    "__import__('os').system('true')",
    "9**9**9**9",
    "'a'*10**9",
    "(1).__class__",
    "().__class__.__bases__[0].__subclasses__()",
    "lambda: 1",
    "(lambda f: f(f))(lambda f: f(f))",
    "(" * 250 + "1" + ")" * 250,
    "-" * 490 + "1",
    "1" + "+1" * 249,
    "abs(" * 120 + "1" + ")" * 120,
    "a" * 10_000_000,
    "a" * 499 + "!",
    "1" * 500,
    "1e309",
    "[x for x in (1,)]",
    "x := 1",
    "f'{x}'",
    "x if x else x",
    "x and x",
    "x < 1",
    "x[0]",
    "x.real",
    "~x",
    "x % 2",
    "x // 2",
    "x @ x",
    "x ** x",
    "x ** 2.0",
    "2 ** 10 ** 10",
    "True",
    "None",
    "1j",
    "0x10",
    "1_000",
    "exec(x)",
    "max(*x)",
    "max(x, key=abs)",
    "eval(x)",
    "yield",
    "await x",
    "\x00",
    "x\n+1",
    "x#1",
    "ｅlectricity",
    "١",
)


@st.composite
def drawn_text(draw: st.DrawFn, depth: int = 4) -> str:
    if depth == 0 or draw(st.booleans()):
        return draw(st.one_of(st.sampled_from(NAMES), st.sampled_from(["0", "1", "2.5", ".5", "1e3", "7"])))
    inner = drawn_text(depth - 1)
    kind = draw(st.sampled_from(["+", "-", "*", "/", "**", "neg", "min", "max", "abs", "sqrt"]))
    if kind == "**":
        return f"({draw(inner)}) ** {draw(st.sampled_from(['2', '3', '-1', '(-2)', '0']))}"
    if kind == "neg":
        return f"-({draw(inner)})"
    if kind in {"min", "max"}:
        return f"{kind}({draw(inner)}, {draw(inner)})"
    if kind in {"abs", "sqrt"}:
        return f"{kind}({draw(inner)})"
    return f"({draw(inner)}) {kind} ({draw(inner)})"


VALUES = st.sampled_from([0.0, 1.0, -3.0, 0.25, 1e6, 1e-3])


@settings(max_examples=400, deadline=None)
@given(drawn_text(), st.lists(st.tuples(VALUES, VALUES, VALUES), min_size=1, max_size=5))
def test_an_expression_on_arrays_is_pythons_own_arithmetic_on_numbers(
    text: str, rows: list[tuple[float, float, float]]
) -> None:
    try:
        expression = parse(text)
    except ExpressionError:
        assert len(text) > 100
        return
    columns = {name: np.array([row[place] for row in rows]) for place, name in enumerate(NAMES)}

    found, by_zero = evaluate(expression.root, columns)

    for place, row in enumerate(rows):
        try:
            wanted = float(eval(text, {"__builtins__": {}}, {**PYTHON, **dict(zip(NAMES, row, strict=True))}))
        except ZeroDivisionError:
            assert by_zero[place]
            assert math.isnan(found[place])
            continue
        except (ValueError, OverflowError):
            # Python stops at the root of a negative number before it may come to a zero; both are no number here.
            assert math.isnan(found[place])
            continue
        if math.isfinite(wanted):
            assert found[place] == pytest.approx(wanted, rel=1e-9, abs=1e-12)
        else:
            assert math.isnan(found[place])


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:24])
def test_hostile_texts_are_refused_with_a_sentence_at_once(text: str) -> None:
    begun = time.perf_counter()

    with pytest.raises(ExpressionError, match=r"^.{10,500}$"):
        parse(text)

    assert time.perf_counter() - begun < 0.5


ANY_TEXT = st.one_of(
    st.text(max_size=600),
    st.text(alphabet=string.ascii_lowercase[:4] + "0123456789.+-*/(), _e", max_size=120),
    st.text(alphabet="()*-+1a,", max_size=500),
)


@settings(max_examples=600, deadline=None)
@given(ANY_TEXT)
@example("1(2)")
@example("min(min,min)")
def test_any_text_is_parsed_or_refused_and_nothing_else(text: str) -> None:
    try:
        expression = parse(text)
    except ExpressionError:
        return
    result, _ = evaluate(expression.root, {name: np.array([1.0, 0.0, np.nan]) for name in expression.names})
    assert not np.isinf(result).any()


PARK = a_registry([a_meter(1, 1)], [a_channel(10, 1, "energy_import"), a_channel(11, 1, "water_in")])


@settings(max_examples=200, deadline=None)
@given(st.one_of(ANY_TEXT, drawn_text()), st.one_of(st.text(max_size=80), st.sampled_from(["kWh", "kWh/m3", "1"])))
def test_a_check_of_any_formula_only_says_sentences(text: str, unit: str) -> None:
    for problem in check_formula(a_formula("ours", text, unit), PARK):
        assert problem.startswith("formula ours: ")


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=80), st.text(alphabet="kWhm3/*t12NAe", max_size=30)))
@example("NAN")
@example("inf")
@example("kWh**9")
@example("kWhs")
def test_any_text_is_a_unit_or_not(text: str) -> None:
    if is_unit(text):
        assert factor_to_base(text) > 0
