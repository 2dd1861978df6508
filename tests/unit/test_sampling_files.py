"""Who looks for secrets in temporary files is itself tested: they come and go while it looks."""

from __future__ import annotations

import shutil

from tests.e2e.sampler import texts_of


def test_folder_that_goes_meanwhile_is_passed_over(tmp_path):
    """
    Its name was read already; the others are looked at all the same.
    """
    for name in ("a", "b", "c"):
        (tmp_path / name / "inside").mkdir(parents=True)
        (tmp_path / name / "inside" / "values.json").write_text(name)

    looked = texts_of([tmp_path])
    first = next(looked)[1].decode()
    gone, stays = {"a", "b", "c"} - {first}
    shutil.rmtree(tmp_path / gone)

    assert [(str(tmp_path / stays / "inside" / "values.json"), stays.encode())] == list(looked)
