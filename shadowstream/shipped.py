"""Files in the package: the schemas of shadowstream's topics and of the config."""

from pathlib import Path


def schema_dir() -> Path:
    """Return the folder of the schemas: the top of a checkout, or inside an installed package."""
    package = Path(__file__).parent
    checkout = package.parent / "schemas"
    return checkout if (checkout / "stats.avsc").is_file() else package / "_schemas"


def released() -> list[tuple[str, str]]:
    """Return name and text of every schema of every released version: ``schemas/released/<version>/<name>.avsc``."""
    paths = sorted((schema_dir() / "released").glob("*/*.avsc"))
    return [(path.stem, path.read_text(encoding="utf-8")) for path in paths]


def text(name: str) -> str:
    return (schema_dir() / name).read_text(encoding="utf-8")
