"""The performance contract, measured: `make bench`. What is measured and why stands in docs/performance.md."""
