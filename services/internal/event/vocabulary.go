package event

// The words of Record.Text for records that are not lines, and the keys of
// their details. A journey is put together from these alone (package journey),
// so every role uses them and nothing else. A client's record of a DNS question
// carries the time at which it asked; all others the time of the fact.
//
//	kind   text                       details
//	conn   open                       proto, role, local, remote, host, note
//	conn   close                      reason
//	line   the line itself            step (client side: which SMTP step), summary, note
//	tls    established | failed       version, cipher, server-name, verified, reason
//	auth   accepted | refused         user, mechanism, note
//	dns    question ("boreal.test. MX")
//	                                  role, id, proto (udp|tcp), local, remote,
//	                                  rcode, flags, answer, rtt-ms, cached, error
//	dns    not recorded               reason
//	queue  accepted                   from, to, size, client, original, reason (of a report)
//	queue  expanded                   to (a recipient that others stand behind), rules, bounce,
//	                                  entries: the queue ids of the message for those others
//	queue  attempt                    to, next (host; "" when none was found), attempt-no, rules
//	queue  delivered                  to, next, reply, next-queue, bounce
//	queue  deferred                   to, next, reply, retry-in, bounce, rules; probe-in of a message
//	                                  that is not attempted, as its destination is dead
//	queue  bounced                    to, reply, rules, bounce (queue id of the report that tells the sender)
//	queue  removed                    -
//	queue  quarantined                reason, rules
//	queue  held | released | dropped  to: a person has put these recipients aside, let
//	                                  them go on, or removed them without a word to the sender
//	queue  dead | alive               domain, reply, probe-in: of a destination, not of a message
//	store  stored                     mailbox, uid, size, from
//	store  retrieved | deleted        mailbox, uid, size
//	node   starting|ready|stopping|reloaded|reload-refused   reason, zone
//	node   salvaged                   reason: of a damaged file, how much could be read
const (
	Open  = "open"
	Close = "close"

	Established = "established"
	Failed      = "failed"

	Accepted = "accepted"
	Refused  = "refused"

	Expanded  = "expanded"
	Attempt   = "attempt"
	Delivered = "delivered"
	Deferred  = "deferred"
	Bounced   = "bounced"
	Removed   = "removed"
	// Quarantined: an entry that cannot be read is kept and left alone.
	Quarantined = "quarantined"
	Held        = "held"
	Released    = "released"
	Dropped     = "dropped"
	Dead        = "dead"
	Alive       = "alive"

	Stored    = "stored"
	Retrieved = "retrieved"
	Deleted   = "deleted"

	Starting      = "starting"
	Ready         = "ready"
	Stopping      = "stopping"
	Reloaded      = "reloaded"
	ReloadRefused = "reload-refused"
	// Salvaged: a file was damaged, and what could be read of it goes on in a new one.
	Salvaged = "salvaged"

	// NotRecorded: DNS answers came too fast to be recorded one by one.
	NotRecorded = "not recorded"
)

// The keys of details.
const (
	Proto      = "proto"       // smtp, submission, submissions, lmtp, pop3, pop3s, udp, tcp
	Role       = "role"        // server or client: which end of the connection the node is
	Local      = "local"       // address:port of the node's end
	Remote     = "remote"      // address:port of the other end
	Host       = "host"        // name of the other end, where the node knows it
	Reason     = "reason"      // why, as data, like Rules
	Rules      = "rules"       // why, as data: what reason.Encode writes
	Version    = "version"     // TLS version
	Cipher     = "cipher"      // TLS cipher suite
	ServerName = "server-name" // TLS server name indication
	Verified   = "verified"    // client side: whether the certificate vouches for the name; as data, like Rules: "yes", or "no" and why
	User       = "user"
	Mechanism  = "mechanism"
	ID         = "id"     // DNS message id, as four hexadecimal digits
	Rcode      = "rcode"  // NOERROR, NXDOMAIN, …; "" when nothing came back
	Flags      = "flags"  // of a DNS answer: "aa ra tc", those that are set
	Answer     = "answer" // records in presentation form, joined by "; "
	Authority  = "authority"
	RTT        = "rtt-ms"
	Cached     = "cached"   // "yes" when a resolver answered from its cache
	Error      = "error"    // why nothing came back: a network.Trouble, or as data, like Rules
	From       = "from"     // envelope sender as a path: "<ana@aurora.test>", "<>" for the null reverse-path
	To         = "to"       // envelope recipients, joined by ", "
	Original   = "original" // for each of To, what RCPT named; only where one of them differs
	Entries    = "entries"  // queue ids, joined by ", "
	Size       = "size"     // octets
	Client     = "client"
	Next       = "next"       // the host that the message goes to
	NextQueue  = "next-queue" // the queue id that the next host gave in its reply
	Reply      = "reply"      // the last reply of the next host
	RetryIn    = "retry-in"   // a Go duration, in real time; the least where no host was reached
	ProbeIn    = "probe-in"   // a Go duration, in real time, until a dead destination is probed
	AttemptNo  = "attempt-no"
	BounceID   = "bounce"
	Domain     = "domain"
	Mailbox    = "mailbox"
	UID        = "uid"
	Zone       = "zone"
	Serial     = "serial"
	Step       = "step"
	Summary    = "summary" // the text, which says it in English, stands in place of lines; as data, like Rules
	Note       = "note"    // what was unusual: no brackets, early talker, bare LF; as data, like Rules
)
