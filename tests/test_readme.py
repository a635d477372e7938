"""What the README shows is what happens."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def run_blocks(text, tmp_path):
    """Run the Python blocks of a page, one after another as a reader would type them; the blocks and the output."""
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    script = tmp_path / "page.py"
    script.write_text("\n".join(blocks), encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-W", "error", script],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
    )
    assert run.returncode == 0, run.stderr
    return blocks, run.stdout


def test_its_python_runs_and_prints_what_it_says(tmp_path):
    """A comment behind a print says what it prints, or a block of text right below."""
    blocks, printed = run_blocks(README, tmp_path)
    promised = []
    for block, below in re.findall(r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", README, re.DOTALL):
        promised += [*re.findall(r"^print\(.*\)  # (.*)$", block, re.MULTILINE), *below.splitlines()]
    assert len(blocks) >= 2
    assert len(promised) >= 2
    assert printed.splitlines() == promised


def test_the_guide_to_pictures_runs_and_prints_what_it_says(tmp_path):
    """A plain block stands below the Python that prints it; every file that is named there is written."""
    text = (ROOT / "docs" / "pictures.md").read_text(encoding="utf-8")
    blocks, printed = run_blocks(text, tmp_path)
    listings = re.findall(r"```\n\n```\n(.*?)```", text, re.DOTALL)
    assert len(listings) == 2
    for listing in listings:
        assert listing in printed
    written = {name for block in blocks for name in re.findall(r'write\("(.*?)"\)', block)}
    assert len(written) == 11
    assert {path.name for path in tmp_path.iterdir()} == written | {"page.py"}


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
