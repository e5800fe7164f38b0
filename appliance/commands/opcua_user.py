"""`stethos opcua-user`: gives a user of the OPC UA server a password.

The password is printed once and kept as a hash; a running appliance takes it at once. Needs write access to
the state folder.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from appliance.commands import EXIT_CONFIGURATION, EXIT_OK
from appliance.commands.service_owner import give_to_owner_of
from appliance.config_file import load_settings
from appliance.errors import Fatal
from appliance.publishers.opcua_users import LONGEST_NAME, LONGEST_PASSWORD, set_password
from appliance.wiring_opcua_server import FOLDER, USERS_FILE
from web.passwords import PasswordRefusedError, check_policy


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `opcua-user` to the command line."""
    parser = subparsers.add_parser(
        "opcua-user",
        help="give a user of the OPC UA server a password",
        description="Makes the user where there is none, and prints a new password once.",
    )
    parser.add_argument("--config", type=Path, required=True, metavar="FILE")
    parser.add_argument("--user", default="scada")
    parser.add_argument(
        "--password-stdin", action="store_true", help="take the password from standard input, print none"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Set the password of `options.user`."""
    settings = load_settings(options.config)
    user = str(options.user)
    if not 0 < len(user) <= LONGEST_NAME:
        print(f"a user's name has 1 to {LONGEST_NAME} characters", file=sys.stderr)
        return EXIT_CONFIGURATION
    given = sys.stdin.readline().rstrip("\r\n")[:LONGEST_PASSWORD] if options.password_stdin else None
    try:
        if given is not None:
            check_policy(user, "", given)
        path = settings.station.state_dir / FOLDER / USERS_FILE
        password = set_password(path, user, given)
        give_to_owner_of(settings.station.state_dir, path.parent, path)
    except PasswordRefusedError as error:
        print(str(error), file=sys.stderr)
        return EXIT_CONFIGURATION
    except OSError as error:
        raise Fatal(f"{settings.station.state_dir} cannot be written: {error.strerror}") from error
    except ValueError as error:
        raise Fatal(f"{error}; remove it to begin anew") from error
    shown = {} if given is not None else {"password": password}
    if options.json:
        print(json.dumps({"user": user, **shown}))
    else:
        print(f"user {user}, " + (f"password {password} (shown this once)" if shown else "password set"))
    return EXIT_OK
