"""`python -m bench.asgi serve …`: the real program with its checks on the ASGI lane, as if there were no other."""

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from doorward import cli
from doorward.web.gate import fast_lane


def bind(gate: Any) -> type[HttpToolsProtocol]:  # noqa: ARG001 -- in place of fast_lane.bind
    """Answer by uvicorn's own protocol."""
    return HttpToolsProtocol


if __name__ == "__main__":
    fast_lane.bind = bind  # type: ignore[assignment]
    cli.main()
