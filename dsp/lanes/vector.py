"""The lane type: a value of LANES floats for compiled code, one channel or window in each lane.

Duty: a numba type `Lanes` (LLVM's `<LANES x float>`) with its arithmetic, loads, stores and the handful of
lane-wise functions that the kernels need. It knows nothing of signals. Nothing here can be called from
Python: only from functions that numba compiles.

Theory. A compiler turns a loop into vector instructions only where it can prove a great deal; numba's loops
over a short inner axis of channels stay scalar or spill (measured: 13 times slower than this). Here the
vector is a *value* instead: every `+` on a `Lanes` is one LLVM instruction on LANES floats, so that a
transform written for one channel is a transform of LANES channels with no further change, and a lane can
never see its neighbour: not-a-number in one channel stays there. LLVM lowers the type to what the processor
has: one AVX-512 register, two of AVX2, four of SSE2 or NEON.

Flags. Additions and products carry `contract` (a product and a sum may fuse into one rounding) and `nsz` (the
sign of zero is free), nothing else: sums are never reordered, not-a-number and infinity keep their meaning.

Memory. A *row* is LANES consecutive floats of a one-dimensional contiguous float32 array: `load(a, r)` reads
`a[LANES * r : LANES * (r + 1)]`. A complex row k is the two rows 2 k (real) and 2 k + 1 (imaginary).
Addresses need only be those of a float; rows on 64-byte boundaries are faster. Indices are not checked.
"""

# mypy: disallow-untyped-calls=False, disallow-subclassing-any=False
from __future__ import annotations

import operator
from typing import Any

from llvmlite import binding, ir
from numba.core import cgutils, config, types
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

Lanes = Any  # in annotations of compiled functions: a value of LANES floats
lane_function: Any = intrinsic  # numba's annotations would have callers pass the typing context

# Processors, by LLVM's name, whose registers hold 16 floats; what `NUMBA_CPU_NAME` may say instead of "host".
_WIDE = ("avx512", "icelake", "cascadelake", "cooperlake", "sapphirerapids", "znver4", "znver5", "x86-64-v4")


def _lane_count() -> int:
    """Lanes that suit the processor that numba compiles for: 16 with AVX-512, else 8.

    Measured on transforms of 2048 and 4096 rows: with AVX2 8 lanes are 1.2 to 1.3 times as fast as 16 (fewer
    spills, half the cache) and 1.4 to 1.6 times as fast as 4; with SSE2 8 are 1.1 to 1.2 times as fast as 4.
    The choice follows the processor's name and features, which are part of the key of numba's cache.
    """
    settings: Any = config
    name = settings.CPU_NAME
    if name in (None, "host"):
        return 16 if binding.get_host_cpu_features().get("avx512f") else 8
    return 16 if any(wide in name for wide in _WIDE) else 8


LANES: int = _lane_count()

FLOATS = ir.VectorType(ir.FloatType(), LANES)
_INTS = ir.VectorType(ir.IntType(32), LANES)
_SHORTS = ir.VectorType(ir.IntType(16), LANES)
_INT = ir.IntType(32)
FLAGS = ("contract", "nsz")


class LanesType(types.Type):
    """Numba's name for a value of LANES floats."""

    def __init__(self) -> None:
        super().__init__(name=f"float32x{LANES}")


lanes = LanesType()


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, numba_type: Any) -> None:
        super().__init__(manager, numba_type, FLOATS)


def _operator(symbol: Any, instruction: str) -> None:
    """Make `symbol` on two `Lanes` the LLVM instruction of that name."""

    @infer_global(symbol)
    class _Template(ConcreteTemplate):
        cases = (signature(lanes, lanes, lanes),)

    @lower_builtin(symbol, lanes, lanes)
    def _lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return getattr(builder, instruction)(args[0], args[1], flags=FLAGS)


for _symbol, _instruction in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _operator(_symbol, _instruction)


