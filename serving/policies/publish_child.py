"""Publishing beside the answers: `echelon score` in a process of its own, that tells how far it is.

The process that serves holds no library of training; and what kills a child does not kill it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass

from configs.child import child_environment
from configs.errors import EchelonError
from configs.schema import Config
from serving.endpoint.state import State, open_state
from serving.policies import publishings

NICE = 10
"""Answers come first."""
TOLD_EVERY = 0.05
KILLED = "the publishing process ended with code {code} before it was done; publish again"


def start(config: Config, state: State, policy: str, person_name: str) -> bool:
    """Start a publication; return whether it was, as one at a time is made.

    Args:
        config: handed over to the child as it is.
        state: where the child tells how far it is.
        policy: what the policy is called.
        person_name: who asked.
    """
    id = publishings.begin(state, policy, person_name)
    if id is None:
        return False
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "serving.policies.publish_child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=child_environment(),
        start_new_session=True,
    )
    asked = {"id": id, "config": config.model_dump(mode="json")}
    watched = threading.Thread(
        target=_watch, args=(child, json.dumps(asked).encode(), state, id), daemon=True
    )
    watched.start()
    return True


def _watch(child: subprocess.Popen[bytes], asked: bytes, state: State, id: int) -> None:
    child.communicate(asked)
    if child.returncode:
        publishings.end(state, id, None, KILLED.format(code=child.returncode))


@dataclass
class Teller:
    """Tells how far a publication is, each twentieth of a step."""

    state: State
    id: int
    step: str = ""
    share: float = 0.0

    def __call__(self, step: str, share: float) -> None:
        """Take note of how far a step is."""
        if step != self.step or share >= self.share + TOLD_EVERY:
            self.step, self.share = step, share
            publishings.tell(self.state, self.id, step, share)


def main() -> None:
    """Publish what standard input asks for."""
    from serving.pipeline import score

    os.nice(NICE)
    asked = json.load(sys.stdin)
    config = Config.model_validate(asked["config"])
    state = open_state(config.stores)
    try:
        folder = score(config, Teller(state, asked["id"]))
    except EchelonError as error:
        publishings.end(state, asked["id"], None, str(error))
    else:
        publishings.end(state, asked["id"], folder.name, None)
    finally:
        state.close()


if __name__ == "__main__":
    main()
