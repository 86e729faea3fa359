package journeytest

import (
	"fmt"

	"correio/services/internal/event"
	"correio/services/internal/reason"
)

// session is a connection that hands a message over, as both ends see it.
type session struct {
	client, server, proto string
	port                  int
	own                   string // queue id at the client, "" for a submission
	given                 string // id that the server gives
	message               string

	atClient, atServer string // names of the connection
	traffic            *Traffic
}

func (t *Traffic) session(s session) {
	s.traffic = t
	local, remote := t.ephemeral(s.client), fmt.Sprintf("%s:%d", addresses[s.server], s.port)
	s.atClient = t.open(s.client, s.proto, "client", local, remote)
	s.atServer = t.open(s.server, s.proto, "server", remote, local)
	s.says("220 " + s.server + " ESMTP correio")
	for _, said := range []struct{ command, reply string }{
		{"EHLO " + s.client, "250 " + s.server + " greets " + s.client},
		{"MAIL FROM:<" + ana + "> SIZE=612 BODY=8BITMIME", "250 2.1.0 <" + ana + "> Sender ok"},
		{"RCPT TO:<" + bruno + ">", "250 2.1.5 <" + bruno + "> Recipient ok"},
		{"DATA", "354 End data with <CR><LF>.<CR><LF>"},
	} {
		s.asks(said.command)
		s.says(said.reply)
	}
	s.asks("Subject: message " + s.given)
	size := reason.New(reason.MessageSize, "612")
	s.asks(size.String(), event.Summary, reason.Encode(size))
	reply := "250 2.0.0 Ok: queued as " + s.given
	if s.proto == "lmtp" {
		t.see(s.server, event.Record{Conn: s.atServer, Queue: s.given, Message: s.message, Kind: event.KindStore, Text: event.Stored,
			Meta: event.M(event.Mailbox, "bruno", event.UID, "1", event.Size, "612")})
	} else {
		t.queue(s.server, s.atServer, s.given, s.message, event.Accepted, event.From, "<"+ana+">", event.To, bruno, event.Size, "612")
	}
	s.says(reply)
	if s.own != "" {
		t.queue(s.client, s.atClient, s.own, "", event.Delivered, event.To, bruno, event.Next, s.server, event.Reply, reply, event.NextQueue, s.given)
	}
	s.asks("QUIT")
	s.says("221 2.0.0 " + s.server + " closing connection")
	t.see(s.client, event.Record{Conn: s.atClient, Kind: event.KindConn, Text: event.Close})
	t.see(s.server, event.Record{Conn: s.atServer, Kind: event.KindConn, Text: event.Close})
}

// asks plays a line of the client, which both ends record.
func (s *session) asks(line string, details ...string) {
	s.traffic.see(s.client, event.Record{Conn: s.atClient, Queue: s.own, Kind: event.KindLine, Dir: event.Out, Text: line, Meta: event.M(details...)})
	s.traffic.see(s.server, event.Record{Conn: s.atServer, Kind: event.KindLine, Dir: event.In, Text: line, Meta: event.M(details...)})
}

// says plays a line of the server.
func (s *session) says(line string) {
	s.traffic.see(s.server, event.Record{Conn: s.atServer, Kind: event.KindLine, Dir: event.Out, Text: line})
	s.traffic.see(s.client, event.Record{Conn: s.atClient, Queue: s.own, Kind: event.KindLine, Dir: event.In, Text: line})
}