@lower_builtin(operator.neg, lanes)
def _lower_negation(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.fneg(args[0], flags=FLAGS)


@infer_global(operator.neg)
class _Negation(ConcreteTemplate):
    cases = (signature(lanes, lanes),)


def _floats(value: float) -> Any:
    return ir.Constant(FLOATS, [value] * LANES)


def _ints(value: int) -> Any:
    return ir.Constant(_INTS, [value] * LANES)


def splat_of(builder: Any, scalar: Any) -> Any:
    first = builder.insert_element(ir.Constant(FLOATS, ir.Undefined), scalar, ir.Constant(_INT, 0))
    return builder.shuffle_vector(first, ir.Constant(FLOATS, ir.Undefined), _ints(0))


def address(  # noqa: PLR0917
    context: Any, builder: Any, array_type: Any, array: Any, element: Any, vector: Any
) -> Any:
    """Pointer to the vector that begins at `element` of a contiguous array."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [element]), vector.as_pointer())


def _row_element(builder: Any, row: Any) -> Any:
    return builder.mul(row, ir.Constant(row.type, LANES))


@lane_function
def load(typing: Any, array: Any, row: Any) -> Any:
    """Row `row` of a float32 array."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        element = _row_element(builder, args[1])
        value = builder.load(address(context, builder, sig.args[0], args[0], element, FLOATS))
        value.align = 4
        return value

    return lanes(array, types.intp), generate


@lane_function
def store(typing: Any, array: Any, row: Any, value: Any) -> Any:
    """Write `value` to row `row` of a float32 array."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        element = _row_element(builder, args[1])
        done = builder.store(args[2], address(context, builder, sig.args[0], args[0], element, FLOATS))
        done.align = 4
        return context.get_dummy_value()

    return types.none(array, types.intp, lanes), generate


@lane_function
def splat(typing: Any, value: Any) -> Any:
    """The float32 scalar in every lane."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return splat_of(builder, args[0])

    return lanes(types.float32), generate


@lane_function
def broadcast(typing: Any, array: Any, index: Any) -> Any:
    """Element `index` (not row) of a float32 array, in every lane."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        return splat_of(builder, builder.load(builder.gep(data, [args[1]])))

    return lanes(array, types.intp), generate


def _call(builder: Any, name: str, args: Any) -> Any:
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(FLOATS, [FLOATS] * len(args)), f"{name}.v{LANES}f32"
    )
    return builder.call(function, list(args))


@lane_function
def square_root(typing: Any, value: Any) -> Any:
    """Square root, correctly rounded; not-a-number below zero."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _call(builder, "llvm.sqrt", args)

    return lanes(lanes), generate


@lane_function
def magnitude(typing: Any, value: Any) -> Any:
    """Absolute value."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _call(builder, "llvm.fabs", args)

    return lanes(lanes), generate


@lane_function
def fused(typing: Any, factor: Any, other: Any, addend: Any) -> Any:
    """`factor * other + addend` rounded once where the processor can (AVX-512, AVX2, NEON), else twice."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _call(builder, "llvm.fmuladd", args)

    return lanes(lanes, lanes, lanes), generate


@lane_function
def choose_greater(typing: Any, left: Any, right: Any, then: Any, otherwise: Any) -> Any:
    """`then` in lanes where `left > right`, else `otherwise` (also where either is not a number)."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", args[0], args[1]), args[2], args[3])

    return lanes(lanes, lanes, lanes, lanes), generate


@lane_function
def larger(typing: Any, left: Any, right: Any) -> Any:
    """The larger of two; `right` where either is not a number (one instruction on x86)."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", args[0], args[1]), args[0], args[1])

    return lanes(lanes, lanes), generate


@lane_function
def smaller(typing: Any, left: Any, right: Any) -> Any:
    """The smaller of two; `right` where either is not a number."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered("<", args[0], args[1]), args[0], args[1])

    return lanes(lanes, lanes), generate


@lane_function
def any_greater(typing: Any, left: Any, right: Any) -> Any:
    """Whether `left > right` in at least one lane."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        mask = builder.bitcast(builder.fcmp_ordered(">", args[0], args[1]), ir.IntType(LANES))
        return builder.icmp_unsigned("!=", mask, ir.Constant(ir.IntType(LANES), 0))

    return types.boolean(lanes, lanes), generate


@lane_function
def signs_differ(typing: Any, left: Any, right: Any) -> Any:
    """1.0 in lanes where the sign bits of two values differ (-0.0 counts as negative), else 0.0."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        bits = builder.xor(builder.bitcast(args[0], _INTS), builder.bitcast(args[1], _INTS))
        return builder.select(builder.icmp_signed("<", bits, _ints(0)), _floats(1.0), _floats(0.0))

    return lanes(lanes, lanes), generate


@lane_function
def midpoint(typing: Any, low: Any, high: Any) -> Any:
    """The float half way between two non-negative ones in the order of floats: 32 bisections are exact."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        total = builder.add(builder.bitcast(args[0], _INTS), builder.bitcast(args[1], _INTS))
        return builder.bitcast(builder.lshr(total, _ints(1)), FLOATS)

    return lanes(lanes, lanes), generate


# A float's exponent and mantissa, cut so that the mantissa lies in [0.75, 1.5), around 1.
_CUT = 0x3F400000


@lane_function
def binary_exponent(typing: Any, value: Any) -> Any:
    """e, as a float, of a positive normal value m 2^e with m in [0.75, 1.5)."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        bits = builder.sub(builder.bitcast(args[0], _INTS), _ints(_CUT))
        return builder.sitofp(builder.ashr(bits, _ints(23)), FLOATS)

    return lanes(lanes), generate


@lane_function
def binary_mantissa(typing: Any, value: Any) -> Any:
    """m of a positive normal value m 2^e with m in [0.75, 1.5)."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        bits = builder.bitcast(args[0], _INTS)
        exponent = builder.and_(builder.sub(bits, _ints(_CUT)), _ints(-0x800000))
        return builder.bitcast(builder.sub(bits, exponent), FLOATS)

    return lanes(lanes), generate


@lane_function
def power_of_two_reciprocal(typing: Any, value: Any) -> Any:
    """2^-e of a positive normal value m 2^e with m in [1, 2): exact, and for values down to 2^-126."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        exponent = builder.and_(builder.bitcast(args[0], _INTS), _ints(0x7F800000))
        return builder.bitcast(builder.sub(_ints(0x7F000000), exponent), FLOATS)

    return lanes(lanes), generate


@lane_function
def reciprocal_root_guess(typing: Any, value: Any) -> Any:
    """1 / sqrt(value) of non-negative values to 3.5 %, by halving the exponent; large but finite at zero.

    A start for Newton's method (Walczyk, Moroz and Cieslinski, Computation 7 (2019) 41).
    """

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        half = builder.lshr(builder.bitcast(args[0], _INTS), _ints(1))
        return builder.bitcast(builder.sub(_ints(0x5F376908), half), FLOATS)

    return lanes(lanes), generate
