"""What every answer tells the browser about itself.

NiceGUI 3 needs `eval` (its properties and handlers with a colon, Vue's templates) and inline styles. Its inline scripts
get a nonce by `prepare_pages`, so that a script which somebody smuggled into a page has none and does not run.
"""

from __future__ import annotations

import re
from typing import Any

import jinja2

NONCE = "{{ request.scope['syms'].nonce }}"
WATCH = '<script defer src="/access.js"></script>'
PERMISSIONS = "camera=(), microphone=(), geolocation=(), payment=(), usb=(), serial=(), midi=(), hid=()"
HSTS = "max-age=31536000"


def content_policy(nonce: str) -> str:
    """Content-Security-Policy of the console's pages."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' 'nonce-{nonce}' 'unsafe-eval'",
            "script-src-attr 'none'",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self'",
            "connect-src 'self'",
            "worker-src 'self' blob:",
            "manifest-src 'self'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


PLAIN_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""Of pages without scripts: signing in and the like."""


def of_answer(nonce: str, tls: bool) -> dict[str, str]:
    """Header -> value; what an answer says itself stays."""
    always = {
        "content-security-policy": content_policy(nonce),
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "same-origin",  # none at all would make browsers send `Origin: null` with our own forms
        "permissions-policy": PERMISSIONS,
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
    }
    return always | ({"strict-transport-security": HSTS} if tls else {})


def prepare_pages(pages: jinja2.Environment) -> None:
    """Have NiceGUI's own template give its scripts the nonce of the request (what data bring gets none), and watch
    over its session.
    """
    loader = pages.loader
    if loader is None:
        raise ValueError("these templates come from nowhere")

    def load(name: str) -> tuple[str, str | None, Any]:
        text, path, unchanged = loader.get_source(pages, name)
        text = text.replace("</head>", f"{WATCH}</head>")
        return re.sub(r"<script\b", f'<script nonce="{NONCE}"', text), path, unchanged

    pages.loader = jinja2.FunctionLoader(load)
    if pages.cache is not None:
        pages.cache.clear()
