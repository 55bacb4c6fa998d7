"""Folders of this machine by path and by file URL: percent-encoded both ways, and homes that nobody knows."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest

from openrouter_video.cli import main
from openrouter_video.cli.report import shown_path
from openrouter_video.errors import ConfigurationError, RequestRefused
from openrouter_video.request.images import load_image
from openrouter_video.stores import open_store
from openrouter_video.stores.urls import path_of_file_url, share_options

ODD_NAMES = ["my clips", "100% #1?", "50%41", "a;b&c=d,e", "ünïcode 漢字", "colon:here", "a+b@c", "[x]^{y}|`"]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_plain_path_stays_what_it_is_and_its_url_leads_back(name: str, tmp_path: Path) -> None:
    """The URL is the one that every other program understands, and opens the same folder here."""
    folder = tmp_path / name
    store = open_store(str(folder))
    store.write_bytes("a b/50%.json", b"x")
    assert (folder / "a b" / "50%.json").read_bytes() == b"x"
    assert url2pathname(urlsplit(store.url_of("a b/50%.json")).path) == str(folder / "a b" / "50%.json")
    for again in (open_store(store.url), open_store(folder.as_uri()), open_store(store.url).child("a b")):
        assert again.url.startswith(store.url)
    assert open_store(store.url).root == open_store(folder.as_uri()).root == str(folder)
    assert path_of_file_url(store.url) == str(folder)
    assert shown_path(store.url_of("v.mp4")) == str(folder / "v.mp4")
    assert share_options(store.url, str(folder))


def test_a_file_url_is_decoded(tmp_path: Path) -> None:
    """Path.as_uri() names the folder itself, whether it exists yet or not, and so an image."""
    (tmp_path / "my clips").mkdir()
    for name in ("my clips", "not yet"):
        assert open_store((tmp_path / name).as_uri()).root == str(tmp_path / name)
    picture = tmp_path / "my clips" / "first frame.gif"
    picture.write_bytes(b"GIF89a" + bytes(20))
    assert load_image(picture.as_uri()).startswith("data:image/gif")


@pytest.mark.parametrize("name", ["a b", "100%", "50%41", "x#1", "what?", "é", "a b%20c"])
def test_what_older_versions_wrote_opens_the_same_folder(name: str, tmp_path: Path) -> None:
    """They escaped nothing: such a URL means the folder that it literally names."""
    (tmp_path / name).mkdir()
    (tmp_path / name / "here").write_bytes(b"x")
    store = open_store(f"file://{tmp_path}/{name}")
    assert store.root == str(tmp_path / name)
    assert store.read_bytes("here") == b"x"


@pytest.mark.parametrize(
    ("path", "root"), [("50%41", "50A"), ("a b%20c", "a b%20c"), ("a%20b", "a b"), ("100%", "100%"), ("%25", "%")]
)
def test_where_no_folder_exists_the_url_itself_decides(path: str, root: str, tmp_path: Path) -> None:
    """A proper URL is decoded, and one with what a proper one would have escaped is taken as it is."""
    assert open_store(f"file://{tmp_path}/{path}").root == f"{tmp_path}/{root}"


def test_of_two_existing_folders_the_standard_decides(tmp_path: Path) -> None:
    """An older version may have made the second one by mistake."""
    for name in ("my clips", "my%20clips"):
        (tmp_path / name).mkdir()
    assert open_store(f"file://{tmp_path}/my%20clips").root == str(tmp_path / "my clips")


def test_a_name_that_is_no_utf_8_has_a_url(tmp_path: Path) -> None:
    """A disk may hold any bytes."""
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    store = open_store(folder.as_uri())
    assert (store.root, store.url) == (str(folder), folder.as_uri())


@pytest.mark.parametrize("escape", ["%00", "%0A", "%1b", "%7F"])
def test_an_escaped_control_character_is_refused(escape: str) -> None:
    """In a URL as in a path."""
    with pytest.raises(ConfigurationError, match="control character"):
        open_store(f"file:///a{escape}b")


@pytest.mark.parametrize("path", ["~nobody_here/videos", "~nobody_here", "~no body/x"])
def test_the_home_of_nobody_is_refused_in_a_sentence(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As output, as ledger and as image: what is wrong and what to do."""
    with pytest.raises(ConfigurationError, match=r"which home .*Give the whole path, or write \./~"):
        open_store(path)
    with pytest.raises(RequestRefused, match="which home"):
        load_image(path, field="first_frame")
    for words in (["collect", "--output", path], ["ledger", "list", "--ledger", path]):
        assert main(words) == 2
        assert "This machine cannot tell which home" in capsys.readouterr().err


def test_no_home_at_all_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container may run as a user that its system does not know."""
    pwd = pytest.importorskip("pwd")

    def unknown(_: object) -> None:
        raise KeyError

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    with pytest.raises(ConfigurationError, match="which home '~/videos' means"):
        open_store("~/videos")


def test_a_current_folder_that_is_gone_is_refused_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative path means nothing there."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(ConfigurationError, match="'videos' cannot be found"):
        open_store("videos")
