"""The commands of `stethos`, one file each.

A command's module has `add_parser(subparsers)`, which ends with `parser.set_defaults(run=run)`, and
`run(options) -> int`, the exit code. To add one, write its file and its line here.
"""

from __future__ import annotations

EXIT_OK = 0
EXIT_FAILED = 1  # it started, or tried to, and could not go on
EXIT_CONFIGURATION = 2  # the configuration or the arguments cannot be used

SAME_EVERYWHERE = frozenset({"evaluate"})  # what they print must not depend on the number of processors

COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("appliance.commands.run", "run the appliance with a configuration file"),
    "demo": ("appliance.commands.demo", "run an appliance beside a simulated machine and tell its story"),
    "drill": ("appliance.commands.drill", "break an appliance in every way, and count what that costs"),
    "check-config": ("appliance.commands.check_config", "say all that is wrong with a configuration file"),
    "password": ("appliance.commands.password", "give a user a new first password"),
    "opcua-user": ("appliance.commands.opcua_user", "give a user of the OPC UA server a password"),
    "replay": (
        "appliance.commands.replay",
        "run recordings through the same analysis and print what it says",
    ),
    "inspect": (
        "appliance.commands.inspect",
        "inspect the pictures of a folder: verdicts, defect pictures, alarms and counters",
    ),
    "analyse": (
        "appliance.commands.analyse",
        "levels, zone, spectra, fault evidence and sensor verdict of one recording",
    ),
    "explain": (
        "appliance.commands.explain",
        "why this verdict: evidence per fault, decoys, band, speed, limits and their age",
    ),
    "export": (
        "appliance.commands.export",
        "write trends as CSV or Parquet, a captured waveform, or convert a recording",
    ),
    "gaps": ("appliance.commands.gaps", "list the intervals without data: channel, span, cause, state"),
    "captures": ("appliance.commands.captures", "list the raw waveforms that were kept around alarms"),
    "webhook": (
        "appliance.commands.webhook",
        "test the receivers of alarms, list and resend what they did not take",
    ),
    "warm-up": ("appliance.commands.warm_up", "compile, or load ahead, all kernels of the analysis"),
    "central": (
        "appliance.commands.central",
        "check the way to the central InfluxDB, list what it refused, and send it again",
    ),
    "reconcile": (
        "appliance.commands.reconcile",
        "say whether this box and the central InfluxDB agree; print reconciliation reports",
    ),
    "resend": ("appliance.commands.resend", "have records of an interval sent to the centre once more"),
    "command": (
        "appliance.commands.command",
        "sign acknowledgements, shelvings and limit changes at the centre",
    ),
    "train": ("appliance.commands.train", "train a small network on healthy recordings, as a bundle"),
    "quantise": (
        "appliance.commands.quantise",
        "make int8 artefacts of a network for every runtime, compared with float32",
    ),
    "profile": (
        "appliance.commands.profile",
        "latency, throughput, memory and energy of a network in every runtime, and the best for a budget",
    ),
    "models": (
        "appliance.commands.models",
        "who scores live windows: status, switch, shadow, promote, roll back",
    ),
    "bundle": ("appliance.commands.bundle", "verify a model bundle: files, digests, golden outputs"),
    "evaluate": ("appliance.commands.evaluate", "judge detection on a folder of recordings with known truth"),
}
"""Name: (module, summary). Only the module of the wanted command is imported."""
