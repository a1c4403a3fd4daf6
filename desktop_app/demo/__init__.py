"""The demo and the scoreboard, without a window."""
