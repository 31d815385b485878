"""The direction of imports: parlour -> runtime -> actors -> storage, never up."""

import ast
from collections.abc import Iterator
from importlib.util import resolve_name
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = {  # lower layers know nothing of higher ones
    "parlour.storage": 0,
    "parlour.actors": 1,
    "parlour.runtime": 2,
    "parlour.testing": 3,
    "parlour": 3,
}
SOURCES = sorted(
    path for layer in LAYERS for path in (ROOT / layer.rpartition(".")[2]).rglob("*.py")
)


def layer_of(module: str) -> str:
    """The layer that a module's dotted name lies in."""
    first_two = ".".join(module.split(".")[:2])
    return first_two if first_two in LAYERS else "parlour"


def imports(tree: ast.AST, package: str) -> Iterator[tuple[str, bool]]:
    """The absolute name of everything imported, and whether the import was a relative one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, False) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = resolve_name("." * node.level + (node.module or ""), package)
            # `from . import x` may name a module: `from .. import storage` crosses a layer too.
            yield from ((f"{source}.{alias.name}", node.level > 0) for alias in node.names)


def complaints(source: str, package: str) -> list[str]:
    """What is wrong with the imports of a module of `package`, a sentence each."""
    found = []
    for name, relative in imports(ast.parse(source), package):
        if name.split(".")[0] != "parlour":
            continue
        if not relative:
            found.append(f"`{name}` is imported by its full name; inside Parlour write it relative")
        if LAYERS[layer_of(name)] > LAYERS[layer_of(package)]:
            found.append(f"`{package}` imports `{name}`, which lies above it")
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path: Path) -> None:
    """No module imports a layer above its own, and layers are crossed by relative imports."""
    folder = ".".join(path.parent.relative_to(ROOT).parts)
    package = folder if folder.startswith("parlour") else f"parlour.{folder}"

    assert complaints(path.read_text(), package) == []


@pytest.mark.parametrize(
    ("package", "line"),
    [
        ("parlour.storage", "from ..actors.room import Room"),
        ("parlour.storage", "from .. import Room"),
        ("parlour.actors", "from .. import runtime"),
        ("parlour.actors", "def late():\n    from ..runtime import gateway"),
        ("parlour.runtime", "from parlour.storage import Storage"),
        ("parlour.runtime", "import parlour.storage"),
    ],
)
def test_an_import_the_wrong_way_is_found(package: str, line: str) -> None:
    """The test above can fail: an arrow turned round, also inside a function, is a complaint."""
    assert complaints(line, package)


@pytest.mark.parametrize(
    ("package", "line"),
    [
        ("parlour", "from .runtime.dev import run"),
        ("parlour.runtime", "from ..actors.room import Room"),
        ("parlour.actors", "from ..storage import Storage"),
        ("parlour.storage", "from .errors import StorageError"),
    ],
)
def test_an_import_downwards_is_allowed(package: str, line: str) -> None:
    """The layers may use what lies below them and beside them."""
    assert complaints(line, package) == []


def test_storage_knows_neither_ray_nor_http() -> None:
    """The bottom layer stands without the engine and without a web server."""
    for path in (ROOT / "storage").rglob("*.py"):
        names = [name for name, _ in imports(ast.parse(path.read_text()), "parlour.storage")]

        assert {name.split(".")[0] for name in names}.isdisjoint({"ray", "aiohttp"}), path
