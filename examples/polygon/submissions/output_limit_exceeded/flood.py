"""Forgets to end its loop."""

while True:
    print("0.0 " * 256)
