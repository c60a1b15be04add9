"""Alibaba Cloud's default credential chain, the package `alibabacloud_credentials` as it is: looks for a key in the
environment that it is started with, and prints where it found which, or why there is none.

    official_credentials.py [METADATA STS]

With these two URLs, requests for the metadata service and for STS go there: the package's one way out is turned, and
nothing else of it is touched. Without them they go where they go, or to the proxy that the environment names.
"""

import json
import re
import sys
from urllib.parse import urlsplit

from alibabacloud_credentials.provider import DefaultCredentialsProvider
from Tea.core import TeaCore


def redirect(metadata: str, sts: str) -> None:
    """Turns requests for hosts of the cloud to these servers."""
    really = TeaCore.do_action

    def do_action(request, runtime_option=None):
        host = request.headers["host"]
        if host == "100.100.100.200":
            server = urlsplit(metadata)
        elif re.fullmatch(r"sts(-vpc)?(\.[a-z0-9-]+)?\.aliyuncs\.com", host):
            server = urlsplit(sts)
        else:
            server = None
        if server:
            request.protocol, request.port = server.scheme, server.port
            request.headers["host"] = server.hostname
        return really(request, runtime_option)

    TeaCore.do_action = do_action


def main() -> None:
    """Prints what `credentials.rs` prints."""
    if sys.argv[1:]:
        redirect(*sys.argv[1:])
    try:
        found = DefaultCredentialsProvider().get_credentials()
        answer = {"source": found.get_provider_name().removeprefix("default/"), "key": found.get_access_key_id()}
    except Exception as error:  # The package raises whatever its parts raise.
        answer = {"source": None, "error": str(error)}
    print(json.dumps(answer))


main()
