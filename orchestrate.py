"""Measure vision models eager against torch.compile:  python orchestrate.py --help"""

import sys

INSTALL = """\
{module} is missing from this Python ({python}).
To try it in minutes:     make demo
To install it here:       python -m pip install -e ".[local]"
Only to plan and render:  python -m pip install -e .
With make, it is installed already in .venv:  .venv/bin/python orchestrate.py"""


def main() -> None:
    """Start the command line, or say what is missing. Written so that old Pythons can read it."""
    if sys.version_info < (3, 11):  # noqa: UP036
        sys.exit("Python 3.11 or newer is needed; this is {}.{}.".format(*sys.version_info))
    try:
        from orchestrator.cli.cli import main as run
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] in ("orchestrator", "harness"):
            raise
        print(INSTALL.format(module=error.name, python=sys.executable), file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
