# SPDX-License-Identifier: GPL-3.0-or-later
"""Delivers notices: to every channel at the same time, each within its own seconds."""

from __future__ import annotations

import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from email.message import EmailMessage
from pathlib import Path

from .._http.client import OWN_FAULTS, Connection, HttpClient, HttpFault
from .._http.verdict import Verdict
from .._module import RollbackError
from .model import Channel, Delivery, Hook, Mail, Notice
from .plan import exposed, fallen_back, mail, request

ACCEPTED = range(200, 300)
GRACE = 0.5  # seconds in which a timeout may become a sentence of its own


class Undelivered(Exception):
    """A channel did not take the notice."""

    def __init__(self, verdict: Verdict, message: str) -> None:
        super().__init__(message)
        self.verdict = verdict
        self.message = message


def forget(_delivery: Delivery) -> None:
    """Tell nobody of a delivery."""


def deliver(notice: Notice, channels: Sequence[Channel], sent: Callable[[Delivery], None] = forget) -> list[Delivery]:
    """Send ``notice`` to all ``channels``; one that is down costs its own timeout and nobody else's.

    ``sent`` is told of every delivery as soon as it is made, one at a time; what it raises is raised in the end.
    """
    made: dict[str, Delivery] = {}
    telling, errors = threading.Lock(), list[RollbackError]()

    def one(channel: Channel) -> None:
        delivery = made[channel.name] = _deliver(notice, channel)
        if delivery.sent:
            with telling:
                try:
                    sent(delivery)
                except RollbackError as error:
                    errors.append(error)

    # Each step of a conversation has the timeout; a server that drags on with many slow steps is left behind.
    started = time.monotonic()
    threads = [threading.Thread(target=one, args=(channel,), daemon=True) for channel in channels]
    for thread in threads:
        thread.start()
    for thread, channel in zip(threads, channels, strict=True):
        thread.join(max(0.0, started + channel.timeout + GRACE - time.monotonic()))
    with telling:
        if errors:
            raise errors[0]
    return [made.get(channel.name) or _late(notice, channel) for channel in channels]


def _late(notice: Notice, channel: Channel) -> Delivery:
    way = channel.way
    where = f"{way.host}:{way.port}" if isinstance(way, Mail) else way.url.split("/")[2].rpartition("@")[2]
    message = f"{where}: not done within {channel.timeout:g} s; it may arrive yet"
    return Delivery(channel.name, channel.delivery(notice), Verdict.FAIL, message)


def _deliver(notice: Notice, channel: Channel) -> Delivery:
    insecurity = exposed(channel.way)
    try:
        if isinstance(channel.way, Mail):
            message, encrypted = _mail(notice, channel.way, channel.timeout)
            insecurity = insecurity or ("" if encrypted else fallen_back(channel.way))
        else:
            message = _post(notice, channel.way, channel.timeout)
    except Undelivered as error:
        return Delivery(channel.name, channel.delivery(notice), error.verdict, error.message, False, insecurity)
    return Delivery(channel.name, channel.delivery(notice), Verdict.PASS, message, True, insecurity)


def _post(notice: Notice, way: Hook, timeout: float) -> str:
    http = HttpClient(Connection(timeout=timeout, ca_path=way.ca_path), workers=1)
    # The path of a chat system's hook is the permission to write to it, so only the host is shown.
    host = way.url.split("/")[2].rpartition("@")[2]
    try:
        answer = http.send(request(notice, way))
    except HttpFault as fault:
        verdict = Verdict.ERROR if fault.kind in OWN_FAULTS else Verdict.FAIL
        raise Undelivered(verdict, f"{host}: {fault.reason}") from None
    if answer.status not in ACCEPTED:
        raise Undelivered(Verdict.FAIL, f"{host} did not take it: status {answer.status}")
    return f"{host} took it (status {answer.status})"


def _mail(notice: Notice, way: Mail, timeout: float) -> tuple[str, bool]:
    """Who took the notice, and whether it was encrypted on its way."""
    where = f"{way.host}:{way.port}"
    attached = {}
    try:
        attached = {path: Path(path).read_bytes() for path in way.attachments}
        message = mail(notice, way, attached, time.time())
    except OSError as error:
        raise Undelivered(Verdict.ERROR, f"attachment {error.filename} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise Undelivered(Verdict.ERROR, f"the message cannot be written: {error}") from None
    try:
        refused, encrypted = _send(message, way, timeout)
    except smtplib.SMTPAuthenticationError as error:
        raise Undelivered(Verdict.FAIL, f"{where} refused the login (code {error.smtp_code})") from None
    except smtplib.SMTPRecipientsRefused as error:
        raise Undelivered(Verdict.FAIL, f"{where} refused every recipient: {', '.join(error.recipients)}") from None
    except smtplib.SMTPResponseException as error:
        said = bytes(error.smtp_error).decode(errors="replace") if isinstance(error.smtp_error, bytes) else ""
        raise Undelivered(Verdict.FAIL, f"{where} refused it: {error.smtp_code} {said}".strip()) from None
    except smtplib.SMTPException as error:
        raise Undelivered(Verdict.FAIL, f"{where}: {error}") from None
    except ssl.SSLError as error:
        raise Undelivered(Verdict.ERROR, f"{where}: TLS failed: {error.reason or error}") from None
    except socket.gaierror:
        raise Undelivered(Verdict.ERROR, f"{where}: the host name does not resolve on this machine") from None
    except TimeoutError:
        raise Undelivered(Verdict.FAIL, f"{where}: no answer within {timeout:g} s") from None
    except OSError as error:
        raise Undelivered(Verdict.FAIL, f"{where}: {error.strerror or error}") from None
    if refused:
        raise Undelivered(Verdict.FAIL, f"{where} took it, but not for {', '.join(sorted(refused))}")
    return f"{where} took it for {', '.join((*way.to, *way.cc))}", encrypted


def _send(message: EmailMessage, way: Mail, timeout: float) -> tuple[dict[str, tuple[int, bytes]], bool]:
    """Hand ``message`` over; returns the recipients that were refused, and whether it was encrypted on its way."""
    context = ssl.create_default_context(cafile=way.ca_path)
    if way.secure == "always":
        server: smtplib.SMTP = smtplib.SMTP_SSL(way.host, way.port, timeout=timeout, context=context)
    else:
        server = smtplib.SMTP(way.host, way.port, timeout=timeout)
    with server:
        _secure(server, way, context)
        if way.username is not None:
            server.login(way.username, way.password or "")
        return server.send_message(message), isinstance(server.sock, ssl.SSLSocket)


def _secure(server: smtplib.SMTP, way: Mail, context: ssl.SSLContext) -> None:
    """Turn TLS on as ``way.secure`` says; a password never leaves unencrypted unless that was asked for."""
    server.ehlo()
    if way.secure == "starttls" or (way.secure == "try" and server.has_extn("starttls")):
        server.starttls(context=context)
        server.ehlo()
    elif way.secure == "try" and way.username is not None:
        raise smtplib.SMTPException("it offers no TLS, so the password is not sent; secure: never would send it")
