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


WINDOW_TRANSFORMS = Module(
    path="dsp/lanes/window_transforms.py",
    duty="Transforms of the window features, with their reading and writing fused in.",
    imports=(),
    transforms=(
        Transform(
            "transform_2048", "2048 complex rows of `source`, in order, to `output`.", (8, 4), (8, 8),
            "source, output", writer=write_in_order,
        ),
        Transform(
            "transform_4096", "4096 complex rows of `source`, in order, to `output`.", (8, 8), (8, 8),
            "source, output", writer=write_in_order,
        ),
    ),
)  # fmt: skip

MODULES = (WINDOW_TRANSFORMS,)


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
