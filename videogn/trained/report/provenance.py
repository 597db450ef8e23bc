"""What a run was made from, and the commands that make it again."""

from __future__ import annotations

import shlex
from pathlib import Path

from videogn.trained.report.gather import Gathered
from videogn.wording import counted


def provenance_facts(gathered: Gathered) -> list[tuple[str, str]]:
    """Return what the run was made from: terms, and what stands behind them."""
    result = gathered.result
    facts = [("folder", str(gathered.folder)), ("settings", str(gathered.folder / "config.yaml"))]
    facts.append(("started from", _start(gathered)))
    seed = gathered.settings.get("seed_everything") if result is None or result.seed is None else result.seed
    facts.append(("seed", str(seed)))
    data = gathered.settings["data"]
    tested = (result.test_list if result is not None else None) or {}
    facts.append(("videos below", str(tested.get("root") or data.get("root"))))
    if result is None:
        return facts
    if tested.get("list"):
        facts.append(("list of the test", tested["list"]))
    facts.append(("fingerprint of the test data", result.dataset_fingerprint or "-"))
    facts.append(("fingerprint of the training data", result.train_fingerprint or "-"))
    if result.extras:
        facts.append(("beyond the paper's run", ", ".join(f"{name} {value}" for name, value in result.extras.items())))
    if len(result.parts) > 1:
        firsts = ", ".join(str(part.get("first_step", "-")) for part in result.parts)
        facts.append(("trained in", f"{counted(len(result.parts), 'part')}, from updates {firsts}"))
    if code := [f"{stage} {version}" for stage, version in result.code.items() if version]:
        facts.append(("code", ", ".join(code)))
    if result.versions:
        facts.append(("versions", ", ".join(f"{name} {version}" for name, version in result.versions.items())))
    return facts


def commands(gathered: Gathered) -> list[str]:
    """Return the commands that train the run again (in another folder), test it, and draw its page."""
    folder = gathered.folder
    again = folder.with_name(f"{folder.resolve().name}_again")
    fit = ["videogn", "fit", "--config", str(folder / "config.yaml"), "--run_dir", str(again)]
    return [shlex.join(fit), test_command(gathered), shlex.join(["videogn", "report", str(folder)])]


def test_command(gathered: Gathered) -> str:
    """Return the command that tests the run as it was tested."""
    result, data = gathered.result, gathered.settings["data"]
    words: list[str] = ["videogn", "test", "--run_dir", str(gathered.folder)]
    if result is None:
        return shlex.join(words)
    name = Path(result.checkpoint or "last.ckpt").name
    if name != "last.ckpt":
        words += ["--ckpt_path", "best" if name == "best.ckpt" else str(result.checkpoint)]
    used = {"protocol": result.protocol, "clip_policy": result.clip_policy}
    tested = result.test_list or {}
    used |= {"root": tested.get("root"), "test_list": tested.get("list")}
    if data.get("test_list") is None and used["root"] == data.get("root"):
        del used["test_list"]  # the one that the root has
    for setting, value in used.items():
        if value is not None and setting in data and value != data[setting]:
            words += [f"--data.{setting}", value]
    return shlex.join(words)


def _start(gathered: Gathered) -> str:
    result = gathered.result
    weights = gathered.setting("model", "weights")
    if result is not None and result.weights_file:
        return f"{result.weights_file}, SHA-256 {(result.weights_sha256 or '-')[:16]}"
    return str(weights) if weights else "scratch"
