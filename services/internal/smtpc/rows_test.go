package smtpc

import (
	"bufio"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
)

// behaviour.md §6 row 5: what follows the reply to STARTTLS in clear may be
// somebody else's.
func TestRow5OctetsBehindStartTLSAreRefused(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	go func() {
		defer server.Close()
		r := bufio.NewReader(server)
		io.WriteString(server, "220 mx\r\n")
		r.ReadString('\n')
		io.WriteString(server, "250-mx\r\n250 STARTTLS\r\n")
		r.ReadString('\n')
		io.WriteString(server, "220 Go\r\n250 injected\r\n")
		io.Copy(io.Discard, r)
	}()
	c, err := Open(t.Context(), client, Options{Hello: "a.test"})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.StartTLS(t.Context(), noVerify()); !errors.Is(err, ErrInjected) {
		t.Errorf("got %v", err)
	}
}

func TestCommandCannotBeSplit(t *testing.T) {
	conn, _ := converse(t, "S: 220 mx1.boreal.test\nHANG")
	if _, err := Open(t.Context(), conn, Options{Hello: "a.test\r\nQUIT"}); err == nil {
		t.Error("EHLO with a line end in it was sent")
	}
	for _, param := range []string{"x y", "x\r\nQUIT", "\t", "", strings.Repeat("x", 1001)} {
		if isParam(param) {
			t.Errorf("%q passes as a parameter", param)
		}
	}
}
