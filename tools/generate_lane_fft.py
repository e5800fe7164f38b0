"""Writes the transforms of `dsp/lanes`: `python -m tools.generate_lane_fft` (`--check` only compares).

A transform of n = n1 n2 complex rows is four passes of butterflies with constant radices (theory:
`dsp/lanes/fft.py`). What differs from one to the next is how a value is read and what becomes of a result: a
window multiplied, two real rows taken as one complex, a square summed. Writing that into the first and the
last butterfly saves whole passes over memory, so each use has its own function, and this program writes them
all.

To add one: append a `Transform` to a module's list in MODULES, run the command, commit both.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COMMAND = "python -m tools.generate_lane_fft"

# (name, row, unrolled index, its count) -> lines; `row` is an expression in the loop's variables.
Reader = Callable[[str, str, int, int], list[str]]
# (value, natural index k, row in the padded work array, unrolled index, its count) -> lines
Writer = Callable[[str, str, str, int, int], list[str]]


def read_rows(name: str, row: str, part: int, parts: int) -> list[str]:
    """Complex row of `source`."""
    return [f"{name} = load_complex(source, {row})"]


def write_in_place(value: str, index: str, row: str, part: int, parts: int) -> list[str]:
    """Left in the padded work array, in the order that `fft.row_of` knows."""
    return [f"store_complex(work, {row}, {value})"]


def write_in_order(value: str, index: str, row: str, part: int, parts: int) -> list[str]:
    """Complex row k of `output` holds line k."""
    return [f"store_complex(output, {index}, {value})"]


@dataclass(frozen=True)
class Transform:
    """One function to be written: radices (a, b) of the first pass, (c, d) of the second, n = a b c d.

    `arguments` come first in its signature and are what reader and writer name; `work` (n1 (n2 + 1) complex
    rows), `scratch` (max(n1, n2) complex rows) and `twiddles` (`fft.twiddle_table`) follow. `before` and
    `after` are lines at the function's beginning and end.
    """

    name: str
    summary: str
    first: tuple[int, int]
    second: tuple[int, int]
    arguments: str
    reader: Reader = read_rows
    writer: Writer = write_in_place
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


@dataclass(frozen=True)
class Module:
    """One generated file: its path, what it is for, what it imports beside the usual, its transforms."""

    path: str
    duty: str
    transforms: tuple[Transform, ...]
    imports: tuple[str, ...] = field(default=())


def _plus(*terms: str | int) -> str:
    """Sum as an expression, without its zeros."""
    kept = [str(term) for term in terms if str(term) != "0"]
    return " + ".join(kept) or "0"


def _butterfly(radix: int, indent: str) -> str:
    left = ", ".join(f"y{i}" for i in range(radix))
    right = ", ".join(f"a{i}" for i in range(radix))
    return f"{indent}{left} = butterfly_{radix}({right})"


def _inner_stages(radices: tuple[int, int], base: int, read: Reader, body: list[str], pad: str) -> None:
    """First of the two butterflies of a pass: from `read` to `scratch`, turned by the pass's own twiddles."""
    outer, inner = radices
    body.append(f"{pad}for q in range({inner}):")
    for p in range(outer):
        body += [f"{pad}    {line}" for line in read(f"a{p}", _plus(p * inner), p, outer)]
    body.append(_butterfly(outer, pad + "    "))
    for s in range(outer):
        turned = f"twiddled(y{s}, twiddles, {_plus(base + s)} + {outer} * q)" if s else "y0"
        body.append(f"{pad}    store_complex(scratch, {_plus(s * inner, 'q')}, {turned})")
    body.append(f"{pad}for s in range({outer}):")
    for q in range(inner):
        body.append(f"{pad}    a{q} = load_complex(scratch, {_plus(f'{inner} * s', q)})")
    body.append(_butterfly(inner, pad + "    "))


