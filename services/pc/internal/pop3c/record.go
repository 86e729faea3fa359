package pop3c

import (
	"bytes"
	"crypto/tls"
	"net"
	"strconv"
	"strings"
	"time"

	"correio/services/internal/event"
	"correio/services/internal/listener"
	"correio/services/internal/reason"
	"correio/services/internal/text"
	"correio/services/pc/internal/transcript"
)

// recorder tells the event log and the Trace what happens on a connection.
type recorder struct {
	log    *event.Log
	trace  func(at time.Time, l transcript.Line)
	conn   string
	host   string
	secure bool
}

func newRecorder(opt Options, conn net.Conn) recorder {
	r := recorder{log: opt.Events, trace: opt.Trace, conn: opt.Events.NextConn(), host: opt.Host}
	proto := "pop3"
	if opt.TLS != nil {
		proto = "pop3s"
	}
	r.append(event.KindConn, event.Open, event.M(event.Proto, proto, event.Role, "client", event.Host, r.host,
		event.Local, listener.AddrPort(conn.LocalAddr()).String(), event.Remote, listener.AddrPort(conn.RemoteAddr()).String()))
	return r
}

func (r *recorder) append(kind event.Kind, text string, meta event.Meta) {
	r.log.Append(event.Record{Conn: r.conn, Kind: kind, Text: text, Meta: meta})
}

func (r *recorder) close(why []reason.Reason) {
	r.append(event.KindConn, event.Close, event.M(event.Reason, reason.Encode(why...)))
}

func (r *recorder) established(state tls.ConnectionState) {
	r.secure = true
	r.append(event.KindTLS, event.Established, event.M(event.Version, tls.VersionName(state.Version),
		event.Cipher, tls.CipherSuiteName(state.CipherSuite), event.ServerName, state.ServerName))
}

func (r *recorder) failed(err error) {
	r.append(event.KindTLS, event.Failed, event.M(event.ServerName, r.host, event.Reason, reason.Encode(reason.OfTLS(err)...)))
}

func (r *recorder) auth(user, mechanism string, ok bool) {
	text := event.Refused
	if ok {
		text = event.Accepted
	}
	r.append(event.KindAuth, text, event.M(event.User, user, event.Mechanism, mechanism))
}

// line tells about a line, as package smtpc does: who traces may be a terminal.
func (r *recorder) line(dir event.Dir, said string) {
	r.tell(transcript.Line{Dir: dir, Text: said}, nil)
}

// instead tells what stands in place of lines that the server sent.
func (r *recorder) instead(what reason.Reason) {
	r.tell(transcript.Line{Dir: event.In, Text: what.String(), Note: &what}, event.M(event.Summary, reason.Encode(what)))
}

func (r *recorder) tell(l transcript.Line, meta event.Meta) {
	now := time.Now()
	r.log.Append(event.Record{Time: now, Conn: r.conn, Kind: event.KindLine, Dir: l.Dir, Text: strings.ToValidUTF8(l.Text, "�"), Meta: meta})
	if r.trace != nil {
		l.Text, l.TLS = text.Visible(l.Text), r.secure
		r.trace(now, l)
	}
}

const (
	maxHeadLines = 20  // of a message's header that are shown
	maxHeadOctet = 200 // of each
)

// message shows the beginning of a message's header and how long it is.
func (r *recorder) message(message []byte) {
	lines := 0
	for line := range bytes.Lines(message) {
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 || lines == maxHeadLines {
			break
		}
		lines++
		r.line(event.In, string(line[:min(len(line), maxHeadOctet)]))
	}
	r.instead(reason.New(reason.MessageSize, strconv.Itoa(len(message))))
	r.line(event.In, ".")
}
