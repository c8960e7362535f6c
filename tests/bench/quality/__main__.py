"""`python -m tests.bench.quality`; everything is in runner.py, which child processes can import."""

from tests.bench.quality.runner import main

if __name__ == "__main__":
    main()
