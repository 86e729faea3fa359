package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// maxDetails is how many details a record from elsewhere may have.
const maxDetails = 256

// ParseJSON reads a record as json.Unmarshal does. The record's strings may be
// parts of data, which stays in memory for as long as one of them.
//
// What AppendJSON writes is read in one pass. JSON that is written otherwise,
// by other hands or by a newer node, is left to encoding/json.
func ParseJSON(data string) (Record, error) {
	s := scanner{rest: data}
	if r, ok := s.record(); ok {
		return r, nil
	}
	var r Record
	if err := json.Unmarshal([]byte(data), &r); err != nil {
		return Record{}, err
	}
	return r, nil
}

// UnmarshalJSON reads an object of strings, keeping its order. Of a key said
// twice the first place counts, and the last value.
func (m *Meta) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil // as encoding/json has it
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return errors.Join(errors.New("event meta: not an object"), err)
	}
	list := Meta{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return fmt.Errorf("event meta: %w", err)
		}
		value, err := dec.Token()
		if err != nil {
			return fmt.Errorf("event meta: %w", err)
		}
		said := Attr{key.(string), ""} // a decoder lets nothing else be a key
		var ok bool
		if said.Value, ok = value.(string); !ok {
			return fmt.Errorf("event meta: the value of %q is not a string", said.Key)
		}
		if i := slices.IndexFunc(list, func(a Attr) bool { return a.Key == said.Key }); i >= 0 {
			list[i] = said
			continue
		}
		if list = append(list, said); len(list) > maxDetails {
			return fmt.Errorf("event meta: more than %d details", maxDetails)
		}
	}
	*m = list
	return nil
}

// scanner reads JSON as AppendJSON writes it, in that order. Each method takes
// what it reads off the rest; ok is false when there is something else there,
// valid or not.
type scanner struct{ rest string }

func (s *scanner) record() (r Record, ok bool) {
	var at, kind, dir string
	ok = s.skip(`{"seq":`) && s.number(&r.Seq) &&
		s.skip(`,"time":`) && s.text(&at) && stamp(&r.Time, at) &&
		s.skip(`,"node":`) && s.text(&r.Node) &&
		s.field(`,"conn":`, &r.Conn) &&
		s.field(`,"queue":`, &r.Queue) &&
		s.field(`,"message":`, &r.Message) &&
		s.skip(`,"kind":`) && s.text(&kind) &&
		s.field(`,"dir":`, &dir) &&
		s.field(`,"text":`, &r.Text) &&
		s.meta(&r.Meta) &&
		s.skip(`}`) && s.rest == ""
	r.Kind, r.Dir = Kind(kind), Dir(dir)
	return r, ok
}

// skip takes what is certain to come.
func (s *scanner) skip(what string) bool {
	if len(s.rest) < len(what) || s.rest[:len(what)] != what {
		return false
	}
	s.rest = s.rest[len(what):]
	return true
}

// field reads a value that is left out when it is empty.
func (s *scanner) field(name string, value *string) bool {
	return !s.skip(name) || s.text(value)
}

// stamp reads a time without a copy on the heap.
func stamp(t *time.Time, word string) bool {
	var buf [len(time.RFC3339Nano)]byte
	return len(word) <= len(buf) && t.UnmarshalText(append(buf[:0], word...)) == nil
}

// meta reads as many details as a record usually has at most, or none.
func (s *scanner) meta(m *Meta) bool {
	if !s.skip(`,"meta":{`) {
		return true
	}
	var list [16]Attr
	n := 0
	for more := true; more; more = s.skip(",") {
		if n == len(list) || !s.text(&list[n].Key) || !s.skip(":") || !s.text(&list[n].Value) ||
			Meta(list[:n]).has(list[n].Key) {
			return false
		}
		n++
	}
	*m = make(Meta, n)
	copy(*m, list[:n])
	return s.skip("}")
}

func (m Meta) has(key string) bool {
	for i := range m {
		if m[i].Key == key {
			return true
		}
	}
	return false
}

// number reads a whole number of up to 19 digits, which fits.
func (s *scanner) number(n *uint64) bool {
	i := 0
	for ; i < len(s.rest) && i < 19 && s.rest[i]-'0' <= 9; i++ {
		*n = *n*10 + uint64(s.rest[i]-'0')
	}
	if i == 0 || i > 1 && s.rest[0] == '0' {
		return false
	}
	s.rest = s.rest[i:]
	return true
}

// text reads a string.
func (s *scanner) text(to *string) bool {
	if !s.skip(`"`) {
		return false
	}
	n := plainLen(s.rest)
	if n == len(s.rest) {
		return false
	}
	if s.rest[n] != '"' {
		return s.escaped(to)
	}
	*to, s.rest = s.rest[:n], s.rest[n+1:]
	return true
}

// escaped reads the rest of a string in which not all stand for themselves.
func (s *scanner) escaped(to *string) bool {
	var buf [256]byte
	out := buf[:0]
	for {
		n := plainLen(s.rest)
		out = append(out, s.rest[:n]...)
		s.rest = s.rest[n:]
		if s.skip(`"`) {
			*to = string(out)
			return true
		}
		var r rune
		size := 0
		if s.skip(`\`) {
			r, size = escape(s.rest)
		} else if s.rest != "" && s.rest[0] >= ' ' {
			r, size = utf8.DecodeRuneInString(s.rest)
		}
		if size == 0 || r == utf8.RuneError && size == 1 {
			return false
		}
		out = utf8.AppendRune(out, r)
		s.rest = s.rest[size:]
	}
}

// escape reads what follows a backslash: the character it means and how many
// octets say so, 0 when it is none that is known here.
func escape(s string) (r rune, size int) {
	if s == "" {
		return 0, 0
	}
	if i := strings.IndexByte(`"\/bfnrt`, s[0]); i >= 0 {
		return rune("\"\\/\b\f\n\r\t"[i]), 1
	}
	if s[0] != 'u' || len(s) < 5 {
		return 0, 0
	}
	for _, c := range []byte(s[1:5]) {
		digit := strings.IndexByte(hexDigits, c|0x20)
		if digit < 0 || c < '0' {
			return 0, 0
		}
		r = r<<4 | rune(digit)
	}
	if !utf8.ValidRune(r) {
		return 0, 0
	}
	return r, 5
}
