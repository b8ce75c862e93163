"""From a table to a folder with a trained model and all that tells how good it is."""

from __future__ import annotations
