from doorward.verify import AssertionMiddleware


async def app(scope, receive, send):
    """Any ASGI app: Starlette, FastAPI, Django, Quart."""
    user = scope["doorward"]["preferred_username"]
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": f"Hello {user}".encode()})


app = AssertionMiddleware(
    app,
    issuer="https://auth.example.com",
    audience="Wiki",
    public_url="https://wiki.example.com",
)
