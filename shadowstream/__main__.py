"""``python -m shadowstream``: the command line."""

from shadowstream.cli import main

if __name__ == "__main__":
    main()
