"""Which program a command means."""

import sys

import pytest

from delivery.adapters.platform_local.runtimes import ProgramMissing, application_path, node_folder, resolve_argv


def script(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def test_python_is_the_running_interpreter(tmp_path):
    assert resolve_argv(["python3", "app.py"], tmp_path, "") == [sys.executable, "app.py"]


def test_a_node_that_is_too_old_is_passed_over(tmp_path):
    script(tmp_path / "old" / "node", "#!/bin/sh\necho v20.1.0\n")
    script(tmp_path / "new" / "node", "#!/bin/sh\necho v26.0.1\n")
    assert node_folder(str(tmp_path / "new")) == tmp_path / "new"
    assert node_folder(str(tmp_path / "old")) != tmp_path / "old"


def test_a_program_of_the_artifact_must_be_executable(tmp_path):
    (tmp_path / "run.sh").write_text("#!/bin/sh\n")
    with pytest.raises(ProgramMissing, match=r"./run.sh is not an executable file in the artifact"):
        resolve_argv(["./run.sh"], tmp_path, "")
    (tmp_path / "run.sh").chmod(0o755)
    assert resolve_argv(["./run.sh", "-v"], tmp_path, "") == [str(tmp_path / "run.sh"), "-v"]


def test_a_program_that_is_nowhere_is_named(tmp_path):
    with pytest.raises(ProgramMissing, match="there is no program 'cobol'"):
        resolve_argv(["cobol"], tmp_path, str(tmp_path))


def test_applications_find_our_interpreter_first(tmp_path):
    assert application_path(str(tmp_path)).split(":")[0] == str(sys.executable).rpartition("/")[0]
