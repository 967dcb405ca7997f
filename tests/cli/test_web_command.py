"""`web`: what it refuses before it serves anything."""

from pathlib import Path

import pytest

from tests.cli.conftest import Cli, MakeTrial


def test_an_address_of_other_machines_needs_a_token(cli: Cli, make_trial: MakeTrial, tmp_path: Path) -> None:
    path = make_trial()
    refused = cli("web", path, "--listen", "0.0.0.0:8787")
    assert refused.code == 2
    assert "--token-file" in refused.err
    missing = cli("web", path, "--listen", "0.0.0.0:8787", "--token-file", tmp_path / "token")
    assert (missing.code, "--token-file: cannot read" in missing.err) == (2, True)
    (tmp_path / "token").write_text("short\n")
    short = cli("web", path, "--listen", "0.0.0.0:8787", "--token-file", tmp_path / "token")
    assert (short.code, "5 characters" in short.err) == (2, True)


def test_a_token_of_the_environment_counts(cli: Cli, make_trial: MakeTrial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHADOWSTREAM_WEB_TOKEN", "short")
    assert "5 characters" in cli("web", make_trial()).err


def test_a_required_signature_needs_a_key_of_each_trial(
    cli: Cli, make_trial: MakeTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_trial(extra="judge: {signing_keys: ['${SIGNING_KEY:-}']}\n")
    monkeypatch.delenv("SIGNING_KEY", raising=False)
    refused = cli("web", path, "--require-signature")
    assert (refused.code, "judge.signing_keys of trial 'fraud' has no key here" in refused.err) == (2, True)
    monkeypatch.setenv("SIGNING_KEY", "a key of sixteen characters")
    passed = cli("web", path, path, "--require-signature", "--listen", "127.0.0.1:0")
    assert (passed.code, "the trial 'fraud'" in passed.err) == (2, True)  # the next check: one trial twice


def test_one_trial_is_not_shown_twice(cli: Cli, make_trial: MakeTrial) -> None:
    path = make_trial()
    twice = cli("web", path, path, "--listen", "127.0.0.1:0")
    assert (twice.code, "'fraud'" in twice.err) == (2, True)
