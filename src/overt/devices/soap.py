"""SOAP 1.2 as ONVIF uses it: requests as text, answers of strangers as bounded trees, and WS-UsernameToken.

Answers come from devices that may be broken or hostile: no document types, no entities, bounded in size, depth and
number of elements. Elements are found by their local names, since makers disagree about namespaces.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final
from xml.etree import ElementTree as ET

from defusedxml import ElementTree as DefusedTree
from defusedxml.common import DefusedXmlException

from overt.errors import ForbiddenError, InvalidError, OvertError, UnavailableError
from overt.media.rtsp.auth import Credentials

MAX_ANSWER: Final = 1024 * 1024
MAX_DEPTH: Final = 64
MAX_ELEMENTS: Final = 20_000
MAX_TEXT: Final = 200
"""Characters of a name, model or reason that are taken over from a device."""
NONCE_SIZE: Final = 16
ENVELOPE: Final = "http://www.w3.org/2003/05/soap-envelope"
_SECURITY: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
_UTILITY: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
_PROFILE: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordDigest"
_BASE64: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary"
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]+")
"""Control characters, and those that would turn a line of text around."""
_REFUSALS: Final = ("notauthorized", "failedauthentication", "senderauthentication", "not authorized", "unauthorized")
_UNKNOWN: Final = ("actionnotsupported", "unknownaction", "notsupported", "optionalaction", "not implemented")


class NotAnsweredError(UnavailableError):
    """The device does not know this question."""


def question(namespace: str, name: str, fields: Mapping[str, object] | None = None) -> ET.Element:
    """Return the element that asks; `fields` are its children: text, or the fields of a child.

    A key may carry a namespace of its own: `{http://...}Name`.
    """
    asked = ET.Element(f"{{{namespace}}}{name}")
    _fill(asked, namespace, fields or {})
    return asked


def _fill(parent: ET.Element, namespace: str, fields: Mapping[str, object]) -> None:
    for name, value in fields.items():
        child = ET.SubElement(parent, name if name.startswith("{") else f"{{{namespace}}}{name}")
        if isinstance(value, Mapping):
            _fill(child, namespace, value)
        else:
            child.text = str(value)


def envelope(asked: ET.Element, credentials: Credentials | None, at: datetime) -> bytes:
    """Return the request: `asked`, with a token that proves knowledge of the password at the device's time `at`."""
    root = ET.Element(f"{{{ENVELOPE}}}Envelope")
    if credentials is not None:
        header = ET.SubElement(root, f"{{{ENVELOPE}}}Header")
        _sign(ET.SubElement(header, f"{{{_SECURITY}}}Security"), credentials, at)
    ET.SubElement(root, f"{{{ENVELOPE}}}Body").append(asked)
    written: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def _sign(security: ET.Element, credentials: Credentials, at: datetime) -> None:
    """Add a UsernameToken with a password digest (WSS UsernameToken Profile 1.0 §3.1; ONVIF Core §5.9.4)."""
    security.set(f"{{{ENVELOPE}}}mustUnderstand", "1")
    token = ET.SubElement(security, f"{{{_SECURITY}}}UsernameToken")
    nonce, created = os.urandom(NONCE_SIZE), at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
    # The profile knows SHA-1 alone.
    digest = hashlib.sha1(nonce + created.encode() + credentials.password.encode(), usedforsecurity=False).digest()
    ET.SubElement(token, f"{{{_SECURITY}}}Username").text = credentials.username
    password = ET.SubElement(token, f"{{{_SECURITY}}}Password", {"Type": _PROFILE})
    password.text = base64.b64encode(digest).decode()
    shown = ET.SubElement(token, f"{{{_SECURITY}}}Nonce", {"EncodingType": _BASE64})
    shown.text = base64.b64encode(nonce).decode()
    ET.SubElement(token, f"{{{_UTILITY}}}Created").text = created


