// Package bouncetest reads delivery reports for tests, by the letter of RFC
// 6522, RFC 3464, RFC 3461 §6 and RFC 6533, and refuses whatever these do not
// allow. It shares no code with the writer.
package bouncetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"strings"
	"unicode/utf8"
)

// Report is a report that was read.
type Report struct {
	Header     Fields // of the whole
	Text       string // the first part, decoded
	Type       string // of the second part
	Message    Fields // of the second part's first block: about the message
	Recipients []Fields
	Kind       string // content type of the third part
	Returned   string
}

// Fields are header fields by their names in lower case, unfolded.
type Fields map[string]string

// Get returns a field, or "".
func (f Fields) Get(name string) string { return f[strings.ToLower(name)] }

// part is one body part, or the whole message.
type part struct {
	header Fields
	body   []byte
}

// Parse reads a report. Trace fields that hosts put in front are skipped.
func Parse(raw []byte) (Report, error) {
	if err := checkLines(raw); err != nil {
		return Report{}, err
	}
	whole, err := split(raw)
	if err != nil {
		return Report{}, fmt.Errorf("header: %w", err)
	}
	boundary, reportType, err := checkHeader(whole.header)
	if err != nil {
		return Report{}, err
	}
	parts, err := cutParts(whole.body, boundary)
	if err != nil {
		return Report{}, err
	}
	if len(parts) != 3 {
		return Report{}, fmt.Errorf("%d parts, want 3", len(parts))
	}
	if err := checkEncodings(whole, parts); err != nil {
		return Report{}, err
	}
	if err := parts[2].decode(); err != nil {
		return Report{}, fmt.Errorf("third part: %w", err)
	}
	r := Report{Header: whole.header, Type: parts[1].header.Get("Content-Type"), Kind: parts[2].header.Get("Content-Type"), Returned: string(parts[2].body)}
	if r.Text, err = readText(parts[0]); err != nil {
		return Report{}, fmt.Errorf("first part: %w", err)
	}
	if r.Type != "message/"+reportType {
		return Report{}, fmt.Errorf("the second part is %s, report-type is %s", r.Type, reportType)
	}
	if err := r.readStatus(string(parts[1].body)); err != nil {
		return Report{}, fmt.Errorf("second part: %w\n%s", err, parts[1].body)
	}
	switch r.Kind {
	case "message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers":
		return r, nil
	}
	return Report{}, fmt.Errorf("the third part is %s", r.Kind)
}

// checkLines: RFC 5322 §2.1.1 and §2.3.
func checkLines(raw []byte) error {
	n := 0
	for line := range bytes.Lines(raw) {
		n++
		text, ok := bytes.CutSuffix(line, []byte("\r\n"))
		switch {
		case !ok:
			return fmt.Errorf("line %d does not end in CRLF: %.60q", n, line)
		case len(text) > 998:
			return fmt.Errorf("line %d has %d octets", n, len(text))
		case bytes.ContainsAny(text, "\r\x00"):
			return fmt.Errorf("line %d has a CR or a NUL: %.60q", n, text)
		}
	}
	return nil
}

// split cuts at the first empty line.
func split(raw []byte) (part, error) {
	if rest, ok := bytes.CutPrefix(raw, []byte("\r\n")); ok {
		return part{Fields{}, rest}, nil
	}
	head, body, found := bytes.Cut(raw, []byte("\r\n\r\n"))
	if !found {
		return part{}, errors.New("no empty line behind it")
	}
	fields, err := readFields(string(head), map[string]bool{"received": true})
	return part{fields, body}, err
}

// readFields reads the lines of a block of fields. Each comes once, except
// those named.
func readFields(block string, often map[string]bool) (Fields, error) {
	f := Fields{}
	last := ""
	for line := range strings.SplitSeq(block, "\r\n") {
		if strings.TrimSpace(line) == "" {
			return nil, errors.New("a line of spaces")
		}
		if line[0] == ' ' || line[0] == '\t' {
			if last == "" {
				return nil, fmt.Errorf("%q continues nothing", line)
			}
			f[last] += " " + strings.TrimSpace(line)
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return nil, fmt.Errorf("%q is not a field", line)
		}
		last = strings.ToLower(name)
		if _, given := f[last]; given && !often[last] {
			return nil, fmt.Errorf("%s comes twice", name)
		}
		if !utf8.ValidString(value) {
			return nil, fmt.Errorf("%s is not UTF-8", name)
		}
		f[last] = strings.TrimSpace(value)
	}
	return f, nil
}

