"""Complex lanes: LANES complex values in compiled code, one in each lane.

Duty: a numba type of two `Lanes`, real and imaginary, with `+`, `-`, `*` (by another complex value or by real
lanes), quarter turns, loads and stores. The layout in memory is `dsp.lanes.vector`'s: complex row k is row 2
k (real) and row 2 k + 1 (imaginary). The two halves are kept apart because a processor that holds real and
imaginary parts interleaved must shuffle for every product.
"""

# mypy: disallow-untyped-calls=False, disallow-subclassing-any=False
from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import lower_builtin, make_attribute_wrapper, models, register_model

from dsp.lanes.vector import FLAGS, FLOATS, LANES, address, lane_function, lanes, splat_of

ComplexLanes = Any  # in annotations of compiled functions: LANES complex values


class ComplexLanesType(types.Type):
    """Numba's name for LANES complex values."""

    def __init__(self) -> None:
        super().__init__(name=f"complex64x{LANES}")


complex_lanes = ComplexLanesType()


@register_model(ComplexLanesType)
class _ComplexLanesModel(models.StructModel):
    def __init__(self, manager: Any, numba_type: Any) -> None:
        super().__init__(manager, numba_type, [("real", lanes), ("imag", lanes)])


make_attribute_wrapper(ComplexLanesType, "real", "real")
make_attribute_wrapper(ComplexLanesType, "imag", "imag")


def _pair(context: Any, builder: Any, real: Any, imag: Any) -> Any:
    value = cgutils.create_struct_proxy(complex_lanes)(context, builder)
    value.real = real
    value.imag = imag
    return value._getvalue()


def _parts(builder: Any, value: Any) -> tuple[Any, Any]:
    return builder.extract_value(value, 0), builder.extract_value(value, 1)


@infer_global(operator.add)
class _Sum(ConcreteTemplate):
    cases = (signature(complex_lanes, complex_lanes, complex_lanes),)


@infer_global(operator.sub)
class _Difference(ConcreteTemplate):
    cases = (signature(complex_lanes, complex_lanes, complex_lanes),)


@infer_global(operator.mul)
class _Product(ConcreteTemplate):
    cases = (
        signature(complex_lanes, complex_lanes, complex_lanes),
        signature(complex_lanes, complex_lanes, lanes),
    )


@lower_builtin(operator.add, complex_lanes, complex_lanes)
def _lower_sum(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    (a, b), (c, d) = _parts(builder, args[0]), _parts(builder, args[1])
    return _pair(context, builder, builder.fadd(a, c, flags=FLAGS), builder.fadd(b, d, flags=FLAGS))


@lower_builtin(operator.sub, complex_lanes, complex_lanes)
def _lower_difference(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    (a, b), (c, d) = _parts(builder, args[0]), _parts(builder, args[1])
    return _pair(context, builder, builder.fsub(a, c, flags=FLAGS), builder.fsub(b, d, flags=FLAGS))


@lower_builtin(operator.mul, complex_lanes, lanes)
def _lower_scaling(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    a, b = _parts(builder, args[0])
    return _pair(
        context,
        builder,
        builder.fmul(a, args[1], flags=FLAGS),
        builder.fmul(b, args[1], flags=FLAGS),
    )


def _product(context: Any, builder: Any, left: Any, right: Any) -> Any:
    (a, b), (c, d) = _parts(builder, left), _parts(builder, right)
    real = builder.fsub(builder.fmul(a, c, flags=FLAGS), builder.fmul(b, d, flags=FLAGS), flags=FLAGS)
    imag = builder.fadd(builder.fmul(a, d, flags=FLAGS), builder.fmul(b, c, flags=FLAGS), flags=FLAGS)
    return _pair(context, builder, real, imag)


@lower_builtin(operator.mul, complex_lanes, complex_lanes)
def _lower_product(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return _product(context, builder, args[0], args[1])


@lane_function
def complex_of(typing: Any, real: Any, imag: Any) -> Any:
    """The complex lanes with these parts."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _pair(context, builder, args[0], args[1])

    return complex_lanes(lanes, lanes), generate


@lane_function
def conjugate(typing: Any, value: Any) -> Any:
    """Complex conjugate."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        a, b = _parts(builder, args[0])
        return _pair(context, builder, a, builder.fneg(b, flags=FLAGS))

    return complex_lanes(complex_lanes), generate


@lane_function
def times_minus_i(typing: Any, value: Any) -> Any:
    """The value turned by a quarter clockwise: -i v."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        a, b = _parts(builder, args[0])
        return _pair(context, builder, b, builder.fneg(a, flags=FLAGS))

    return complex_lanes(complex_lanes), generate


@lane_function
def swapped(typing: Any, value: Any) -> Any:
    """Real and imaginary part exchanged: the inverse transform is a forward one between two exchanges."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        a, b = _parts(builder, args[0])
        return _pair(context, builder, b, a)

    return complex_lanes(complex_lanes), generate


@lane_function
def twiddled(typing: Any, value: Any, table: Any, index: Any) -> Any:
    """`value * w`, w the complex number `table[2 index] + i table[2 index + 1]`, the same in every lane."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = context.make_array(sig.args[1])(context, builder, args[1]).data
        first = builder.shl(args[2], ir.Constant(args[2].type, 1))
        second = builder.or_(first, ir.Constant(first.type, 1))
        real = splat_of(builder, builder.load(builder.gep(data, [first])))
        imag = splat_of(builder, builder.load(builder.gep(data, [second])))
        return _product(context, builder, args[0], _pair(context, builder, real, imag))

    return complex_lanes(complex_lanes, table, types.intp), generate


@lane_function
def load_complex(typing: Any, array: Any, row: Any) -> Any:
    """Complex row `row` of a float32 array."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        first = builder.mul(args[1], ir.Constant(args[1].type, 2 * LANES))
        second = builder.add(first, ir.Constant(first.type, LANES))
        parts = []
        for element in (first, second):
            part = builder.load(address(context, builder, sig.args[0], args[0], element, FLOATS))
            part.align = 4
            parts.append(part)
        return _pair(context, builder, *parts)

    return complex_lanes(array, types.intp), generate


@lane_function
def store_complex(typing: Any, array: Any, row: Any, value: Any) -> Any:
    """Write `value` to complex row `row` of a float32 array."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        first = builder.mul(args[1], ir.Constant(args[1].type, 2 * LANES))
        second = builder.add(first, ir.Constant(first.type, LANES))
        for element, part in zip((first, second), _parts(builder, args[2]), strict=True):
            done = builder.store(part, address(context, builder, sig.args[0], args[0], element, FLOATS))
            done.align = 4
        return context.get_dummy_value()

    return types.none(array, types.intp, complex_lanes), generate
