"""How fast chainrule is, beside its peers, on this machine: ``chainrule bench``.

A machine's speed drifts and others use it too, so no time stands alone: every figure is taken
beside those of the peers in one run, each peer in a process of its own, pinned to the same
cores, taking turns. A result is the median of the rounds, a ratio that of two measurements of
one round.

``experiments`` say what is measured, ``peers`` how each library does it, ``harness`` starts the
processes and takes turns, ``child`` is what runs in them.
"""
