"""What ``SentenceTransformer("<name>")`` finds, against a stand-in hub, in processes of their own."""

from __future__ import annotations

import inspect
import json
import sys
import threading
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType

import pytest

from cl2cm_plugin import name_resolution
from cl2cm_plugin.encoder import model_store as store

# What every child starts with: `load` tries one call and reports seconds, requests to the hub, vectors, or the error.
START = """
import importlib, json, os, shutil, sys, time, urllib.request
hub, original, report = os.environ["HF_ENDPOINT"], os.environ["ORIGINAL"], {}

def control(what):
    return json.loads(urllib.request.urlopen(f"{hub}/control/{what}").read())

def load(label, name, answer="404", **arguments):
    import PIL.Image
    from sentence_transformers import SentenceTransformer
    control("reset")
    control(answer)
    start, entry = time.perf_counter(), {}
    try:
        model = SentenceTransformer(name, device="cpu", **arguments)
        entry["seconds"] = time.perf_counter() - start
        entry["text"] = model.encode(["ein hund", "the beach"]).tolist()
        entry["image"] = model.encode([PIL.Image.new("RGB", (20, 20), (200, 30, 30))]).tolist()
        entry["base_model"] = model.model_card_data.base_model
    except Exception as error:
        entry["error"] = type(error).__name__
    entry["requests"] = None if answer == "close" else control("count")
    report[label] = entry
"""
END = "\nprint('REPORT' + json.dumps(report))"


class Hub(BaseHTTPRequestHandler):
    """A hub that refuses every request in the way it was told to, and counts them."""

    def do_GET(self):
        if self.path.startswith("/control/"):
            return self.obey(self.path.removeprefix("/control/"))
        self.server.requests += 1
        if self.server.answer == "silent":
            self.server.stop.wait(60)
        self.send_response(401 if self.server.answer == "401" else 404)
        self.send_header("X-Error-Code", "RepoNotFound")
        self.send_header("Content-Length", "0")
        return self.end_headers()

    do_HEAD = do_POST = do_GET  # noqa: N815 - the names that http.server looks for

    def obey(self, what):
        if what == "reset":
            self.server.requests = 0
        elif what == "close":
            self.server.socket.close()
        elif what != "count":
            self.server.answer = what
        body = json.dumps(self.server.requests).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def ask(tmp_path_factory, tiny_model_folder, child):
    """Run code in a child that has a hub of its own and `cl2cm-tiny` in its hub cache; returns the child's report."""

    def run(code, **environment):
        home, folder = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("working-folder")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SENTENCE_TRANSFORMERS_HOME", str(home / "hub"))
            store.install(tiny_model_folder, "cl2cm-tiny")
        server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
        server.requests, server.answer, server.stop = 0, "404", threading.Event()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        hub = f"http://127.0.0.1:{server.server_port}"
        settings = {"HF_HOME": str(home), "HF_ENDPOINT": hub, "ORIGINAL": str(tiny_model_folder), **environment}
        try:
            output = child(START + code + END, folder, **settings).stdout
        finally:
            server.stop.set()
            server.shutdown()
            server.server_close()
        return json.loads(output.partition("REPORT")[2])

    return run


@pytest.fixture(scope="module")
def plugin_first(ask):
    return ask("""
import cl2cm_plugin
report["imported"] = sorted({name.partition(".")[0] for name in sys.modules})
for answer in ("401", "404", "silent"):
    load(answer, "cl2cm-tiny", answer)
load("original folder", original)
load("revision", "cl2cm-tiny", revision="main")
load("organisation", "somebody/cl2cm-tiny")
load("not installed", "cl2cm-other")
os.mkdir("cl2cm-tiny")
load("empty folder of that name", "cl2cm-tiny")
os.rmdir("cl2cm-tiny")
load("refused", "cl2cm-tiny", "close")
""")


@pytest.fixture(scope="module")
def plugin_second(ask):
    return ask("""
import sentence_transformers
load("without: online", "cl2cm-tiny")
load("without: local_files_only", "cl2cm-tiny", local_files_only=True)
import cl2cm_plugin
importlib.reload(cl2cm_plugin.name_resolution).install_hook()
importlib.reload(cl2cm_plugin)
report["wrapped twice"] = hasattr(sentence_transformers.base.model.BaseModel.__init__.__wrapped__, "__wrapped__")
load("with", "cl2cm-tiny")
shutil.copytree(original, "cl2cm-tiny")
shutil.rmtree("cl2cm-tiny/image_1_Dense")
load("broken folder of that name", "cl2cm-tiny")
load("original folder", original)
""")


@pytest.fixture(scope="module")
def offline_without_plugin(ask):
    return ask(
        """
load("installed", "cl2cm-tiny")
shutil.move(os.environ["HF_HOME"], "elsewhere")
shutil.copytree(original, "cl2cm-tiny")
load("folder of that name", "cl2cm-tiny")
load("original folder", original)
report["plugin imported"] = "cl2cm_plugin" in sys.modules
""",
        HF_HUB_OFFLINE="1",
    )


def assert_loads(report, label, requests=0):
    entry, original = report[label], report["original folder"]
    assert "error" not in entry, entry
    assert (entry["text"], entry["image"]) == (original["text"], original["image"])
    assert entry["requests"] == requests
    assert entry["seconds"] < 20