def function_of(transform: Transform) -> list[str]:
    """Lines of one function."""
    (ra, rb), (rc, rd) = transform.first, transform.second
    n1, n2 = ra * rb, rc * rd
    stride = n2 + 1
    table_second, table_between = n1, n1 + n2
    body = [
        "@njit(**COMPILED)",
        f"def {transform.name}({transform.arguments}, work, scratch, twiddles):",
        f'    """{transform.summary}"""',
        *(f"    {line}" for line in transform.before),
        f"    for column in range({n2}):",
    ]

    def from_source(name: str, offset: str, part: int, parts: int) -> list[str]:
        row = _plus(int(offset) * n2, f"{n2} * q", "column")
        return transform.reader(name, row, part, parts)

    def from_work(name: str, offset: str, part: int, parts: int) -> list[str]:
        return [f"{name} = load_complex(work, {_plus(f'{stride} * line', offset, 'q')})"]

    _inner_stages((ra, rb), 0, from_source, body, " " * 8)
    for t in range(rb):
        turned = f"twiddled(y{t}, twiddles, {_plus(table_between, ra * t)} + {n1} * column + s)"
        row = _plus(f"{stride} * s", ra * t * stride, "column")
        body.append(f"            store_complex(work, {row}, {turned})")
    body.append(f"    for line in range({n1}):")
    _inner_stages((rc, rd), table_second, from_work, body, " " * 8)
    for t in range(rd):
        index = _plus("line", f"{n1} * s", n1 * rc * t)
        row = _plus(f"{stride} * line", "s", rc * t)
        body += [f"            {line}" for line in transform.writer(f"y{t}", index, row, t, rd)]
    return [*body, *(f"    {line}" for line in transform.after)]


def text_of(module: Module) -> str:
    """The whole file."""
    lines = [
        f'"""{module.duty}',
        "",
        f"Generated by `{COMMAND}`: change that program, not this file.",
        '"""',
        "",
        "# ruff: noqa",
        "# fmt: off",
        "# mypy: ignore-errors",
        "import numpy as np",
        "from numba import njit",
        "",
        "from dsp.lanes.butterflies import butterfly_2, butterfly_3, butterfly_4, butterfly_5, butterfly_8",
        "from dsp.lanes.complex_vector import complex_of, load_complex, store_complex, swapped, twiddled",
        "from dsp.lanes.fft import COMPILED",
        *module.imports,
        "",
    ]
    for transform in module.transforms:
        lines += ["", *function_of(transform), ""]
    return "\n".join(lines).rstrip() + "\n"


def read_two_segments(name: str, row: str, part: int, parts: int) -> list[str]:
    """Row of two real segments of a ring of 8192 rows, scaled by their levels, times the window."""
    return [
        f"row = {row}",
        "weight = broadcast(window, row)",
        "first = fused(load(rows, (first_a + row) & 8191), gain_a, bias_a) * weight",
        "second = fused(load(rows, (first_b + row) & 8191), gain_b, bias_b) * weight",
        f"{name} = complex_of(first, second)",
    ]


def read_segment_pairs(name: str, row: str, part: int, parts: int) -> list[str]:
    """Two rows of one real segment as one complex row, scaled by its level, times the window."""
    return [
        f"row = 2 * ({row})",
        "even = fused(load(rows, first + row), gain, bias) * broadcast(window, row)",
        "odd = fused(load(rows, first + row + 1), gain, bias) * broadcast(window, row + 1)",
        f"{name} = complex_of(even, odd)",
    ]


def read_even_and_odd(name: str, row: str, part: int, parts: int) -> list[str]:
    """Two rows of a ring of 8192 as one complex row, scaled by the window's level."""
    return [
        f"row = (2 * ({row}) + oldest) & 8191",
        "even = fused(load(rows, row), gain, bias)",
        "odd = fused(load(rows, row + 1), gain, bias)",
        f"{name} = complex_of(even, odd)",
    ]


def read_band(name: str, row: str, part: int, parts: int) -> list[str]:
    """Line of the demodulation band, exchanged for the inverse transform; zero beyond the band."""
    line = "swapped(doubled_line(spectrum, half_turns, first_line + row))"
    return [f"row = {row}", f"{name} = {line} if row < n_lines else nothing"]


