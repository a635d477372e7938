"""What the README shows is what happens."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_its_python_runs_and_prints_what_it_says(tmp_path):
    """The blocks, one after another as a reader would type them; a comment behind a print says what it prints."""
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(blocks) >= 2
    script = tmp_path / "readme.py"
    script.write_text("\n".join(blocks), encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-W", "error", script],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    promised = [line for block in blocks for line in re.findall(r"^print\(.*\)  # (.*)$", block, re.MULTILINE)]
    assert promised
    assert run.stdout.splitlines() == promised


def test_the_files_it_names_exist():
    for line in re.findall(r"^\| (`.*?) \|", README, re.MULTILINE):
        folder = ""
        for name in re.findall(r"`([^`]+)`", line):
            if "/" in name:
                folder = name.rsplit("/", 1)[0]
            path = ROOT / (name if "/" in name else f"{folder}/{name}")
            assert path.exists(), path


def test_its_commands_are_those_that_are_checked():
    """Each command is one line; the check before a change lands runs the same programs."""
    commands = re.findall(r"```sh\n(.*?)\n```", README, re.DOTALL)
    assert len(commands) == 2
    assert all("\n" not in command for command in commands)
    checked = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "python examples/sequence_labeler.py" in commands[0]
    assert "python examples/sequence_labeler.py" in checked
    assert "python -m pytest" in commands[1]
    assert "python -m pytest" in checked
