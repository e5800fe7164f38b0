"""Targets: what could be turned against the box or its network is refused, in every disguise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import Rejected
from appliance.sinks.webhook_targets import check_address, parse_target

OWN = ("192.168.1.20", "fe80::1%eth0", "2001:db8::20")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://cmms.example/hook", "unencrypted"),
        ("file:///etc/passwd", "not an https"),
        ("ftp://cmms.example/hook", "not an https"),
        ("gopher://127.0.0.1:6379/_FLUSHALL", "not an https"),
        ("//cmms.example/hook", "not an https"),
        ("cmms.example/hook", "not an https"),
        ("", "not an https"),
        ("https://", "names no host"),
        ("https:///hook", "names no host"),
        ("https://user:pass@cmms.example/hook", "user name or password"),
        ("https://cmms.example@10.0.0.1/hook", "user name or password"),
        ("https://cmms.example:0/hook", "no usable port"),
        ("https://cmms.example:99999/hook", "not a URL"),
        ("https://cmms.example/ hook", "spaces"),
        ("https://cmms.example/\r\nX-Evil: 1", "control"),
        ("https://cmms.example/" + "a" * 3000, "longer than"),
    ],
)
def test_a_url_that_breaks_a_rule_is_refused(url: str, reason: str) -> None:
    with pytest.raises(Rejected, match=reason):
        parse_target(url)


THIS_BOX = ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::",
            "192.168.1.20", "::ffff:192.168.1.20", "2001:db8::20"]  # fmt: skip
LINK_LOCAL = ["169.254.0.1", "fe80::2", "fe80::2%eth0", "::ffff:169.254.3.4"]
METADATA = ["169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "fd00:ec2::254",
            "100.100.100.200"]  # fmt: skip
NOBODY = ["0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255", "240.1.2.3", "::ffff:0.0.0.0"]
FINE = ["10.1.2.3", "172.16.0.9", "192.168.1.21", "8.8.8.8", "fd12:3456::1", "2001:db8::21"]


@pytest.mark.parametrize("address", [*THIS_BOX, *LINK_LOCAL, *METADATA, *NOBODY])
def test_an_address_of_the_box_or_nobody_is_refused(address: str) -> None:
    with pytest.raises(Rejected, match=r"cmms\.example"):
        check_address(parse_target("https://cmms.example/"), address, OWN)


@pytest.mark.parametrize("address", FINE)
def test_addresses_of_a_plant_and_of_the_world_are_fine(address: str) -> None:
    check_address(parse_target("https://cmms.example/"), address, OWN)


@pytest.mark.parametrize("address", [*THIS_BOX, *LINK_LOCAL])
def test_what_is_local_can_be_allowed(address: str) -> None:
    check_address(parse_target("https://cmms.example/", allow_local=True), address, OWN)


@pytest.mark.parametrize("address", [*METADATA, *NOBODY])
def test_metadata_services_cannot_be_allowed(address: str) -> None:
    with pytest.raises(Rejected):
        check_address(parse_target("https://cmms.example/", allow_local=True), address, OWN)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost", "LOCALHOST.", "a.localhost", "0.0.0.0",
                                  "169.254.169.254", "[::ffff:7f00:1]",
                                  "127.1", "2130706433", "0177.0.0.1", "017700000001",
                                  "127.0.0.1.", "0"])  # fmt: skip
def test_a_url_that_names_the_box_is_refused_at_once(host: str) -> None:
    with pytest.raises(Rejected):
        parse_target(f"https://{host}/hook")


def test_http_and_local_can_be_allowed_and_the_path_is_not_shown() -> None:
    target = parse_target("http://127.0.0.1:8081/hook?token=abc", allow_http=True, allow_local=True)
    assert (target.host, target.port, target.shown) == ("127.0.0.1", 8081, "http://127.0.0.1:8081")


@given(st.text(max_size=60))
def test_no_text_gets_past_the_rules_or_breaks_them(text: str) -> None:
    for url in (text, f"https://{text}", f"https://cmms.example/{text}"):
        try:
            target = parse_target(url)
        except Rejected:
            continue
        assert target.scheme == "https"
        assert target.host
