package store

// migrations are applied in order by package durable; a released one never
// changes. IMAP will add flags, folders and change numbers to these tables:
// that is why a mailbox has an owner and a name, and a validity of its UIDs.
var migrations = []string{`
CREATE TABLE mailbox (
	id          INTEGER PRIMARY KEY,
	owner       TEXT    NOT NULL,
	name        TEXT    NOT NULL,
	uidvalidity INTEGER NOT NULL,
	next_uid    INTEGER NOT NULL DEFAULT 1,
	messages    INTEGER NOT NULL DEFAULT 0,
	octets      INTEGER NOT NULL DEFAULT 0,
	UNIQUE (owner, name)
);
CREATE TABLE message (
	mailbox    INTEGER NOT NULL REFERENCES mailbox(id),
	uid        INTEGER NOT NULL,
	size       INTEGER NOT NULL, -- octets of head and body together
	body       INTEGER NOT NULL, -- blob, shared by the copies of one delivery
	store_id   TEXT    NOT NULL,
	message_id TEXT    NOT NULL,
	sender     TEXT    NOT NULL, -- reverse-path without angle brackets
	recipient  TEXT    NOT NULL,
	received   INTEGER NOT NULL,
	head       BLOB    NOT NULL, -- trace fields of final delivery, this copy's own
	PRIMARY KEY (mailbox, uid)
) WITHOUT ROWID;
CREATE INDEX message_body ON message(body);
`}

// inbox is the one mailbox that a person has until IMAP brings folders.
const inbox = "INBOX"
