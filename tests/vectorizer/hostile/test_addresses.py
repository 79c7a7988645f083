"""Nothing in a request makes the service open a file or an address, whatever it looks like."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import sys
from dataclasses import replace
from random import Random

import pytest
from PIL import Image

from ..conftest import film
from .checking import check, problems
from .corpus import REFUSED, Case, text_case
from .forms import FORMS, forms_of
from .service import Service

# Playlists and descriptions that name a file: FFmpeg knows most of them, some in a way that opens what they name.
PLAYLISTS = {
    "concat": "ffconcat version 1.0\nfile '{}'\n",
    "m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{}\n#EXT-X-ENDLIST\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=a\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\na=control:{}\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{}</BaseURL></MPD>',
    "svg": '<svg xmlns="http://www.w3.org/2000/svg"><image href="{}" width="9" height="9"/></svg>',
    "xml": '<!DOCTYPE a [<!ENTITY b SYSTEM "{}">]><a>&b;</a>',
    "postscript": "%!PS\n({}) run\n",
    "image list": "# ImageMagick\npush graphic-context\nimage over 0,0 0,0 '{}'\n",
    "cue": 'FILE "{}" BINARY\n  TRACK 01 MODE1/2352\n',
    "pls": "[playlist]\nFile1={}\n",
}
_watched: list[str] = []
_opened: list[str] = []


def _note(event, arguments):
    if _watched and event in (
        "open",
        "os.listdir",
        "socket.connect",
        "socket.getaddrinfo",
        "subprocess.Popen",
    ):
        _opened.extend(f"{event} {arguments}" for name in _watched if name in repr(arguments))


@pytest.fixture(scope="module")
def audit():
    """Notes whatever Python opens."""
    # An audit hook stays for good, so that it must cost next to nothing where nothing is watched.
    sys.addaudithook(_note)


@pytest.fixture
def canaries(audit, tmp_path):
    """A picture and a video that have vectors if they are opened, and an address that notes who comes."""
    Image.new("RGB", (2, 2), "yellow").save(tmp_path / "canary.png")
    film(tmp_path / "canary.mp4", range(0, 40, 10))
    shutil.copy(tmp_path / "canary.png", tmp_path / "canary")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        port = listening.getsockname()[1]
        _opened.clear()
        _watched.extend(["canary", "/etc/passwd", str(port)])
        yield [
            *(str(tmp_path / name) for name in ("canary.png", "canary.mp4", "canary")),
            *(f"{scheme}{tmp_path}/canary.{suffix}" for scheme in SCHEMES for suffix in ("png", "mp4")),
            *(
                f"{scheme}://127.0.0.1:{port}/canary.png"
                for scheme in ("http", "https", "ftp", "tcp", "rtsp", "hls+http")
            ),
            *(
                "canary.png",
                "./canary.png",
                "canary.mp4",
                f"/proc/self/cwd{tmp_path}/canary.png",
                f"//127.0.0.1:{port}/a",
            ),
        ]
        _watched.clear()
        with pytest.raises(BlockingIOError):
            listening.accept()
    assert not _opened


SCHEMES = (
    "file://",
    "file:",
    "FILE:///",
    "concat:",
    "subfile,,start,0,end,9999,,:",
    "crypto:",
    "cache:",
    "async:",
    "data:image/png,",
)


def test_a_file_or_address_in_any_field_is_never_opened(canaries, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    random = Random(0)
    cases = []
    for form in FORMS:
        for content in canaries:
            if form.kind == "text":
                cases.append(text_case("address", form, content, random))
            else:
                body = json.dumps(form.fill([content])).encode()
                cases.append(Case("address", form.path.encode(), body, statuses=REFUSED, form=form, place=0))
        for content in canaries[::5]:
            for other in ("model", "id", "config", "options", "task", "url", "file", "image_url", "baseURL"):
                body = json.dumps(form.fill(["a"]) | {other: content}).encode()
                cases.append(Case(f"address in {other}", form.path.encode(), body))
    with Service() as service:
        assert problems(service, cases)[1] == []


@pytest.mark.parametrize("kind", ["image", "video"])
def test_a_playlist_that_names_a_file_or_address_is_refused(canaries, kind):
    cases = []
    for form in forms_of(kind):
        for name, playlist in PLAYLISTS.items():
            for content in canaries[::2]:
                data = base64.b64encode(playlist.format(content).encode()).decode()
                body = json.dumps(form.fill([data])).encode()
                cases.append(Case(name, form.path.encode(), body, statuses=REFUSED, form=form, place=0))
    with Service() as service:
        assert problems(service, cases)[1] == []


def test_an_address_in_the_path_or_a_header_is_never_opened(canaries):
    cases = []
    for content in canaries:
        for target in ("/m/{}/vectorize", "/c/{}/vectorize", "/{}", "/vectorize?url={}"):
            quoted = target.format(content.replace("/", "%2F")).encode()
            cases.append(Case("path", quoted, b'{"texts": ["a"]}', statuses=REFUSED | {200, 404}))
        for header in (b"x-baseurl", b"referer", b"x-jinaai-baseurl", b"x-voyageai-baseurl", b"link", b"host"):
            headers = ((header, content.encode()),)
            cases.append(
                replace(cases[0], name="header", target=b"/vectorize", headers=headers, statuses=frozenset({200}))
            )
    with Service() as service:
        for case in cases:
            check(case, service.ask(case))
