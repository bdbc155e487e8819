"""Write docs/API.md from the docstrings of the public names, and docs/CLI.md from the commands' help.

    python scripts/write_docs.py [--check]

With `--check` nothing is written, and the exit code is 1 when a page is not what would be written.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from documentation import api, cli

DOCS = Path(__file__).parent.parent / "docs"
PAGES = {"API.md": api.page, "CLI.md": cli.page}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--check", action="store_true", help="Only say whether the pages are up to date.")
    only_check = parser.parse_args().check
    stale = []
    for name, page in PAGES.items():
        path, text = DOCS / name, page()
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if not only_check:
            path.write_text(text, encoding="utf-8")
            print(f"docs/{name}: written")
    if only_check and stale:
        sys.exit(f"{', '.join(f'docs/{name}' for name in stale)}: not up to date; run `make docs`")


if __name__ == "__main__":
    main()
