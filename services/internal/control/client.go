package control

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"correio/services/internal/event"
	"correio/services/internal/problem"
)

// DialFunc opens the connection to a control port.
type DialFunc func(ctx context.Context, addr netip.AddrPort) (net.Conn, error)

// Client talks to the control port of one node.
type Client struct {
	Addr  netip.AddrPort
	Token string
	// HTTP must dial by address; NewHTTP makes a fitting one for many clients.
	HTTP *http.Client
}

// NewHTTP returns an HTTP client that dials control ports by dial, keeps few
// idle connections, and neither follows proxies nor asks a resolver.
func NewHTTP(dial DialFunc) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
			to, err := netip.ParseAddrPort(addr)
			if err != nil {
				return nil, fmt.Errorf("control address %q: %w", addr, err)
			}
			ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
			defer cancel()
			return dial(ctx, to)
		},
		MaxIdleConnsPerHost:   2,
		IdleConnTimeout:       time.Minute,
		ResponseHeaderTimeout: 2 * time.Minute,
	}}
}

// NewRequest makes a request for path, with the token.
func (c *Client) NewRequest(ctx context.Context, method, path string, body io.Reader) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+c.Addr.String()+path, body)
	if err != nil {
		return nil, fmt.Errorf("control request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+c.Token)
	return req, nil
}

// StatusError is an answer of a control port that is not 2xx.
type StatusError struct {
	Code int
	What string // its "error" or "reason", or the body's beginning
	// Problem is the same as data; nil where the answer has none that we know.
	Problem *problem.Problem
}

// Unwrap returns the problem, which speaks people's languages.
func (e *StatusError) Unwrap() error {
	if e.Problem == nil {
		return nil
	}
	return e.Problem
}

// Error implements error.
func (e *StatusError) Error() string { return fmt.Sprintf("%d %s", e.Code, e.What) }

// Call sends in (unless nil) as JSON and decodes the answer into out (unless
// nil). The answer is read up to 64 MiB. Another status than 2xx is a
// *StatusError.
func (c *Client) Call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
		body = bytes.NewReader(data)
	}
	req, err := c.NewRequest(ctx, method, path, body)
	if err != nil {
		return err
	}
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return DecodeAnswer(resp, out)
}

// DecodeAnswer reads a JSON answer into out (unless nil), or makes a
// *StatusError of it. It does not close the body.
func DecodeAnswer(resp *http.Response, out any) error {
	data, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if resp.StatusCode/100 != 2 {
		var said struct {
			Error, Reason string
			Code          problem.Code
			Args          []string
		}
		what := strings.TrimSpace(string(data[:min(len(data), 200)]))
		if json.Unmarshal(data, &said) == nil && said.Error+said.Reason != "" {
			what = said.Error + said.Reason
		}
		answer := &StatusError{Code: resp.StatusCode, What: what}
		if p := problem.New(said.Code, said.Args...); p.Known() {
			answer.Problem = p
		}
		return answer
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("decode answer: %w", err)
	}
	return nil
}

// Info asks the node who it is.
func (c *Client) Info(ctx context.Context) (Info, error) {
	var info Info
	err := c.Call(ctx, http.MethodGet, "/", nil, &info)
	return info, err
}

// Ready returns nil when the node is ready, and else why not.
func (c *Client) Ready(ctx context.Context) error {
	return c.Call(ctx, http.MethodGet, "/readyz", nil, nil)
}

// Follow reads the node's event stream behind lastID ("" for all there is) and
// hands each record over with its id, until the context ends or the stream
// breaks; it returns why. missed tells of records that were dropped before
// they could be read.
func (c *Client) Follow(ctx context.Context, lastID string, each func(id string, r event.Record), missed func(n uint64)) error {
	req, err := c.NewRequest(ctx, http.MethodGet, "/events", nil)
	if err != nil {
		return err
	}
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return DecodeAnswer(resp, nil)
	}
	return ReadEvents(resp.Body, each, missed)
}