def write_square(value: str, index: str, row: str, part: int, parts: int) -> list[str]:
    """Squared magnitude to `envelope`, in order; the largest is kept."""
    return [
        f"square = {value}.real * {value}.real + {value}.imag * {value}.imag",
        f"store(envelope, {index}, square)",
        "most = larger(square, most)",
    ]


def read_pair(name: str, row: str, part: int, parts: int) -> list[str]:
    """Two rows of `envelope` as one complex row."""
    return [f"row = 2 * ({row})", f"{name} = complex_of(load(envelope, row), load(envelope, row + 1))"]


def _envelope(name: str, first: tuple[int, int], second: tuple[int, int]) -> Transform:
    return Transform(
        name, "Squared envelope of a band of a packed spectrum; its largest value goes to row 0 of `levels`.",
        first, second, "spectrum, half_turns, first_line, n_lines, envelope, levels", read_band, write_square,
        before=(
            "zero = splat(np.float32(0.0))", "nothing = complex_of(zero, zero)", "most = zero",
        ),
        after=("store(levels, 0, most)",),
    )  # fmt: skip


WINDOW_TRANSFORMS = Module(
    path="dsp/lanes/window_transforms.py",
    duty="Transforms of the window features, with their reading and writing fused in.",
    imports=(
        "from dsp.lanes.packed_spectrum import doubled_line",
        "from dsp.lanes.vector import broadcast, fused, larger, load, splat, store",
    ),
    transforms=(
        Transform(
            "welch_2048", "Two real segments of 2048 rows as one transform; levels: gain, bias of a, of b.",
            (8, 4), (8, 8), "rows, first_a, first_b, window, levels", read_two_segments,
            before=(
                "gain_a, bias_a = load(levels, 0), load(levels, 1)",
                "gain_b, bias_b = load(levels, 2), load(levels, 3)",
            ),
        ),
        Transform(
            "segment_1024", "One real segment of 2048 rows, packed; levels: gain, bias.",
            (8, 4), (8, 4), "rows, first, window, levels", read_segment_pairs,
            before=("gain, bias = load(levels, 0), load(levels, 1)",),
        ),
        Transform(
            "window_4096", "A real window of 8192 rows as 4096 complex ones; levels: gain, bias.",
            (8, 8), (8, 8), "rows, oldest, levels", read_even_and_odd,
            before=("gain, bias = load(levels, 0), load(levels, 1)",),
        ),
        _envelope("envelope_2560", (8, 5), (8, 8)),
        _envelope("envelope_4096", (8, 8), (8, 8)),
        Transform("lines_1280", "2560 rows of `envelope`, packed.", (4, 5), (8, 8), "envelope", read_pair),
        Transform("lines_2048", "4096 rows of `envelope`, packed.", (8, 4), (8, 8), "envelope", read_pair),
    ),
)  # fmt: skip

PLAIN_TRANSFORMS = Module(
    path="dsp/lanes/plain_transforms.py",
    duty="Transforms of complex rows in order, nothing fused in: to compare with, and to bound what is.",
    transforms=tuple(
        Transform(
            f"transform_{first[0] * first[1] * second[0] * second[1]}",
            "Complex rows of `source`, in order, to the work array.", first, second, "source",
        )
        for first, second in (
            ((8, 4), (8, 4)), ((4, 5), (8, 8)), ((8, 4), (8, 8)), ((8, 5), (8, 8)), ((8, 8), (8, 8)),
            ((4, 3), (8, 2)),
        )
    ),
)  # fmt: skip


def read_tapered(name: str, row: str, part: int, parts: int) -> list[str]:
    """Two rows as one complex row, scaled, times the taper."""
    return [
        f"row = 2 * ({row})",
        "even = fused(load(rows, row) - first, gain, bias) * broadcast(taper, row)",
        "odd = fused(load(rows, row + 1) - first, gain, bias) * broadcast(taper, row + 1)",
        f"{name} = complex_of(even, odd)",
    ]


