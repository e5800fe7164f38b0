"""Whether processors of this kind may saturate when they multiply unsigned by signed bytes.

Duty: read what Linux says of the processor. x86 without VNNI adds two such products in 16 bits, which
overflow with 8-bit weights; ARM adds them in 32 bits.
"""

from __future__ import annotations

import platform
import re
from pathlib import Path

_VNNI = frozenset({"avx512_vnni", "avx_vnni", "avx10_1"})
_X86 = frozenset({"x86_64", "i686", "i386", "amd64"})


def safe_weight_bits(cpuinfo: str, machine: str) -> int:
    """8 where products of bytes cannot saturate, else 7; `cpuinfo` is the text of /proc/cpuinfo.

    Every processor listed must report VNNI; a text without flags reports nothing, and gives 7 on x86.
    """
    if machine.lower() not in _X86:
        return 8
    flags = [set(line.split()) for line in re.findall(r"^flags\s*:(.*)$", cpuinfo, re.MULTILINE)]
    return 8 if flags and all(_VNNI & own for own in flags) else 7


def bits_here() -> int:
    """`safe_weight_bits` of this machine."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    return safe_weight_bits(text, platform.machine())
