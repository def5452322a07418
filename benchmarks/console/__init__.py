"""The console in a real browser: its pages looked at, and a week's review worked through."""
