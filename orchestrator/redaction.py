"""Takes out of a text what must not be published with a report (pure).

Access tokens, credentials and user names in URLs, home directories, and addresses: private ones
wherever they stand, public ones where they are somebody's machine and not a version number. It
errs on the side of taking too much: "10.3.9.90" may have been the version of a library. Who writes
a page for colleagues may keep the places, addresses and home directories, but never the secrets.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from contextvars import ContextVar
from typing import Final, TypeAlias

_Replacement: TypeAlias = str | Callable[[re.Match[str]], str]

ADDRESS: Final = "(address)"

# Carrier-grade NAT, RFC 6598: what overlay networks such as Tailscale hand out.
_SHARED: Final = ipaddress.ip_network("100.64.0.0/10")
_SHORTEST: Final = 6  # characters of the shortest secret, "/root/" among them


def _private_address(match: re.Match[str]) -> str:
    """The match without its address, if it is one that only its owner's network knows."""
    text = match[0]
    try:
        address = ipaddress.ip_address(text.split("%")[0])
    except ValueError:
        return text
    if address.is_loopback or address.is_unspecified:
        return text
    shared = address.version == 4 and address in _SHARED
    return ADDRESS if address.is_private or address.is_link_local or shared else text


# From the start of a word alone: searched for from each of its letters, a long word takes the
# square of its length, and a host may send one of megabytes. Whatever else may start inside of
# what it has to look through has a bound for that.
_START: Final = r"(?<![\w-])"
_NAME: Final = r"[\w-]*(?:token|secret|api[_-]?key|access[_-]?key|signature)[\"']?"
_VALUE: Final = r"[^\s\"'&,;]{6,}"
_Patterns: TypeAlias = tuple[tuple[re.Pattern[str], _Replacement], ...]


def _compiled(*patterns: tuple[str, _Replacement]) -> _Patterns:
    return tuple((re.compile(pattern), replacement) for pattern, replacement in patterns)


_SECRETS: Final = _compiled(
    # Tokens that name their issuer: Hugging Face, GitHub, GitLab, npm, PyPI and Slack; OpenAI;
    # AWS and Google; JSON web tokens.
    (
        r"\b(hf|gh[oprsu]|github_pat|glpat|npm|pypi|xox[abprs])([_-])[A-Za-z0-9_-]{10,}",
        r"\1\2…",
    ),
    (r"\bsk-[A-Za-z0-9_-]{16,}", "sk-…"),
    (r"\b(AKIA|ASIA|AIza)[A-Za-z0-9_-]{12,}", r"\1…"),
    (r"\beyJ[A-Za-z0-9_-]{8,2000}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?", "eyJ…"),
    # Tokens that are named: TOKEN=…, "password": "…", Authorization: Bearer ….
    (r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}", r"\1 …"),
    (r"(?i)(passw(?:or)?d[\"']?\s*[=:]\s*[\"']?)[^\s\"'&,;]{4,}", r"\1…"),
    (rf"(?i)({_START}{_NAME}\s*=\s*[\"']?|{_START}--{_NAME}\s+){_VALUE}", r"\1…"),
    (rf"(?i)({_START}{_NAME}\s*:\s*[\"']?)(?=[^\s\"'&,;]{{0,200}}\d){_VALUE}", r"\1…"),
    # Keys as a block, up to its end or the text's.
    (r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*-----|\Z)", "(private key)"),
    # User names and passwords in URLs.
    (r"://[^/\s]+@", "://…@"),
)
_PLACES: Final = _compiled(
    # Machines that a URL or a login names by address.
    (
        r"(?i)(\bhost |\bssh )(?!127\.|::1)(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-f]*:[0-9a-f:]+)",
        rf"\1{ADDRESS}",
    ),
    (r"(?<=[/@])(?!127\.)\d{1,3}(?:\.\d{1,3}){3}(?![\w.])", ADDRESS),
    (r"(?<![\d.])(?!127\.)\d{1,3}(?:\.\d{1,3}){3}(?=:\d)", ADDRESS),
    (r"(?<=[/@]\[)[0-9A-Fa-f:]{3,}(?:%[\w.]+)?(?=\])", ADDRESS),
    (r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?!\w|\.\d)", _private_address),
    (
        r"(?i)(?<![\w:])(?:f[cd][0-9a-f]{2}|fe[89ab][0-9a-f])(?::[0-9a-f]{0,4}){2,7}(?:%\w+)?",
        _private_address,
    ),
    # Home directories, with the user's name in them.
    (r"(?<![\w.])/(?:var/)?(?:home|Users)/[^/\s\"':,;)]+|/root(?=/)", "~"),
    (r"(?i)\b[a-z]:\\+users\\+[^\\\s\"']+", "~"),
)
# One look tells that a text has nothing to take out, as nearly all have. In small letters: a
# pattern that ignores case takes three times as long.
_SUSPECT: Final = re.compile(
    r"(?:hf|gh[oprsu]|pat|npm|pypi|xox[abprs]|sk)[_-]|eyj|akia|asia|aiza|bearer|basic|token"
    r"|passw|secret|key|signature|host |ssh |://|@|/(?:home|users|root)/|users\\|:[0-9a-f:]|(?:\.\d+){3}"
)


_KEEPING_PLACES: Final = ContextVar("keeping_places", default=False)


def keep_places(keep: bool) -> None:
    """From now on leave addresses and home directories where they are, or do not."""
    _KEEPING_PLACES.set(keep)


def keeps_places() -> bool:
    """Whether addresses and home directories stay where they are."""
    return _KEEPING_PLACES.get()


def redact(text: str, keeps_places: bool) -> str:
    """The text without what its owner would not publish; nearly always the text itself."""
    if len(text) < _SHORTEST or not _SUSPECT.search(_small(text)):
        return text
    for pattern, replacement in _SECRETS if keeps_places else (*_SECRETS, *_PLACES):
        text = pattern.sub(replacement, text)
    return text


def _small(text: str) -> str:
    """All letters small that a pattern ignoring case takes for one of these."""
    if not text.isascii():
        text = text.replace("\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}", "i")
        text = text.replace("\N{LATIN SMALL LETTER DOTLESS I}", "i")
    return text.casefold()