// checkHeader checks the header of the whole and returns what it says of the
// parts.
func checkHeader(h Fields) (boundary, reportType string, err error) {
	for _, name := range []string{"From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "Auto-Submitted"} {
		if h.Get(name) == "" {
			return "", "", fmt.Errorf("no %s", name)
		}
	}
	for name, value := range h {
		if err := check(name, value); err != nil {
			return "", "", err
		}
		if name != "to" && name != "delivered-to" && name != "received" && !ascii(value) {
			return "", "", fmt.Errorf("%s is not ASCII: %q", name, value)
		}
	}
	kind, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	switch {
	case err != nil:
		return "", "", fmt.Errorf("field Content-Type: %w", err)
	case kind != "multipart/report" || len(params) != 2 || params["boundary"] == "" || params["report-type"] == "":
		return "", "", fmt.Errorf("field Content-Type: %s", h.Get("Content-Type"))
	}
	return params["boundary"], params["report-type"], nil
}

// cutParts cuts a multipart body (RFC 2046 §5.1.1): nothing but a line end may
// stand behind the last delimiter.
func cutParts(body []byte, boundary string) ([]part, error) {
	delimiter := []byte("\r\n--" + boundary)
	pieces := bytes.Split(append([]byte("\r\n"), body...), delimiter)
	if len(pieces) < 2 || string(pieces[len(pieces)-1]) != "--\r\n" {
		return nil, errors.New("the last delimiter is missing, or something stands behind it")
	}
	var parts []part
	for i, piece := range pieces[1 : len(pieces)-1] {
		rest, ok := bytes.CutPrefix(piece, []byte("\r\n"))
		if !ok {
			return nil, fmt.Errorf("delimiter %d goes on: %.20q", i+1, piece)
		}
		p, err := split(rest)
		if err != nil {
			return nil, fmt.Errorf("part %d: %w", i+1, err)
		}
		for name := range p.header {
			if name != "content-type" && name != "content-transfer-encoding" {
				return nil, fmt.Errorf("part %d has a field %s", i+1, name)
			}
		}
		parts = append(parts, p)
	}
	return parts, nil
}

// checkEncodings: RFC 2045 §6.4, a multipart is 8bit when one of its parts is.
func checkEncodings(whole part, parts []part) error {
	eight := false
	for i, p := range parts {
		encoding := p.header.Get("Content-Transfer-Encoding")
		switch {
		case encoding == "8bit":
			eight = true
		case !ascii(string(p.body)):
			return fmt.Errorf("part %d is %q and has octets above 127", i+1, encoding)
		}
	}
	if outer := whole.header.Get("Content-Transfer-Encoding"); (outer == "8bit") != eight {
		return fmt.Errorf("the whole is %q, 8 bits in a part: %t", outer, eight)
	}
	return nil
}

// decode undoes an encoding. RFC 2046 §5.2.1: message/rfc822 has none; the types of
// RFC 6532 and RFC 6533 may, and text.
func (p *part) decode() (err error) {
	kind, encoding := p.header.Get("Content-Type"), p.header.Get("Content-Transfer-Encoding")
	switch {
	case encoding == "7bit" || encoding == "8bit":
		return nil
	case encoding != "quoted-printable" || kind == "message/rfc822":
		return fmt.Errorf("%s in %q", kind, encoding)
	}
	p.body, err = io.ReadAll(quotedprintable.NewReader(bytes.NewReader(p.body)))
	return err
}

func readText(p part) (string, error) {
	if kind := p.header.Get("Content-Type"); kind != "text/plain; charset=utf-8" {
		return "", errors.New(kind)
	}
	if p.header.Get("Content-Transfer-Encoding") != "quoted-printable" {
		return "", errors.New("not quoted-printable")
	}
	text, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(p.body)))
	if err == nil && !utf8.Valid(text) {
		err = errors.New("not UTF-8")
	}
	return string(text), err
}

func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}
