"""The structure: who may import whom, and what importing costs."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import videogn
from videogn.norms import NORMS

PACKAGE = Path(videogn.__file__).parent
# Part -> other parts of videogn that it may import. Data and models know of no other part. Training joins them, by
# data's datamodule and what that hands over. Studies compose runs of the command: of training they know what says what
# a run is asked and what came of it, and nothing that loads torch. Tools use the data, and nothing but their commands
# uses them. Only the commands join all parts.
ALLOWED = {
    "files": set(),
    "locks": set(),
    "norms": set(),
    "machine": set(),
    "page": set(),
    "drawing": {"norms"},
    "intervals": set(),
    "wording": set(),
    "models": {"code_version", "files", "machine", "norms"},
    "data": {"files", "machine"},
    "tools": {"data", "files", "machine", "models", "norms", "training", "wording"},
    "trained": {
        *("__init__", "data", "files", "models", "training"),
        *("norms", "page", "drawing", "intervals", "settings_file", "wording"),
    },
    "training": {"models", "data.batch", "data.datamodule", "files", "norms", "machine", "code_version"},
    "ablation": {
        *(
            "training.batch_sizes",
            "training.kinds",
            "training.metrics",
            "training.result",
            "training.schedule",
            "training.video_scores",
            "data.views.protocols",
        ),
        *("files", "locks", "norms", "page", "drawing", "intervals", "wording", "code_version", "settings_file"),
    },
    "code_version": set(),
    "settings_file": set(),
    "cli": {"commands.usage", "files"},
    "commands": {
        *("ablation", "data", "files", "locks", "machine", "models", "norms", "settings_file", "tools", "trained"),
        *("training", "wording"),
    },
    "__init__": {"data", "models", "trained", "training"},
    "__main__": {"cli"},
}

# The files that know norms by name, and which: a new norm touches the first two (and the file of its layer).
KNOW_NORMS = {
    "norms.py": set(NORMS),  # what each is
    "models/norm.py": set(NORMS),  # what builds each
    "models/weights/formats.py": {"gn", "bn"},  # files of other libraries hold one of these two
    "models/weights/read.py": {"gn", "bn"},  # likewise
    "commands/weights.py": {"gn", "bn"},  # the packaged configs that such a file is for
    "commands/models.py": {"gn"},  # the default, to be read
    "commands/bench_model.py": {"gn", "bn"},  # the default
    "tools/doctor/subject.py": {"gn"},  # what the paper compares, tried on a user's videos
    "tools/doctor/training.py": {"gn", "bn"},  # likewise
    "tools/bench/networks.py": {"gn", "bn"},  # what stands beside other libraries' networks
}
# A word that other settings have among their values: a file that holds it need not know norms.
WORDS = {"none"}


def imports(file: Path) -> set[str]:
    """Modules of videogn that a file imports anywhere in it, without the leading "videogn."."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
            assert node.level == 0, f"{file}: relative import"
        found |= {name.removeprefix("videogn.") for name in names if name.startswith("videogn.")}
    return found


def test_parts_import_only_what_they_may():
    for file in PACKAGE.rglob("*.py"):
        part = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for name in imports(file):
            inside = name == part or name.startswith(f"{part}.")
            may = any(name == allowed or name.startswith(f"{allowed}.") for allowed in ALLOWED[part])
            assert inside or may, f"{file.relative_to(PACKAGE)} imports videogn.{name}"


def quoted(file: Path) -> set[str]:
    """String constants of a file, but for defaults of arguments: a default is a choice, and says nothing of a norm."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    signatures = [node for node in ast.walk(tree) if isinstance(node, ast.arguments)]
    defaults = {id(node) for signature in signatures for node in (*signature.defaults, *signature.kw_defaults)}
    constants = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in defaults]
    return {node.value for node in constants if isinstance(node.value, str)}


def test_a_new_norm_touches_two_files_and_its_layer():
    found = {str(file.relative_to(PACKAGE).as_posix()): quoted(file) & set(NORMS) for file in PACKAGE.rglob("*.py")}
    knowing = {name: norms - WORDS for name, norms in found.items() if norms - WORDS}
    assert knowing == {name: norms - WORDS for name, norms in KNOW_NORMS.items()}


def loaded_by(words: list[str]) -> set[str]:
    """Heavy libraries that a command has loaded when it is done."""
    heavy = {"torch", "lightning", "av", "matplotlib", "torchvision", "pytorchvideo", "ray"}
    code = (
        "import sys, contextlib, io\nfrom videogn.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):\n"
        f"    with contextlib.suppress(SystemExit):\n        main({words!r})\n"
        f"print(' '.join({heavy!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_help_and_usage_errors_load_nothing_heavy():
    for words in (
        ["--help"],
        ["--version"],
        ["fly"],
        ["models", "--depth", "x"],
        ["ablate", "--help"],
        ["plan", "--help"],
        ["features", "--help"],
        ["export", "--help"],
        ["report", "--help"],
        ["gradcam", "--help"],
        ["ablate", "--config", "none.yaml"],
        ["ablate", "report", "none"],
        ["weights", "show"],
    ):
        assert loaded_by(words) == set(), words


def test_public_names_are_there():
    for name in videogn.__all__:
        assert getattr(videogn, name).__doc__


# First words of docstrings that end in "s" and are imperative all the same.
END_IN_S = {"Pass", "Process", "Express", "Compress"}


def sources():
    for file in sorted(PACKAGE.rglob("*.py")):
        yield file.relative_to(PACKAGE), ast.parse(file.read_text(encoding="utf-8"))


def test_a_functions_docstring_begins_with_what_it_does():
    """In the imperative, as in torchcodec and PEP 257; properties are called by what they are."""
    for file, tree in sources():
        for node in ast.walk(tree):
            words = ast.get_docstring(node) if isinstance(node, ast.FunctionDef | ast.ClassDef) else None
            if not words:
                continue
            first, where = words.split()[0], f"{file}:{node.lineno} {node.name}: {words.splitlines()[0]}"
            assert re.search(r"[.:]\)?(\s|$)", words.split("\n\n")[0]), where
            decorators = [ast.unparse(each) for each in getattr(node, "decorator_list", [])]
            if isinstance(node, ast.ClassDef) or {"property", "cached_property"} & set(decorators):
                continue
            assert re.fullmatch(r"[A-Z][a-z]+,?", first), where
            assert not first.endswith("s") or first in END_IN_S, where
            assert first not in {
                "A",
                "An",
                "All",
                "How",
                "It",
                "One",
                "That",
                "The",
                "What",
                "Where",
                "Which",
                "Why",
            }, where


def test_error_texts_end_without_a_full_stop():
    for file, tree in sources():
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)):
                continue
            for text in node.exc.args:
                last = text.values[-1] if isinstance(text, ast.JoinedStr) else text
                if isinstance(last, ast.Constant) and isinstance(last.value, str):
                    assert not re.search(r"(?<!\.)\.$", last.value), f"{file}:{node.lineno}: {last.value}"


def test_no_test_file_imports_another():
    for file in Path(__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tests"):
                assert ".test_" not in f".{node.module}", f"{file.name}: what tests share lies in a file of its own"
