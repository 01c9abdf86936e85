"""``python -m ovr_digits``, the same as the command ``ovr-digits``."""

import sys

from ovr_digits.errors import INTERRUPTED


def main() -> None:
    """Run the command line, of which nothing is imported yet."""
    try:
        from ovr_digits.cli import main as run

        run(prog_name="ovr-digits")
    except OSError as error:
        from ovr_digits.cli.ending import fail_for

        fail_for(error)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(f"ovr-digits: {INTERRUPTED}")


if __name__ == "__main__":
    main()
