"""An SMTP submission server (RFC 6409) by aiosmtpd: takes mail after STARTTLS and AUTH only, and keeps it in a Maildir.

Arguments: port, certificate, key, Maildir, user, password.
"""

import signal
import ssl
import sys

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Mailbox
from aiosmtpd.smtp import AuthResult

port, certificate, key, maildir, user, password = sys.argv[1:]


def authenticate(server, session, envelope, mechanism, credentials):
    right = (credentials.login, credentials.password) == (user.encode(), password.encode())
    # Not handled: aiosmtpd then answers 535 itself.
    return AuthResult(success=right, handled=False)


tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
tls.load_cert_chain(certificate, key)
Controller(
    Mailbox(maildir),
    hostname="127.0.0.1",
    port=int(port),
    tls_context=tls,
    require_starttls=True,
    auth_required=True,
    authenticator=authenticate,
).start()
signal.pause()
