"""``python -m search``: the same as the ``dropattack`` command, with nothing installed but dependencies."""

from search.cli import main

if __name__ == "__main__":
    main()
