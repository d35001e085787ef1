from doorward.verify import WsgiAssertionMiddleware


def app(environ, start_response):
    """Any WSGI app: Flask (`app.wsgi_app = WsgiAssertionMiddleware(app.wsgi_app, …)`), Django, Bottle."""
    user = environ["doorward.claims"]["preferred_username"]
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"Hello {user}".encode()]


app = WsgiAssertionMiddleware(
    app,
    issuer="https://auth.example.com",
    audience="Wiki",
    public_url="https://wiki.example.com",
)
