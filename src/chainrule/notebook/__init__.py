"""What notebooks show of our objects: small, self-contained HTML that needs no network.

Colours are those of the page: text and outlines take its ``currentColor``, and what has a colour
of its own is readable on light and on dark.
"""

from __future__ import annotations
