"""A program that answers each line of JSON with a line of JSON."""

import json
import os
import subprocess
from typing import Any, Mapping, Optional


class Child:
    """Such a program, running. It ends when its stdin is closed."""

    def __init__(self, *arguments: Any, environment: Optional[Mapping[str, str]] = None) -> None:
        self._process = subprocess.Popen(
            arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **(environment or {})},
            encoding="utf-8",
        )

    def ask(self, question: Any) -> Any:
        """The answer to a question."""
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args[0]} has ended with status {self._process.wait(timeout=60)}")
        return json.loads(line)

    def close(self) -> None:
        """Ends the program."""
        self._process.stdin.close()
        self._process.wait(timeout=60)
        self._process.stdout.close()
