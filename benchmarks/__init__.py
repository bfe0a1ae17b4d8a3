"""This project beside its peers, in one run: `python -m benchmarks SUITE`, from the root of a clone."""
