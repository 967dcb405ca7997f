"""`python -m tests.monitoring` writes the files of helm/shadowstream/files anew."""

from pathlib import Path

import yaml

from tests.monitoring import dashboard, rules

FILES = Path(__file__).resolve().parents[2] / "helm" / "shadowstream" / "files"
HEAD = "# Made by `python -m tests.monitoring`; docs/operations.md has a section on each alert.\n"


def texts() -> dict[str, str]:
    """Return the content of each file by its name."""
    written = yaml.safe_dump(rules.groups(), sort_keys=False, width=10_000, allow_unicode=True)
    return {"rules.yaml": HEAD + written, "dashboard.json": dashboard.text()}


if __name__ == "__main__":
    FILES.mkdir(exist_ok=True)
    for name, text in texts().items():
        (FILES / name).write_text(text, "utf-8")
