"""Ways to spend, replayed over pools: when to stop, whom to ask, what more would bring, and which to choose."""
