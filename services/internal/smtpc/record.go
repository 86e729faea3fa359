package smtpc

import (
	"bytes"
	"crypto/tls"
	"net"
	"strings"
	"time"

	"correio/services/internal/event"
	"correio/services/internal/listener"
	"correio/services/internal/reason"
	"correio/services/internal/text"
)

// Line is one line of a dialogue, as it is shown: without its line end,
// secrets masked, the message summarised.
type Line struct {
	Time time.Time
	Dir  event.Dir // event.Out is what the client said
	Text string
	// Note says as data what stands in place of lines, in English in Text; nil
	// where somebody has spoken.
	Note *reason.Reason
	Step Step
	TLS  bool
}

// recorder tells the event log and the Trace what happens on a connection.
type recorder struct {
	events *event.Log
	trace  func(Line)
	proto  string
	host   string
	conn   string
	queue  string
	secure bool
	// hideChallenges keeps what AUTH asks out of records: with it and our
	// response anybody could try passwords.
	hideChallenges bool
}

// reply records a line of a reply.
func (r *recorder) reply(line string, step Step) {
	if r.hideChallenges && strings.HasPrefix(line, "334 ") && len(line) > len("334 ") {
		line = "334 ****"
	}
	r.line(event.In, line, step)
}

func newRecorder(opt Options, conn net.Conn) recorder {
	_, secure := conn.(*tls.Conn)
	return recorder{
		events: opt.Events, trace: opt.Trace, proto: string(opt.Protocol), host: opt.Host,
		conn: opt.Events.NextConn(), queue: opt.Queue, secure: secure,
	}
}

func (r *recorder) append(kind event.Kind, text string, meta event.Meta) {
	r.events.Append(event.Record{Conn: r.conn, Queue: r.queue, Kind: kind, Text: text, Meta: meta})
}

func (r *recorder) open(conn net.Conn) {
	r.append(event.KindConn, event.Open, event.M(
		event.Proto, r.proto, event.Role, "client", event.Host, r.host,
		event.Local, listener.AddrPort(conn.LocalAddr()).String(),
		event.Remote, listener.AddrPort(conn.RemoteAddr()).String()))
}

func (r *recorder) close(why []reason.Reason) {
	r.append(event.KindConn, event.Close, event.M(event.Reason, reason.Encode(why...)))
}

// tlsFailed records a handshake that came to nothing.
func (r *recorder) tlsFailed(err error) {
	r.append(event.KindTLS, event.Failed, event.M(event.ServerName, r.host, event.Reason, reason.Encode(reason.OfTLS(err)...)))
}

// tls records a TLS session. doubt is why the certificate does not vouch for
// the server, where that was found out and did not matter.
func (r *recorder) tls(state *tls.ConnectionState, doubt error) {
	r.secure = true
	verified := []reason.Reason{reason.New(reason.Yes)}
	if doubt != nil {
		verified = append([]reason.Reason{reason.New(reason.No)}, reason.Of(doubt)...)
	}
	r.append(event.KindTLS, event.Established, event.M(
		event.Version, tls.VersionName(state.Version), event.Cipher, tls.CipherSuiteName(state.CipherSuite),
		event.ServerName, r.host, event.Verified, reason.Encode(verified...)))
}

func (r *recorder) auth(text, user, mechanism string) {
	r.append(event.KindAuth, text, event.M(event.User, user, event.Mechanism, mechanism))
}

// line tells about a line. Events have it as it went over the wire. Who traces
// may be a terminal: control characters, which a server's reply or somebody's
// header field may hold, are spelled out there.
func (r *recorder) line(dir event.Dir, said string, step Step) {
	if r.watched() {
		r.tell(Line{Dir: dir, Text: said, Step: step})
	}
}

// instead tells what stands in place of lines that we sent.
func (r *recorder) instead(what reason.Reason, step Step) {
	r.tell(Line{Dir: event.Out, Text: what.String(), Note: &what, Step: step})
}

func (r *recorder) tell(l Line) {
	l.Time, l.TLS = time.Now(), r.secure
	if r.events != nil {
		meta := stepMeta[l.Step]
		if l.Note != nil {
			meta = event.M(event.Step, l.Step.String(), event.Summary, reason.Encode(*l.Note))
		}
		r.events.Append(event.Record{
			Conn: r.conn, Queue: r.queue, Kind: event.KindLine, Dir: l.Dir, Text: strings.ToValidUTF8(l.Text, "\ufffd"), Meta: meta,
		})
	}
	if r.trace != nil {
		l.Text = text.Visible(l.Text)
		r.trace(l)
	}
}

// stepMeta are the details of a line of each step, made once: they belong to most
// records of a relay.
var stepMeta = func() (all [StepTLS + 1]event.Meta) {
	for s := range all {
		all[s] = event.M(event.Step, Step(s).String())
	}
	return all
}()

func (r *recorder) watched() bool { return r.events != nil || r.trace != nil }

// Bounds of the summary of a message: what events show of its header.
const (
	shownHeaderLines = 20
	shownHeaderWidth = 200
)

// summary shows the first header lines of a message that passes through it.
type summary struct {
	rec  *recorder
	left int    // lines that may still be shown
	line []byte // of the line that is not complete yet, at most shownHeaderWidth
}

func newSummary(rec *recorder) *summary {
	s := &summary{rec: rec}
	if rec.watched() {
		s.left = shownHeaderLines
	}
	return s
}

// Write implements io.Writer; it never fails.
func (s *summary) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0 && s.left > 0; {
		part, after, whole := bytes.Cut(rest, []byte{'\n'})
		s.line = append(s.line, part[:min(len(part), shownHeaderWidth-len(s.line))]...)
		if !whole {
			break
		}
		rest = after
		text := string(bytes.TrimSuffix(s.line, []byte{'\r'}))
		s.line = s.line[:0]
		if text == "" { // the body begins
			s.left = 0
			break
		}
		s.left--
		s.rec.line(event.Out, text, StepData)
	}
	return len(p), nil
}
