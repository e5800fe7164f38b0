"""`stethos password`: gives a user a new first password, for whoever has forgotten theirs.

Needs write access to the state folder: who may do that could read everything anyway. Everyone who was signed
in as that user is signed out.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from appliance.commands import EXIT_OK
from appliance.commands.service_owner import give_to_owner_of
from appliance.config_file import load_settings
from appliance.errors import Fatal
from web.auth import FIRST_USER, AuthStore


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `password` to the command line."""
    parser = subparsers.add_parser(
        "password",
        help="give a user a new first password",
        description="Prints a new password once; it must be changed at the next sign-in. Stop the appliance "
        "first: a running one would write its own list of users over the new one.",
    )
    parser.add_argument("--config", type=Path, required=True, metavar="FILE")
    parser.add_argument("--user", default=FIRST_USER)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Reset the password of `options.user`."""
    settings = load_settings(options.config)
    try:
        path = settings.station.state_dir / "accounts.json"
        auth = AuthStore.open(path)
        try:
            if auth.users and options.user not in auth.users:
                raise Fatal(f"there is no user {options.user!r}; users are: {', '.join(auth.users)}")
            password = auth.reset_password(options.user)
        finally:
            auth.close()
        give_to_owner_of(settings.station.state_dir, path)
    except OSError as error:
        raise Fatal(f"{settings.station.state_dir} cannot be written: {error.strerror}") from error
    if options.json:
        print(json.dumps({"user": options.user, "password": password}))
    else:
        print(f"user {options.user}, password {password} (to be changed at the next sign-in)")
    return EXIT_OK
