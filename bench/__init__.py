"""Ours and everybody else's, side by side: `python -m bench`, or `make bench`. See docs/benchmarks.md."""
