"""The ``cl2cm`` command itself: help, mistakes, and what a missing package looks like."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from cl2cm_plugin import UserError, cli


@pytest.fixture
def command(monkeypatch):
    """Make `cl2cm try` the only subcommand; it does what the test says."""

    def make(action):
        def register(subparsers):
            subparsers.add_parser("try").set_defaults(run=action, extra="model")

        entry = SimpleNamespace(name="try", load=lambda: register)
        monkeypatch.setattr(cli, "entry_points", lambda group: [entry] if group == "cl2cm.commands" else [])

    return make


def test_help_lists_the_registered_commands_without_importing_anything_heavy(child, tmp_path):
    code = """
import sys
from cl2cm_plugin import cli
try:
    cli.main(["--help"])
except SystemExit as end:
    print("status", end.code)
print("heavy", {"torch", "sentence_transformers", "transformers", "weaviate", "huggingface_hub"} & set(sys.modules))
"""
    output = child(code, tmp_path).stdout
    assert "usage: cl2cm" in output
    assert all(f"    {name} " in output for name in ("install", "models", "remove"))
    assert "status 0" in output
    assert "heavy set()" in output


def test_without_a_command_the_help_is_shown(command, capsys):
    command(lambda arguments: None)
    assert cli.main([]) == 0
    assert "usage: cl2cm" in capsys.readouterr().out


def test_an_unknown_command_is_answered_with_the_known_ones(command, capsys):
    command(lambda arguments: None)
    with pytest.raises(SystemExit) as end:
        cli.main(["fly"])
    assert end.value.code == 2
    assert "invalid choice: 'fly'" in capsys.readouterr().err


@pytest.mark.parametrize(("returned", "status"), [(None, 0), (0, 0), (3, 3)])
def test_what_a_command_returns_is_the_exit_status(command, returned, status):
    command(lambda arguments: returned)
    assert cli.main(["try"]) == status


def test_a_users_mistake_is_its_message_alone(command, capsys):
    def mistake(arguments):
        raise UserError("photos/ holds no pictures.")

    command(mistake)
    assert cli.main(["try"]) == 1
    assert capsys.readouterr().err == "cl2cm: photos/ holds no pictures.\n"


def test_a_missing_package_is_one_sentence_with_the_extra_to_install(command, capsys):
    def needs_a_package(arguments):
        import a_package_that_nobody_has  # noqa: F401

    command(needs_a_package)
    assert cli.main(["try"]) == 1
    message = capsys.readouterr().err
    assert "`cl2cm try` needs the package 'a_package_that_nobody_has'" in message
    assert "pip install 'cl2cm-plugin[model]'" in message


def test_a_missing_module_of_our_own_is_a_defect_and_not_hidden(command):
    def broken(arguments):
        import cl2cm_plugin.no_such_module  # noqa: F401

    command(broken)
    with pytest.raises(ModuleNotFoundError):
        cli.main(["try"])


def test_an_interruption_is_status_130(command, capsys):
    def interrupted(arguments):
        raise KeyboardInterrupt

    command(interrupted)
    assert cli.main(["try"]) == 130
    assert capsys.readouterr().err == "cl2cm: interrupted\n"
