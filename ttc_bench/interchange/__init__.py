"""Others' samples in, ours out: formats of other tools become pools, and runs become their logs."""
