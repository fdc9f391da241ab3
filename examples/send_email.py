"""Email through an SMTP server: a refusal that may pass is tried again, one that may not is final.

    pip install aiosmtpd
    python -m aiosmtpd -n -l 127.0.0.1:8025      # a server that prints what it gets; start it late, or stop it
    cd examples
    headrace worker send_email:app
    python send_email.py ada@example.com

``SMTP_HOST`` and ``SMTP_PORT`` name another server. A message may arrive twice, under one Message-Id: where the
worker dies between the server's answer and the end of the job, the job runs again.
"""

import os
import smtplib
import sys
from email.message import EmailMessage

from headrace import Headrace, PermanentFailure, RetryPolicy, current

app = Headrace()  # HEADRACE_URL, else sqlite:///headrace.db
HOST, PORT = os.environ.get("SMTP_HOST", "127.0.0.1"), int(os.environ.get("SMTP_PORT", "8025"))


@app.task(
    queue="email",
    retry=RetryPolicy.exponential(max_attempts=12, base="1s", cap="10m"),
    give_up_on=ValueError,  # what EmailMessage raises for an address with a line break in it
)
def send_email(to: str, subject: str, body: str) -> None:
    message = EmailMessage()
    message["Message-Id"] = f"<{current().job.id}@headrace.example>"
    message["From"], message["To"], message["Subject"] = "shop@headrace.example", to, subject
    message.set_content(body)
    try:
        with smtplib.SMTP(HOST, PORT, timeout=10) as server:
            server.send_message(message)
    except smtplib.SMTPException as error:
        if answer_of(error) >= 500:
            raise PermanentFailure(str(error)) from error
        raise


def answer_of(error: smtplib.SMTPException) -> int:
    """What the server said: 4xx means not now, 5xx never. 0 where it said nothing."""
    match error:
        case smtplib.SMTPResponseException(smtp_code=code):
            return code
        case smtplib.SMTPRecipientsRefused(recipients=recipients):
            return min(code for code, _ in recipients.values())
        case _:
            return 0


if __name__ == "__main__":
    print(send_email.enqueue(sys.argv[1], "hello", "This was sent by a job.\n").id)
