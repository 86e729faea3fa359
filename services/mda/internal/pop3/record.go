package pop3

import (
	"bytes"
	"crypto/tls"
	"net"
	"slices"
	"strconv"
	"strings"

	"correio/services/internal/event"
	"correio/services/internal/listener"
	"correio/services/internal/reason"
	"correio/services/internal/sasl"
	"correio/services/mda/internal/store"
)

// recorder turns what happens on one connection into events.
type recorder struct {
	log  *event.Log
	name string // of the connection
	// stray says that AUTH was refused: unknown lines behind it may be the
	// secrets of a client that does not wait for the answer.
	stray bool
}

func newRecorder(cfg Config, c net.Conn, implicit bool) recorder {
	r := recorder{log: cfg.Events, name: cfg.Events.NextConn()}
	proto := "pop3"
	if implicit {
		proto = "pop3s"
	}
	remote := listener.AddrPort(c.RemoteAddr())
	name := ""
	if cfg.NameOf != nil {
		name = cfg.NameOf(remote.Addr())
	}
	r.log.Append(event.Record{Conn: r.name, Kind: event.KindConn, Text: event.Open, Meta: event.M(
		event.Proto, proto, event.Role, "server", event.Host, name,
		event.Local, listener.AddrPort(c.LocalAddr()).String(), event.Remote, remote.String())})
	return r
}

func (r *recorder) close(why error) {
	r.log.Append(event.Record{Conn: r.name, Kind: event.KindConn, Text: event.Close, Meta: event.M(event.Reason, reason.Encode(reason.Of(why)...))})
}

func (r *recorder) in(text string) {
	r.log.Append(event.Record{Conn: r.name, Kind: event.KindLine, Dir: event.In, Text: text})
}

func (r *recorder) out(text string) {
	r.log.Append(event.Record{Conn: r.name, Kind: event.KindLine, Dir: event.Out, Text: text})
}

// secrets are the verbs whose arguments nobody may see, mistyped or refused
// ones included.
var secrets = []string{"PASS", "AUTH", "APOP"}

// command records a line that the client sent, without its secrets.
func (r *recorder) command(line []byte) {
	text := strings.ToValidUTF8(string(line), "�")
	trimmed := strings.TrimLeft(text, " \t")
	for _, verb := range secrets {
		if len(trimmed) > len(verb) && strings.EqualFold(trimmed[:len(verb)], verb) {
			r.stray = r.stray || verb != "PASS"
			r.in(verb + " " + shownArgument(verb, trimmed))
			return
		}
	}
	verb, _, _ := strings.Cut(trimmed, " ")
	if _, known := rules[strings.ToUpper(verb)]; known {
		r.stray = false
	} else if r.stray {
		text = masked
	}
	r.in(text)
}

// masked stands for a secret.
const masked = "****"

// shownArgument is what is shown behind a verb with secrets: the mechanism of
// AUTH, if it is one.
func shownArgument(verb, line string) string {
	words := strings.Fields(line)
	if verb != "AUTH" || len(words) < 2 || !slices.Contains(mechanisms, strings.ToUpper(words[1])) {
		return masked
	}
	if len(words) == 2 {
		return strings.ToUpper(words[1])
	}
	return strings.ToUpper(words[1]) + " " + masked
}

func (r *recorder) auth(who sasl.Identity, mechanism string, secure, ok bool) {
	text := event.Refused
	if ok {
		text = event.Accepted
	}
	var notes []reason.Reason
	if !secure {
		notes = append(notes, reason.New(reason.InClear))
	}
	r.log.Append(event.Record{Conn: r.name, Kind: event.KindAuth, Text: text,
		Meta: event.M(event.User, who.String(), event.Mechanism, mechanism, event.Note, reason.Encode(notes...))})
}

func (r *recorder) tlsEstablished(state tls.ConnectionState) {
	r.log.Append(event.Record{Conn: r.name, Kind: event.KindTLS, Text: event.Established, Meta: event.M(
		event.Version, tls.VersionName(state.Version), event.Cipher, tls.CipherSuiteName(state.CipherSuite),
		event.ServerName, state.ServerName)})
}

func (r *recorder) tlsFailed(err error) {
	r.log.Append(event.Record{Conn: r.name, Kind: event.KindTLS, Text: event.Failed, Meta: event.M(event.Reason, reason.Encode(reason.OfTLS(err)...))})
}

func (r *recorder) retrieved(mailbox string, m *store.Message) {
	r.store(event.Retrieved, mailbox, store.Removed{UID: m.UID, Size: m.Size, ID: m.ID, MessageID: m.MessageID})
}

func (r *recorder) deleted(mailbox string, m store.Removed) { r.store(event.Deleted, mailbox, m) }

func (r *recorder) store(what, mailbox string, m store.Removed) {
	r.log.Append(event.Record{
		Conn: r.name, Queue: m.ID, Message: m.MessageID, Kind: event.KindStore, Text: what,
		Meta: event.M(event.Mailbox, mailbox, event.UID, strconv.FormatUint(uint64(m.UID), 10),
			event.Size, strconv.FormatInt(m.Size, 10)),
	})
}

const (
	maxHeadLines = 20  // of a message's header that are recorded
	maxHeadOctet = 200 // of each
)

// outOf records a line that belongs to a message.
func (r *recorder) outOf(m *store.Message, text string) {
	r.log.Append(event.Record{
		Conn: r.name, Queue: m.ID, Message: m.MessageID, Kind: event.KindLine, Dir: event.Out, Text: text,
	})
}

// instead records what stands in place of lines, of a message or of none.
func (r *recorder) instead(dir event.Dir, m *store.Message, what reason.Reason) {
	record := event.Record{Conn: r.name, Kind: event.KindLine, Dir: dir, Text: what.String(), Meta: event.M(event.Summary, reason.Encode(what))}
	if m != nil {
		record.Queue, record.Message = m.ID, m.MessageID
	}
	r.log.Append(record)
}

// headLines records the first lines of a header as it is sent.
type headLines struct {
	rec   *recorder
	msg   *store.Message
	lines int
	line  []byte // the beginning of one that was cut between two writes
	done  bool
}

func (h *headLines) see(p []byte) {
	for !h.done && len(p) > 0 {
		end := bytes.IndexByte(p, '\n')
		part := p
		if end >= 0 {
			part = p[:end]
		}
		h.line = append(h.line, part[:min(len(part), maxHeadOctet+1-len(h.line))]...)
		if end < 0 {
			return
		}
		h.endLine()
		p = p[end+1:]
	}
}

func (h *headLines) endLine() {
	line := bytes.TrimSuffix(h.line, []byte("\r"))
	h.line = h.line[:0]
	if len(line) == 0 || h.lines == maxHeadLines {
		h.done = true
		return
	}
	h.lines++
	h.rec.outOf(h.msg, strings.ToValidUTF8(string(line[:min(len(line), maxHeadOctet)]), "�"))
}

// end records how much was sent, in place of the rest.
func (h *headLines) end(sent int64) {
	h.rec.instead(event.Out, h.msg, reason.New(reason.MessageSize, strconv.FormatInt(sent, 10)))
	h.rec.outOf(h.msg, ".")
}