@pytest.mark.parametrize("answer", ["401", "404", "silent"])
def test_an_installed_name_loads_whatever_the_hub_answers_and_asks_it_nothing(plugin_first, answer):
    assert_loads(plugin_first, answer)
    assert plugin_first[answer]["base_model"] is None


def test_an_installed_name_loads_where_the_hub_refuses_connections(plugin_first):
    assert_loads(plugin_first, "refused", requests=None)


def test_a_folder_of_that_name_without_a_model_is_not_in_the_way(plugin_first):
    assert_loads(plugin_first, "empty folder of that name")


@pytest.mark.parametrize("call", ["not installed", "organisation", "revision"])
def test_every_other_call_goes_to_the_hub_as_before(plugin_first, call):
    assert "error" in plugin_first[call]
    assert plugin_first[call]["requests"] > 0


def test_the_import_brings_nothing_heavy(plugin_first):
    heavy = {"torch", "sentence_transformers", "transformers", "weaviate", "huggingface_hub", "numpy", "PIL", "wrapt"}
    assert "cl2cm_plugin" in plugin_first["imported"]
    # The stand-in's own imports are of the standard library only.
    assert not heavy & set(plugin_first["imported"])


def test_the_plugin_may_be_imported_after_sentence_transformers_and_twice(plugin_second):
    assert_loads(plugin_second, "with")
    assert plugin_second["wrapped twice"] is False


def test_a_folder_with_a_model_wins_over_an_installed_name(plugin_second):
    # Broken on purpose: an error shows that the folder, not the installed model, was loaded.
    assert "error" in plugin_second["broken folder of that name"]


def test_without_the_plugin_a_hub_that_answers_404_is_believed(plugin_second):
    assert "error" in plugin_second["without: online"]
    assert plugin_second["without: online"]["requests"] > 0


def test_without_the_plugin_local_files_only_finds_an_installed_model(plugin_second):
    assert_loads(plugin_second, "without: local_files_only")


def test_without_the_plugin_the_offline_switch_finds_an_installed_model(offline_without_plugin):
    assert offline_without_plugin["plugin imported"] is False
    assert_loads(offline_without_plugin, "installed")


def test_without_the_plugin_a_folder_of_that_name_is_found(offline_without_plugin):
    assert_loads(offline_without_plugin, "folder of that name")


def release(number, parameter="model_name_or_path"):
    """A stand-in for `sentence_transformers.base.model` of some release."""
    module = ModuleType("sentence_transformers.base.model")
    body = f"self.loaded, self.others = {parameter}, others"
    exec(f"class BaseModel:\n    def __init__(self, {parameter}=None, **others): {body}", vars(module))
    module.__version__ = number
    return module


@pytest.mark.parametrize("number", ["5.6.1", "7.0.0", "unknown"])
def test_an_unknown_release_is_left_alone_with_one_warning(number):
    package, module = ModuleType("sentence_transformers"), release(number)
    package.__version__ = number
    untouched = module.BaseModel.__init__
    with pytest.warns(RuntimeWarning, match=rf"does not know sentence-transformers {number}.*HF_HUB_OFFLINE") as seen:
        for _ in range(2):
            name_resolution._check_release(package)
            name_resolution._patch(module)
    assert len(seen) == 1
    assert module.BaseModel.__init__ is untouched


def test_a_changed_signature_is_left_alone_with_one_warning():
    module = release("6.9.0", parameter="model")
    untouched = module.BaseModel.__init__
    with pytest.warns(RuntimeWarning, match="leaves it alone") as seen:
        name_resolution._patch(module)
        name_resolution._patch(module)
    assert len(seen) == 1
    assert module.BaseModel.__init__ is untouched


def test_a_known_release_is_hooked_once_and_keeps_its_signature():
    module = release("6.3.0")
    signature = inspect.signature(module.BaseModel)
    with warnings.catch_warnings(action="error"):
        name_resolution._check_release(module)
        name_resolution._patch(module)
        hooked = module.BaseModel.__init__
        name_resolution._patch(module)
    assert module.BaseModel.__init__ == hooked
    assert not hasattr(hooked.__wrapped__, "__wrapped__")
    assert inspect.signature(module.BaseModel) == signature


def test_an_installed_name_by_position_or_by_keyword_becomes_its_folder_without_the_hub(
    model_store, monkeypatch, tmp_path
):
    module, folder = release("6.3.0"), tmp_path / "installed"
    name_resolution._patch(module)
    monkeypatch.setattr(store, "find", lambda name: folder if name == "cl2cm-tiny" else None)
    assert module.BaseModel("cl2cm-tiny").loaded == str(folder)
    assert module.BaseModel(model_name_or_path="cl2cm-tiny").loaded == str(folder)
    # Not even a file that is missing from the installed folder is asked for.
    assert module.BaseModel("cl2cm-tiny", local_files_only=False).others == {"local_files_only": True}
    assert module.BaseModel("other").loaded == "other"
    assert module.BaseModel("other").others == {}
    assert module.BaseModel(modules=[]).loaded is None


def test_waiting_for_the_package_leaves_one_finder_behind(monkeypatch):
    monkeypatch.delitem(sys.modules, "sentence_transformers", raising=False)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    before = [finder for finder in sys.meta_path if not isinstance(finder, name_resolution._Watch)]
    name_resolution.install_hook()
    name_resolution.install_hook()
    assert len(sys.meta_path) == len(before) + 1
