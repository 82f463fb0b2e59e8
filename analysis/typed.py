"""The command that ran a sweep, for a shell, with one thing changed."""

import re
import shlex

_RETRY = " --retry-failed"


def retrying(command: str) -> str:
    """A command that also tries failed trials again.

    Examples:
        >>> retrying("dropattack run waves.yaml")
        'dropattack run waves.yaml --retry-failed'
    """
    return f"{not_retrying(command)}{_RETRY}"


def not_retrying(command: str) -> str:
    """A command that leaves failed trials as they are."""
    return command.replace(_RETRY, "")


def overriding(command: str, path: str, value: str) -> str:
    """A command with one ``--set`` more, in place of earlier ones of the same path.

    Examples:
        >>> overriding("dropattack run a.yaml --set 'seeds=[0, 1]' --data d", "seeds", "5")
        'dropattack run a.yaml --data d --set seeds=5'
    """
    name = re.escape(path)
    others = re.sub(rf" --set[ =](?:'{name}=[^']*'|{name}=\S*)", "", command)
    return f"{others} --set {shlex.quote(f'{path}={value}')}"