def read_whole_band(name: str, row: str, part: int, parts: int) -> list[str]:
    """Line of a band that fills the transform, exchanged for the inverse one."""
    return [f"{name} = swapped(load_complex(lines, first + {row}))"]


def read_padded_band(name: str, row: str, part: int, parts: int) -> list[str]:
    """Line of a band that fills eight ninths of the transform, give or take one, zero beyond."""
    if 8 * (part + 1) <= 7 * parts:
        return read_whole_band(name, row, part, parts)
    return [
        f"row = {row}",
        f"{name} = swapped(load_complex(lines, first + row)) if row < n_lines else nothing",
    ]


def write_moments(value: str, index: str, row: str, part: int, parts: int) -> list[str]:
    """Squared magnitude and its square, summed; sums of a few go to memory, so that rounding stays small."""
    lines = [f"square = {value}.real * {value}.real + {value}.imag * {value}.imag"]
    if part == 0:
        return [*lines, "second = square", "fourth = square * square"]
    lines += ["second = second + square", "fourth = fused(square, square, fourth)"]
    if part == parts - 1:
        lines += [
            f"store(moments, {i}, load(moments, {i}) + {name})" for i, name in enumerate(("second", "fourth"))
        ]
    return lines


def _band_transforms() -> tuple[Transform, ...]:
    empty = ("zero = splat(np.float32(0.0))", "store(moments, 0, zero)", "store(moments, 1, zero)")
    whole = (
        ((8, 4), (8, 8)), ((8, 4), (8, 4)), ((8, 4), (4, 4)),
        ((4, 4), (4, 4)), ((4, 4), (4, 2)), ((4, 2), (4, 2)),
    )  # fmt: skip
    padded = (
        ((8, 3), (8, 8)), ((4, 3), (8, 8)), ((8, 3), (4, 4)),
        ((4, 3), (4, 4)), ((4, 3), (4, 2)), ((4, 3), (2, 2)),
    )  # fmt: skip
    made = []
    for first, second in whole:
        n = first[0] * first[1] * second[0] * second[1]
        made.append(Transform(
            f"whole_{n}", f"Sums of |c|^2 and |c|^4 over the envelope of {n} lines from `first` on.",
            first, second, "lines, first, moments", read_whole_band, write_moments, empty,
        ))  # fmt: skip
    for first, second in padded:
        n = first[0] * first[1] * second[0] * second[1]
        made.append(Transform(
            f"padded_{n}", f"The same of `n_lines` lines, about eight ninths of {n}, padded with zeros.",
            first, second, "lines, first, n_lines, moments", read_padded_band, write_moments,
            (*empty, "nothing = complex_of(zero, zero)"),
        ))  # fmt: skip
    return tuple(made)


KURTOGRAM_TRANSFORMS = Module(
    path="dsp/lanes/kurtogram_transforms.py",
    duty="Transforms of the kurtogram: a window to its lines, a band of lines to moments of its envelope.",
    imports=("from dsp.lanes.vector import broadcast, fused, load, splat, store",),
    transforms=(
        Transform(
            "tapered_4096", "8192 rows, scaled, times the taper, packed; levels: first, gain, bias.",
            (8, 8), (8, 8), "rows, taper, levels", read_tapered,
            before=("first, gain, bias = load(levels, 0), load(levels, 1), load(levels, 2)",),
        ),
        *_band_transforms(),
    ),
)  # fmt: skip

MODULES = (WINDOW_TRANSFORMS, PLAIN_TRANSFORMS, KURTOGRAM_TRANSFORMS)


def main(arguments: list[str]) -> int:
    stale = []
    for module in MODULES:
        path = ROOT / module.path
        text = text_of(module)
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(module.path)
        if arguments != ["--check"]:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {module.path}")
    if arguments == ["--check"] and stale:
        print(f"not what {COMMAND} writes: {', '.join(stale)}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
