"""Logs: capped under the writer, read from the end."""

from delivery.processes.logfiles import cap_log, tail_lines


def test_a_large_log_is_moved_and_the_writer_goes_on(tmp_path):
    path = tmp_path / "app.log"
    with open(path, "ab", buffering=0) as writer:
        writer.write(b"old\n" * 10)
        assert not cap_log(path, limit=40)
        writer.write(b"more\n")
        assert cap_log(path, limit=40)
        writer.write(b"new\n")
    assert path.read_text() == "new\n"
    assert tail_lines(path, 3) == ["old", "more", "new"]


def test_tail_of_missing_and_of_short_logs(tmp_path):
    assert tail_lines(tmp_path / "none", 5) == []
    (tmp_path / "a").write_bytes(b"one\ntwo\xff\n")
    assert tail_lines(tmp_path / "a", 1) == ["two�"]
    assert tail_lines(tmp_path / "a", 0) == []
