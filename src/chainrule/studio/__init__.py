"""The page in the browser: train a network, walk through one step of it, see what is wrong."""

from __future__ import annotations

# later

