"""`make quality`: all methods on three logs, into build/quality.json. Start with `runner.py`."""
