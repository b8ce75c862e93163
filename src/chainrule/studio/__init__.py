"""The page in the browser: train a network, walk through one step of it, see what is wrong.

Whatever can be tested without a browser is in modules that know nothing of one: `state`,
`datasets`, `session`, `steps`, `proving`, `pictures`, `predictions`, `workspace`, `guard`. The
rooms (`train_room`, `step_room`, `diagnose_room`) and `page` put them on the screen.
"""
