"""Submits one message by smtplib: python3 -I -c THIS ORDER, where ORDER is a JSON object."""

import json
import smtplib
import ssl
import sys

o = json.loads(sys.argv[1])
trust = ssl.create_default_context(cafile=o["ca"])
named = {"local_hostname": o["ehlo"], "timeout": 60}
if o["security"] == "tls":
    s = smtplib.SMTP_SSL(o["host"], o["port"], context=trust, **named)
else:
    s = smtplib.SMTP(o["host"], o["port"], **named)
if o["security"] == "starttls":
    s.starttls(context=trust)
s.ehlo()
if o["mechanism"]:
    s.user, s.password = o["user"], o["password"]
    s.auth(o["mechanism"], getattr(s, "auth_" + o["mechanism"].lower().replace("-", "_")))
with open(o["file"], "rb") as f:
    s.sendmail(o["from"], [o["to"]], f.read(), mail_options=o["options"])
s.quit()