class _Bounded(ET.TreeBuilder):
    """Builds a tree, up to a depth and a number of elements."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = self._elements = 0

    def start(self, tag: str, attrs: dict[str, str], /) -> ET.Element:
        """Refuse excess before it is built."""
        self._depth += 1
        self._elements += 1
        if self._depth > MAX_DEPTH or self._elements > MAX_ELEMENTS:
            msg = f"the answer has more than {MAX_ELEMENTS} elements, or is nested deeper than {MAX_DEPTH}"
            raise InvalidError(msg)
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> ET.Element:
        """Count up again."""
        self._depth -= 1
        return super().end(tag)


def answer(data: bytes, name: str) -> ET.Element:
    """Return the element of an answer's body that is called `name`.

    Raises:
        InvalidError: it is no SOAP, or no answer to this question, or tries what no answer needs.
        ForbiddenError: a fault that says that the user may not ask this.
        NotAnsweredError: a fault that says that the device does not know the question.
        UnavailableError: another fault.
    """
    if len(data) > MAX_ANSWER:
        msg = f"the answer is longer than {MAX_ANSWER} bytes"
        raise InvalidError(msg)
    parser = DefusedTree.XMLParser(target=_Bounded(), forbid_dtd=True, forbid_entities=True, forbid_external=True)
    try:
        parser.feed(data)
        root: ET.Element = parser.close()
    except DefusedXmlException as error:
        msg = "the answer declares a document type or entities, which no ONVIF answer does: it is not read"
        raise InvalidError(msg) from error
    except (ET.ParseError, ValueError, LookupError, AssertionError) as error:
        msg = f"the answer is no XML: {clean(str(error))}"
        raise InvalidError(msg) from error
    body = None if local(root) != "Envelope" else child(root, "Body")
    if body is None:
        msg = f"the answer is no SOAP envelope but <{clean(local(root))}>"
        raise InvalidError(msg)
    fault = child(body, "Fault")
    if fault is not None:
        raise _refusal(fault)
    found = child(body, name)
    if found is None:
        msg = f"the answer does not hold <{name}>"
        raise InvalidError(msg)
    return found


def _refusal(fault: ET.Element) -> OvertError:
    """Return the error that a SOAP fault stands for (1.2, and 1.1 as some makers send it)."""
    codes = " ".join(each.text or "" for each in fault.iter() if local(each) in {"Value", "faultcode"})
    reason = " ".join(each.text or "" for each in fault.iter() if local(each) in {"Text", "faultstring"})
    told = f"{codes} {reason}".lower()
    words = clean(reason) or clean(codes) or "no reason is given"
    if any(each in told for each in _REFUSALS):
        return ForbiddenError(f"the device refuses the user name or password for ONVIF ({words})")
    if any(each in told for each in _UNKNOWN):
        return NotAnsweredError(f"the device does not know the question ({words})")
    return UnavailableError(f"the device answers with a fault: {words}")


def local(element: ET.Element) -> str:
    """Return an element's name without its namespace."""
    return element.tag.rpartition("}")[2]


def child(parent: ET.Element, *path: str) -> ET.Element | None:
    """Return the first child of a child ... by local names, or None."""
    found: ET.Element | None = parent
    for name in path:
        found = next((each for each in found if local(each) == name), None) if found is not None else None
    return found


def text(parent: ET.Element, *path: str) -> str:
    """Return the text of the first child of a child ..., made fit to be shown; empty if there is none."""
    found = child(parent, *path)
    return "" if found is None else clean(found.text or "")


def whole(value: str | None, most: int = 1_000_000) -> int | None:
    """Return a whole number (of a fraction, the nearest) from 0 to `most`; None if it is none."""
    if value is None or not re.fullmatch(r"\s*\d{1,9}(?:\.\d{1,9})?\s*", value, re.ASCII):
        return None
    number = round(float(value))
    return number if number <= most else None


def clean(value: str) -> str:
    """Return text of a device as one line without control characters, cut to `MAX_TEXT`."""
    shown = " ".join(_CONTROL.sub(" ", value[: 4 * MAX_TEXT]).split())
    return shown[:MAX_TEXT]
