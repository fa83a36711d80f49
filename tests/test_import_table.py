"""The import table of docs/architecture.md, kept true by reading every import in the package."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "aisle"
FILES = sorted(PACKAGE.rglob("*.py"))
TORCH_ALLOWED = {"models", "train", "experiment", "export"}
STDLIB_ONLY = {"environment", "doctor"}
NUMPY_ONLY = {"features", "recommend"}
# text: a sparse decomposition, while training; serving needs only the vectors. interactions: the input of sparse models
SCIPY_TOO = {"features/interactions.py", "features/text.py"}


def table() -> dict[str, set[str]]:
    """Read `| folder, folder | what | may import |` rows from the architecture page."""
    allowed: dict[str, set[str]] = {}
    for line in (ROOT / "docs" / "architecture.md").read_text().splitlines():
        if match := re.fullmatch(r"\| `([a-z_`, ]+)` \| .* \| (.*) \|", line):
            folders = re.split(r"[`, ]+", match[1])
            imports = set(re.findall(r"`([a-z_]+)`", match[2]))
            allowed.update(dict.fromkeys(folders, imports))
    return allowed


def imports(file: Path) -> set[str]:
    """Return every module a file imports, wherever in the file the import stands."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def folder_of(file: Path) -> str:
    parts = file.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else ""


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_file_imports_only_what_the_table_allows(file: Path) -> None:
    folder = folder_of(file)
    if folder in ("", "cli"):
        return
    ours = {name.split(".")[1] for name in imports(file) if name.startswith("aisle.")}
    assert ours <= table()[folder] | {folder, "errors", "__version__"}, f"{file} reaches outside its row of docs/architecture.md"


def test_the_table_has_a_row_for_every_folder_and_no_cycle() -> None:
    allowed = table()
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert set(allowed) == folders
    done: set[str] = set()
    while ready := {folder for folder in folders - done if allowed[folder] - {folder} <= done}:
        done |= ready
    assert done == folders, f"these import each other in a circle: {sorted(folders - done)}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_heavy_packages_stay_where_they_belong(file: Path) -> None:
    folder = folder_of(file)
    outside = {name.split(".")[0] for name in imports(file)} - set(sys.stdlib_module_names) - {"aisle"}
    if folder in STDLIB_ONLY:
        assert not outside
    if folder in NUMPY_ONLY:
        assert outside <= ({"numpy", "scipy"} if str(file.relative_to(PACKAGE)) in SCIPY_TOO else {"numpy"})
    if folder not in TORCH_ALLOWED:
        assert "torch" not in outside


def run_without_torch(code: str, folder: Path) -> str:
    """Run code where `import torch` fails, as with a broken installation: a torch that raises stands first on the path."""
    broken = folder / "broken" / "torch"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('torch is blocked')")
    environment = {**os.environ, "PYTHONPATH": str(broken.parent)}
    command = [sys.executable, "-c", "import sys\n" + code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_blocking_torch_really_blocks_it(tmp_path: Path) -> None:
    run_without_torch("try:\n    import torch\nexcept ImportError:\n    sys.exit(0)\nsys.exit(1)", tmp_path)


def test_everything_but_training_imports_without_torch(tmp_path: Path) -> None:
    modules = [
        ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
        for file in FILES
        if folder_of(file) not in {"train", "experiment", "models", "export", "cli"}
    ]
    run_without_torch("import importlib\nfor name in " + repr(modules) + ":\n    importlib.import_module(name)", tmp_path)


@pytest.mark.parametrize("arguments", [["--help"], ["prepare", "--help"], ["simulate", "--help"], ["--version"]])
def test_the_command_answers_without_torch(arguments: list[str], tmp_path: Path) -> None:
    output = run_without_torch(
        f"sys.argv = ['aisle', *{arguments!r}]\nfrom aisle.cli.main import main\nsys.exit(main())", tmp_path
    )
    assert "aisle" in output


def test_simulate_and_prepare_work_without_torch(tmp_path: Path) -> None:
    code = """
from aisle.cli.main import main
sys.argv = ["aisle", "simulate", "--users", "50", "--items", "40", "--events", "800", "--seed", "1", "--out", "shop"]
assert not main()
sys.argv = ["aisle", "prepare", "shop/events.parquet", "--items", "shop/items.parquet", "--out", "dataset"]
assert not main()
"""
    run_without_torch(code, tmp_path)
    assert (tmp_path / "dataset" / "manifest.json").exists()
