"""Write the dashboards, or with ``--check`` say which committed files are out of date."""

import argparse
import sys

from deploy.grafana.build import FOLDER, render_all, stale


def main() -> int:
    """Run; exit code 1 when ``--check`` finds a difference."""
    parser = argparse.ArgumentParser(prog="python -m deploy.grafana", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only, write nothing")
    if parser.parse_args().check:
        names = stale()
        for name in names:
            sys.stderr.write(f"{name} differs: run python -m deploy.grafana\n")
        return 1 if names else 0
    FOLDER.mkdir(exist_ok=True)
    for name, text in render_all().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
        sys.stdout.write(f"{FOLDER / name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
