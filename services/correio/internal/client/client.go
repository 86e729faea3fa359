// Package client is what the verbs know of a running lab: the observatory's
// API over HTTP. Everything goes through the observatory, so the same verbs
// work on the Compose lab, on one started by `correio run`, and inside one.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"correio/services/internal/control"
	"correio/services/internal/journey"
	"correio/services/internal/tunnel"
)

// ErrNotRunning tells that nothing answers where the lab should be.
var ErrNotRunning = errors.New("the lab is not running")

// connectWait bounds the connection to the observatory, which is near.
const connectWait = 5 * time.Second

// maxAnswer bounds an answer of the API, in octets: mailboxes pass through it.
const maxAnswer = 256 << 20

// Lab is the API of one lab's observatory.
type Lab struct {
	base *url.URL
	http *http.Client
	dial net.Dialer
}

// New returns the API at a base URL such as http://127.0.0.1:8080; http:// may
// be left out.
func New(base string) (*Lab, error) {
	if !strings.Contains(base, "://") {
		base = "http://" + base
	}
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" || u.Host == "" {
		return nil, fmt.Errorf("lab address %q: want http://HOST:PORT", base)
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), "80")
	}
	l := &Lab{base: u, dial: net.Dialer{Timeout: connectWait}}
	l.http = &http.Client{Transport: &http.Transport{DialContext: l.dial.DialContext, DisableCompression: true}}
	return l, nil
}

// String returns the base URL.
func (l *Lab) String() string { return l.base.String() }

// Close drops the connections that are kept for the next request.
func (l *Lab) Close() { l.http.CloseIdleConnections() }

// url joins a path, whose elements are escaped, and a query to the base.
func (l *Lab) url(query url.Values, elements ...string) string {
	escaped := make([]string, len(elements))
	for i, e := range elements {
		escaped[i] = url.PathEscape(e)
	}
	u := l.base.JoinPath(escaped...)
	u.RawQuery = query.Encode()
	return u.String()
}

// call sends in (unless nil) as JSON and decodes the answer into out (unless
// nil). A status of 400 and above is a *control.StatusError.
func (l *Lab) call(ctx context.Context, method, target string, in, out any) error {
	resp, err := l.send(ctx, method, target, in)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= http.StatusBadRequest {
		return control.DecodeAnswer(resp, nil)
	}
	if out == nil {
		return nil
	}
	return decode(resp.Body, out)
}

func (l *Lab) send(ctx context.Context, method, target string, in any) (*http.Response, error) {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("encode request: %w", err)
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, fmt.Errorf("request: %w", err)
	}
	if method != http.MethodGet {
		req.Header.Set("X-Correio", "1") // no page of another site can send this
	}
	resp, err := l.http.Do(req)
	if err != nil {
		return nil, notRunning(err)
	}
	return resp, nil
}

func decode(body io.Reader, out any) error {
	data, err := io.ReadAll(io.LimitReader(body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("decode answer: %w", err)
	}
	return nil
}

// notRunning marks the errors of connecting that mean: there is no lab.
func notRunning(err error) error {
	var op *net.OpError
	var dns *net.DNSError
	refused := errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF)
	if refused || errors.As(err, &dns) || errors.As(err, &op) && op.Op == "dial" {
		return fmt.Errorf("%w: %w", ErrNotRunning, err)
	}
	return err
}

// Control calls a node's control port through the observatory.
func (l *Lab) Control(ctx context.Context, node, method, path string, in, out any) error {
	elements := append([]string{"api", "v1", "nodes", node, "control"}, strings.Split(strings.Trim(path, "/"), "/")...)
	return l.call(ctx, method, l.url(nil, elements...), in, out)
}

// The ways in which waiting for a journey fails. The journey so far is
// returned as well, where there is one.
var (
	// ErrUnmet tells that the journey came to another end.
	ErrUnmet = errors.New("the journey ended otherwise")
	// ErrTimeout tells that the time was up.
	ErrTimeout = errors.New("timed out waiting for the journey")
	// ErrUnseen tells that no node knows the message.
	ErrUnseen = errors.New("no node has seen the message")
)

// MaxWait is the longest wait for a journey that the lab takes.
const MaxWait = 10 * time.Minute

// Messages lists the names of the newest messages, the newest first.
func (l *Lab) Messages(ctx context.Context, limit int) ([]string, error) {
	var answer struct{ Journeys []journey.Summary }
	err := l.call(ctx, http.MethodGet, l.url(url.Values{"limit": {strconv.Itoa(limit)}}, "api", "v1", "journeys"), nil, &answer)
	var names []string
	for _, s := range answer.Journeys {
		names = append(names, s.Message)
	}
	return names, err
}

// Journey returns the journey of a message: a Message-ID, with or without its
// angle brackets, or "last". With wait (delivered, bounced or any) it is
// returned when that is reached, or an error of those above after timeout.
func (l *Lab) Journey(ctx context.Context, id, wait string, timeout time.Duration) (*journey.Journey, error) {
	query := url.Values{}
	if wait != "" {
		query.Set("wait", wait)
		query.Set("timeout", timeout.String())
	}
	resp, err := l.send(ctx, http.MethodGet, l.url(query, "api", "v1", "journeys", strings.Trim(id, "<>")), nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
		j := new(journey.Journey)
		return j, decode(resp.Body, j)
	case http.StatusNotFound:
		return nil, ErrUnseen
	case http.StatusConflict, http.StatusGatewayTimeout:
		var unmet struct{ Journey *journey.Journey }
		if err := decode(resp.Body, &unmet); err != nil {
			return nil, err
		}
		if resp.StatusCode == http.StatusConflict {
			return unmet.Journey, ErrUnmet
		}
		return unmet.Journey, ErrTimeout
	}
	return nil, control.DecodeAnswer(resp, nil)
}

// Supervised reports whether the lab is one of `correio run`, which stops and
// starts its nodes by itself.
func (l *Lab) Supervised(ctx context.Context) (bool, error) {
	var about struct {
		Supervised bool `json:"supervised"`
	}
	err := l.call(ctx, http.MethodGet, l.url(nil, "api", "v1", "lab"), nil, &about)
	return about.Supervised, err
}

// StopNode and StartNode ask the observatory's supervisor, which only a lab of
// `correio run` has; elsewhere the answer is 501.
func (l *Lab) StopNode(ctx context.Context, name string) error {
	return l.call(ctx, http.MethodPost, l.url(nil, "api", "v1", "nodes", name, "stop"), nil, nil)
}

// StartNode is StopNode's opposite.
func (l *Lab) StartNode(ctx context.Context, name string) error {
	return l.call(ctx, http.MethodPost, l.url(nil, "api", "v1", "nodes", name, "start"), nil, nil)
}

// Dial opens a TCP connection from a workstation of the lab to host:port.
func (l *Lab) Dial(ctx context.Context, via, to string) (net.Conn, error) {
	c, err := l.dial.DialContext(ctx, "tcp", l.base.Host)
	if err != nil {
		return nil, notRunning(err)
	}
	target := l.url(url.Values{"via": {via}, "to": {to}}, "api", "v1", "dial")
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("request: %w", err)
	}
	return tunnel.Open(ctx, c, req)
}
