"""What can be wrong between the appliance and its sensor: the port, a frame, or the caller.

Duty: names the culprit and what would be right. The appliance turns these into link states; nothing here
retries.
"""

from __future__ import annotations


class FirmwareBridgeError(Exception):
    """Base of this package's errors."""


class SessionMisuseError(FirmwareBridgeError):
    """The caller did what the session's present state does not allow (a mistake in our code)."""


class FrameError(FirmwareBridgeError):
    """The device (or noise) sent a frame that is not one of PROTOCOL.md."""


class PortError(FirmwareBridgeError):
    """The serial port cannot be used: which one, why, and what to do."""

    remedy = "see the system log (dmesg)"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason} ({self.remedy})")
        self.path = path
        self.reason = reason


class PortNotFoundError(PortError):
    """No such device file: unplugged, or another name."""

    remedy = "plug the sensor in, or name it as it stands in /dev/serial/by-id"


class PortBusyError(PortError):
    """Another process holds the port."""

    remedy = "stop the other program that has the port open (fuser -v PORT)"


class PortPermissionError(PortError):
    """This user may not open the port."""

    remedy = "add the service's user to the group that owns the device, usually dialout"


class PortUnusableError(PortError):
    """The path is not a serial port, or it cannot do the wanted speed."""

    remedy = "name a serial device and a speed that it supports"


class PortGoneError(PortError):
    """The port vanished while open: unplugged, or the adapter reset itself."""

    remedy = "check plug and cable; the port is opened again by its name"


class PortReaderError(PortError):
    """The reader process ended or did not start; the port itself may be well."""

    remedy = "open the port again; if it repeats, see memory and process limits"


class StreamLostError(FirmwareBridgeError):
    """A SAMPLES frame that cannot belong to the stream it arrived in: the device must be identified again."""


class RateExceededError(FirmwareBridgeError):
    """The device sends much more than it announced."""
