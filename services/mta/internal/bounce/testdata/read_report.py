"""Reads delivery reports with Python's email package and prints what it saw.

Standard input: reports, each behind a line with its length in octets.
Standard output: for each, one line of JSON.
"""
import email
import email.policy
import json
import sys


def read(raw):
    m = email.message_from_bytes(raw, policy=email.policy.default)
    defects = [str(d) for p in m.walk() for d in p.defects]
    text, status, returned = m.get_payload()
    # Blocks of fields: a message without a body each. Python knows the type of
    # RFC 6533 only as any message, so its first block is that message's header.
    if status.get_content_type() == "message/delivery-status":
        blocks = status.get_payload()
    else:
        body = raw.split(b"message/global-delivery-status", 1)[1].split(b"\r\n\r\n", 1)[1]
        body = body.split(b"\r\n--" + m.get_boundary().encode(), 1)[0]
        blocks = [email.message_from_bytes(b + b"\r\n\r\n", policy=email.policy.default) for b in body.split(b"\r\n\r\n")]
    return {
        "type": m.get_content_type(),
        "report": m.get_param("report-type"),
        "subject": str(m["subject"]),
        "text": text.get_content(),
        "kinds": [p.get_content_type() for p in m.get_payload()],
        "blocks": [{k.lower(): " ".join(str(v).split()) for k, v in b.items() if v} for b in blocks],
        "defects": defects,
    }


while line := sys.stdin.buffer.readline():
    print(json.dumps(read(sys.stdin.buffer.read(int(line)))))
